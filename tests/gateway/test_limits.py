"""What one peer may ask of an instance, attacked over a real socket."""

import asyncio
import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from actors.messages.node import NodeHeartbeatArrived
from actors.messages.session import ChunkArrived, SocketLost
from gateway.access.access import Access
from gateway.access.options import AccessOptions
from gateway.options import GatewayOptions
from gateway.server import Bind
from protocol.audio.framing import join_packets
from protocol.encode import encode_job_assign
from protocol.messages.session_outbound import Translation
from tests.gateway.support.example_assignment import ASSIGNMENT
from tests.gateway.support.raw_peer import (
    BINARY,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    Peer,
    make_frame,
    upgrade_request,
)
from tests.gateway.support.running_gateway import RunningGateway, chunk, run_gateway, session_init


def options(**changes: Any) -> GatewayOptions:
    return GatewayOptions(port=0, **changes)


def reached(running: RunningGateway, limit: str) -> bool:
    return f'lingua_limits_reached_total{{limit="{limit}"}}' in running.metrics.text().decode()


async def lives(peer: Peer, actor: Any) -> None:
    """See that a session's socket goes on as if nothing had been."""
    peer.say(chunk("s-1", 99))
    assert await actor.next() == ChunkArrived(b"", 99, is_final=False)


def nested(levels: int) -> str:
    return "[" * levels + "]" * levels


# ---- structure ------------------------------------------------------------------------------


@pytest.mark.parametrize("filler", [0, 10_000])
@pytest.mark.parametrize(
    "field", [nested(32), "[" + "0," * 2000 + "0]", '{"a":' * 100 + "1" + "}" * 100]
)
def test_a_text_that_is_built_beyond_the_limits_is_refused(field: str, filler: int) -> None:
    async def scenario(running: RunningGateway) -> None:
        peer, actor = await running.session()
        rest = json.dumps(chunk("s-1", 1, "", x="x" * filler))[1:]
        peer.frame(f'{{"extra":{field},{rest}'.encode())
        assert (await peer.hear())["code"] == "INVALID_MESSAGE"
        assert reached(running, "message_structure")
        await lives(peer, actor)

    run_gateway(scenario)


def test_a_text_within_the_limits_is_taken() -> None:
    async def scenario(running: RunningGateway) -> None:
        peer, actor = await running.session()
        for field in (nested(31), "[" + "0," * 1999 + "0]"):
            peer.frame(f'{{"extra":{field},{json.dumps(chunk("s-1", 1))[1:]}'.encode())
            assert isinstance(await actor.next(), ChunkArrived)

    run_gateway(scenario)


def test_a_registration_that_is_nested_too_deep_is_answered_as_a_registration() -> None:
    async def scenario(running: RunningGateway) -> None:
        peer = await running.connect("/ws/node")
        peer.frame(f'{{"type":"node_register","hardware":{nested(40)}}}'.encode())
        answer = await peer.hear()
        assert (answer["type"], answer["error"]["code"]) == ("node_register_ack", "INVALID_MESSAGE")

    run_gateway(scenario)


def test_a_heartbeat_of_two_million_objects_is_not_read() -> None:
    async def scenario(running: RunningGateway) -> None:
        peer = await running.connect("/ws/node")
        objects = "{}," * 2_000_000
        text = f'{{"type":"node_heartbeat","node_id":"n","installed_models":[{objects}{{}}]}}'
        peer.frame(text.encode())
        assert (await peer.hear())["code"] == "INVALID_MESSAGE"
        assert reached(running, "node_max_message_bytes")

    run_gateway(scenario)


def test_a_chunk_of_very_many_packets_is_refused() -> None:
    async def scenario(running: RunningGateway) -> None:
        peer, actor = await running.session()
        for packets, is_taken in ((500, True), (501, False), (180_000, False)):
            audio = join_packets([b"\x48"] * packets)
            peer.say(chunk("s-1", packets, base64.b64encode(audio).decode()))
            if is_taken:
                assert (await actor.next()).seq == packets
            else:
                assert (await peer.hear())["code"] == "INVALID_MESSAGE"
        await lives(peer, actor)

    run_gateway(scenario)


@pytest.mark.parametrize("seq", [2**53, 2**63, 10**400, -1])
def test_a_number_that_others_do_not_hold_exactly_is_refused(seq: int) -> None:
    async def scenario(running: RunningGateway) -> None:
        peer, actor = await running.session()
        peer.say(chunk("s-1", seq))
        assert (await peer.hear())["code"] == "INVALID_MESSAGE"
        await lives(peer, actor)

    run_gateway(scenario)


# ---- size -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "long",
    [
        make_frame(b"x" * 2049),
        make_frame(b"x" * 100_000),
        make_frame(b"x" * 2000, fin=False) + make_frame(b"x" * 100, CONTINUATION),
    ],
    ids=["a little", "by far", "in fragments"],
)
def test_a_message_that_is_too_long_is_read_past(long: bytes) -> None:
    async def scenario(running: RunningGateway) -> None:
        peer, actor = await running.session()
        peer.writer.write(long)
        answer = await peer.hear()
        assert (answer["code"], answer["message"]) == ("INVALID_MESSAGE", "message is too long")
        assert reached(running, "session_max_message_bytes")
        await lives(peer, actor)

    run_gateway(scenario, options=options(session_max_message_bytes=2048))


