"""Work is charged by what it costs: floods are read slowly, neighbours answered at once."""

import asyncio
import json
from collections.abc import Callable

import pytest

from actors.messages.session import SocketLost
from tests.gateway.support.limits import options, reached
from tests.gateway.support.raw_peer import (
    BINARY,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    make_frame,
)
from tests.gateway.support.running_gateway import RunningGateway, chunk, run_gateway

FLOODS: dict[str, Callable[[int], bytes]] = {
    "messages": lambda number: make_frame(json.dumps(chunk("s-1", number)).encode()),
    "pings": lambda _: make_frame(b"", PING) * 4,
    "pongs": lambda _: make_frame(b"", PONG) * 50,
    "empty continuations": lambda _: make_frame(b"", CONTINUATION, fin=False) * 50,
    "keep-alives": lambda _: make_frame(b"ping") * 4,
    "of another session": lambda _: make_frame(json.dumps(chunk("s-9")).encode()),
}


def keep_alive_texts() -> list[bytes]:
    return [b'{"type":"ping"}', b'{ "type": "ping", "x": 1 }', b"ping", b"", b'"ping"']


def test_keep_alives_are_not_answered_and_do_not_change_the_row_of_bad_messages() -> None:
    async def scenario(running: RunningGateway) -> None:
        peer, actor = await running.session()
        for _ in range(2):
            peer.frame(b"nonsense")
            assert (await peer.hear())["type"] == "error"
            for text in keep_alive_texts():
                peer.frame(text)
            peer.frame(b"", BINARY)
        await peer.is_heard()
        peer.frame(b"nonsense")
        assert await peer.hear_close() == 1008
        assert isinstance(await actor.next(), SocketLost)

    run_gateway(scenario, options=options(max_bad_messages=2))


@pytest.mark.parametrize("kind", FLOODS)
def test_a_flood_is_read_at_the_rate_that_is_allowed(kind: str) -> None:
    async def scenario(running: RunningGateway) -> None:
        loop = asyncio.get_running_loop()
        peer, actor = await running.session()
        if kind == "empty continuations":
            peer.frame(b"", TEXT, fin=False)
        began = loop.time()
        peer.writer.write(b"".join(map(FLOODS[kind], range(140))))
        peer.frame(b"the end", PING)
        while await peer.hear_frame() != (PONG, b"the end"):
            pass
        if kind == "messages":
            await actor.count(140)
        # 20 at once, 120 at 200 in a second
        assert 0.4 < loop.time() - began < 2.5
        assert reached(running, "message_rate")

    run_gateway(scenario, options=options(message_burst=20))


def test_refusals_cost_more_than_what_can_be_used() -> None:
    async def scenario(running: RunningGateway) -> None:
        loop = asyncio.get_running_loop()
        peer, _ = await running.session()
        began = loop.time()
        for _ in range(40):
            peer.frame(b"nonsense")
        for _ in range(40):
            await peer.hear()
        assert loop.time() - began > 0.4

    run_gateway(scenario, options=options(message_burst=20, max_bad_messages=100))


def test_a_socket_looks_for_one_made_up_session_alone() -> None:
    async def scenario(running: RunningGateway) -> None:
        peer = await running.connect("/ws/session")
        for number in range(20):
            peer.say({"type": "client_heartbeat", "session_id": f"s-{number}", "timestamp": 1})
        assert (await peer.hear())["code"] == "INVALID_SESSION"
        assert await peer.hear_close() == 1011

    run_gateway(scenario, options=options(message_burst=20))


def test_a_neighbour_is_answered_at_once_while_others_flood() -> None:
    async def scenario(running: RunningGateway) -> None:
        loop = asyncio.get_running_loop()
        flood = b"".join(make(7) for make in FLOODS.values()) * 300
        for _ in range(4):
            peer, _ = await running.session()
            peer.frame(b"", TEXT, fin=False)
            peer.writer.write(flood + make_frame(b"x", CONTINUATION, fin=False) * 100_000)
        neighbour, actor = await running.session()
        waits = []
        for seq in range(20):
            began = loop.time()
            neighbour.say(chunk("s-5", seq))
            await actor.next()
            waits.append(loop.time() - began)
            await asyncio.sleep(0.01)
        assert sorted(waits)[10] < 0.05

    run_gateway(scenario)