def test_a_registered_node_is_not_closed_for_long_messages() -> None:
    async def scenario(running: RunningGateway) -> None:
        peer, actor = await running.node(node_id="n-1")
        for _ in range(30):
            peer.frame(b"x" * 70_000)
            assert (await peer.hear())["code"] == "INVALID_MESSAGE"
        peer.say({"type": "node_heartbeat", "node_id": "n-1"})
        assert isinstance(await actor.next(), NodeHeartbeatArrived)

    run_gateway(scenario, options=options(message_rate=10_000))


def test_who_registers_nothing_is_closed_for_long_messages() -> None:
    async def scenario(running: RunningGateway) -> None:
        peer = await running.connect("/ws/node")
        for _ in range(20):
            peer.frame(b"x" * 70_000)
            await peer.hear()
        peer.frame(b"x" * 70_000)
        assert await peer.hear_close() == 1008

    run_gateway(scenario, options=options(message_rate=10_000))


def test_a_node_may_send_long_messages_once_it_was_given_a_job() -> None:
    async def scenario(running: RunningGateway) -> None:
        peer, actor = await running.node(node_id="n-1")
        beat = {"type": "node_heartbeat", "node_id": "n-1", "note": "x" * 1_000_000}
        peer.say(beat)
        assert (await peer.hear())["code"] == "INVALID_MESSAGE"
        assert running.reception.outboxes["n-1"].send(encode_job_assign(ASSIGNMENT))
        assert (await peer.hear())["type"] == "job_assign"
        peer.say(beat)
        assert isinstance(await actor.next(), NodeHeartbeatArrived)

    run_gateway(scenario)


# ---- work -----------------------------------------------------------------------------------


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


FLOODS: dict[str, Callable[[int], bytes]] = {
    "messages": lambda number: make_frame(json.dumps(chunk("s-1", number)).encode()),
    "pings": lambda _: make_frame(b"", PING) * 4,
    "pongs": lambda _: make_frame(b"", PONG) * 50,
    "empty continuations": lambda _: make_frame(b"", CONTINUATION, fin=False) * 50,
    "keep-alives": lambda _: make_frame(b"ping") * 4,
    "of another session": lambda _: make_frame(json.dumps(chunk("s-9")).encode()),
}


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


def test_made_up_sessions_are_looked_for_slowly() -> None:
    async def scenario(running: RunningGateway) -> None:
        loop = asyncio.get_running_loop()
        peer = await running.connect("/ws/session")
        began = loop.time()
        for number in range(20):
            peer.say({"type": "client_heartbeat", "session_id": f"s-{number}", "timestamp": 1})
        for _ in range(20):
            await peer.hear()
        assert loop.time() - began > 0.4

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


# ---- memory ---------------------------------------------------------------------------------


def test_who_pings_and_never_reads_is_closed_with_4008() -> None:
    async def scenario(running: RunningGateway) -> None:
        peer, actor = await running.session()
        peer.writer.transport.pause_reading()  # type: ignore[attr-defined] # a read transport too
        ping = make_frame(b"x" * 125, PING) * 1000
        most = 0
        for _ in range(300):
            peer.writer.write(ping)
            await asyncio.sleep(0.005)
            most = max(most, running.gateway.buffers.total_bytes)
            if actor.messages:
                break
        assert isinstance(await actor.next(), SocketLost)
        assert most < 2_000_000

    run_gateway(
        scenario,
        options=options(max_outbox_bytes=500_000, message_rate=1_000_000, message_burst=1_000_000),
        bind=Bind(close_timeout_s=0.1),
    )


def test_unfinished_messages_of_all_sockets_are_bounded_and_the_largest_goes_first() -> None:
    async def scenario(running: RunningGateway) -> None:
        small, actor = await running.session()
        small.frame(b"x" * 50_000, fin=False)
        peers = []
        for number in range(12):
            peer = await running.connect("/ws/session")
            peer.writer.write(make_frame(b"x" * 1_000_000)[: 200_000 if number else 300_000])
            await asyncio.sleep(0.02)
            assert running.gateway.buffers.total_bytes <= 1_000_000
            peers.append(peer)
        assert await peers[0].hear_close() == 4008
        assert reached(running, "max_buffered_bytes")
        small.frame(b"x", CONTINUATION)
        assert (await small.hear())["code"] == "INVALID_MESSAGE"
        await lives(small, actor)

    run_gateway(scenario, options=options(max_buffered_bytes=1_000_000))


def test_outboxes_of_all_sockets_are_bounded_together() -> None:
    async def scenario(running: RunningGateway) -> None:
        text = Translation(text="x" * 100_000)
        for number in range(1, 9):
            peer, _ = await running.session()
            peer.writer.transport.pause_reading()  # type: ignore[attr-defined] # as above
            for _ in range(60):
                running.reception.outboxes[f"s-{number}"].send(text)
                await asyncio.sleep(0)
        assert reached(running, "max_buffered_bytes")
        assert running.gateway.buffers.total_bytes <= 5_000_000

    run_gateway(
        scenario, options=options(max_buffered_bytes=5_000_000), bind=Bind(close_timeout_s=0.1)
    )


def test_what_is_kept_for_a_socket_is_counted_until_it_is_gone() -> None:
    async def scenario(running: RunningGateway) -> None:
        peer = await running.connect("/ws/session")
        peer.say(session_init())
        peer.writer.write(make_frame(b"x" * 1_000_000)[:200_000])
        await asyncio.sleep(0.05)
        assert running.gateway.buffers.total_bytes > 150_000
        peer.abort()
        await asyncio.sleep(0.05)
        assert running.gateway.buffers.total_bytes == 0

    run_gateway(scenario)


# ---- sessions -------------------------------------------------------------------------------


def test_a_socket_has_at_most_two_sessions_that_are_closing() -> None:
    async def scenario(running: RunningGateway) -> None:
        peer = await running.connect("/ws/session")
        for _ in range(6):
            peer.say(session_init())
        opened = [(await peer.hear())["session_id"] for _ in range(3)]
        assert opened == ["s-1", "s-2", "s-3"]
        await asyncio.sleep(0.2)
        assert len(running.reception.inits) == 3
        assert reached(running, "closing_sessions")
        for number in (1, 2, 3):
            await running.reception.refs[f"s-{number}"].stop(block=False)
            assert (await peer.hear())["session_id"] == f"s-{number + 3}"
        actor = running.reception.actors["s-6"]
        peer.say(chunk("s-6", 9))
        assert await actor.next() == ChunkArrived(b"", 9, is_final=False)

    run_gateway(scenario)


def test_a_client_that_leaves_while_it_waits_gets_no_further_session() -> None:
    async def scenario(running: RunningGateway) -> None:
        peer = await running.connect("/ws/session")
        for _ in range(6):
            peer.say(session_init())
        for _ in range(3):
            await peer.hear()
        peer.abort()
        assert isinstance(await running.reception.actors["s-3"].next(), SocketLost)
        assert len(running.reception.inits) == 3

    run_gateway(scenario)


def test_a_session_that_is_closed_counts_until_it_has_ended() -> None:
    async def scenario(running: RunningGateway) -> None:
        peer = await running.connect("/ws/session")
        for number in (1, 2, 3):
            peer.say(session_init())
            await peer.hear()
            peer.say({"type": "session_close", "session_id": f"s-{number}", "reason": ""})
        peer.say(session_init())
        await asyncio.sleep(0.2)
        assert len(running.reception.inits) == 3
        peer.abort()
        assert isinstance((await running.reception.actors["s-3"].count(2))[-1], SocketLost)

    run_gateway(scenario)


def test_sockets_of_one_address_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.edge.connection.address_of", lambda _transport: "203.0.113.7")

    async def scenario(running: RunningGateway) -> None:
        first, _ = await running.session()
        await running.session()
        third = await running.dial()
        third.writer.write(upgrade_request("/ws/session"))
        assert (await third.reader.readline()).startswith(b"HTTP/1.1 429 ")
        assert reached(running, "max_sockets_per_address")
        await running.node(node_id="n-1")
        first.abort()
        while running.gateway.session_sockets > 1:
            await asyncio.sleep(0.01)
        await running.session()

    run_gateway(scenario, options=options(max_sockets_per_address=2))


def test_behind_a_trusted_proxy_each_client_has_its_own_bound() -> None:
    async def scenario(running: RunningGateway) -> None:
        async def status(forwarded: str) -> bytes:
            peer = await running.dial()
            peer.writer.write(upgrade_request("/ws/session", f"X-Forwarded-For: {forwarded}\r\n"))
            return (await peer.reader.readline()).split(b" ")[1]

        assert await status("203.0.113.7") == b"101"
        assert await status("1.1.1.1, 203.0.113.7") == b"429"
        assert await status("203.0.113.8") == b"101"
        assert await status("2001:db8::1") == b"101"
        assert await status("2001:db8::2") == b"429"
        for _ in range(3):
            await running.session()

    access = Access(AccessOptions(trusted_proxies="127.0.0.1"))
    run_gateway(scenario, options=options(max_sockets_per_address=1), access=access)


def test_a_proxy_that_is_not_trusted_speaks_for_nobody() -> None:
    async def scenario(running: RunningGateway) -> None:
        for _ in range(3):
            peer = await running.dial()
            peer.writer.write(upgrade_request("/ws/session", "X-Forwarded-For: 203.0.113.7\r\n"))
            assert b" 101 " in await peer.reader.readline()

    run_gateway(scenario, options=options(max_sockets_per_address=1))


def test_programs_of_this_machine_are_no_address() -> None:
    async def scenario(running: RunningGateway) -> None:
        for _ in range(4):
            await running.session()

    run_gateway(scenario, options=options(max_sockets_per_address=2))
