"""Dead clients are found by pings; nodes are never pinged."""

import asyncio
from dataclasses import dataclass, field

import pytest

from actors.messages.session import SocketLost
from gateway.edge.keepalive import Keepalive
from gateway.options import GatewayOptions
from tests.gateway.support.raw_peer import PING, PONG
from tests.gateway.support.running_gateway import (
    LOOPS,
    RunningGateway,
    chunk,
    run_gateway,
    session_init,
)
from tests.support.virtual_time import run_virtual


@dataclass(eq=False)
class FakeConnection:
    """Answers pings as long as `answers` is set."""

    answers: bool = True
    heard: bool = True
    is_pinged: bool = True
    is_paused: bool = False
    pings: list[float] = field(default_factory=list)
    ended_s: float | None = None

    def ping(self) -> None:
        self.pings.append(asyncio.get_running_loop().time())
        self.heard = self.answers

    def give_up(self) -> None:
        self.ended_s = asyncio.get_running_loop().time()


def watch(
    *connections: FakeConnection, for_s: float, interval_s: float = 20, timeout_s: float = 20
) -> None:
    async def main() -> None:
        keepalive = Keepalive(asyncio.get_running_loop(), interval_s, timeout_s)
        for connection in connections:
            keepalive.add(connection)
        await asyncio.sleep(for_s)
        keepalive.close()

    run_virtual(main())


def test_a_client_is_pinged_once_in_each_interval() -> None:
    connection = FakeConnection()
    watch(connection, for_s=81)
    assert connection.pings == [20, 40, 60, 80]
    assert connection.ended_s is None


def test_a_client_that_does_not_answer_is_given_up_after_the_timeout() -> None:
    connection = FakeConnection(answers=False)
    watch(connection, for_s=100)
    assert (connection.pings, connection.ended_s) == ([20], 40)


@pytest.mark.parametrize(
    ("interval_s", "timeout_s", "pings", "ended_s"),
    [(5, 20, [5, 10, 15, 20], 25), (20, 5, [20], 25), (20, 15, [20], 40), (0.01, 0.02, None, 0.03)],
)
def test_interval_and_timeout_are_independent(
    interval_s: float, timeout_s: float, pings: list[float] | None, ended_s: float
) -> None:
    connection = FakeConnection(answers=False)
    watch(connection, for_s=100, interval_s=interval_s, timeout_s=timeout_s)
    assert pings is None or connection.pings == pings
    assert connection.ended_s == pytest.approx(ended_s)


def test_a_client_that_is_not_read_is_not_blamed_for_its_silence() -> None:
    connection = FakeConnection(answers=False, is_paused=True)
    watch(connection, for_s=200)
    assert connection.ended_s is None


def test_each_client_has_its_own_time() -> None:
    async def main() -> None:
        keepalive = Keepalive(asyncio.get_running_loop(), 20, 20)
        first, second, removed = FakeConnection(), FakeConnection(answers=False), FakeConnection()
        keepalive.add(first)
        keepalive.add(removed)
        await asyncio.sleep(7)
        keepalive.add(second)
        keepalive.remove(removed)
        keepalive.remove(removed)
        await asyncio.sleep(60)
        assert (first.pings, second.pings, removed.pings) == ([20, 40, 60], [27], [])
        assert second.ended_s == 47
        assert repr(keepalive) == "<Keepalive of 1>"
        keepalive.remove(first)
        await asyncio.sleep(60)
        keepalive.add(second)
        await asyncio.sleep(21)
        assert len(second.pings) == 2
        keepalive.close()

    run_virtual(main())


FAST = GatewayOptions(port=0, ping_interval_ms=40, ping_timeout_ms=40)


@pytest.mark.parametrize("loop", LOOPS)
def test_a_dead_client_is_closed_and_a_silent_node_is_not(loop: str) -> None:
    async def scenario(running: RunningGateway) -> None:
        node, _ = await running.node(node_id="n-1")
        peer, actor = await running.session()
        assert await peer.hear_frame() == (PING, b"")
        assert await peer.hear_close() == 1011
        assert isinstance(await actor.next(), SocketLost)
        await node.is_heard()

    run_gateway(scenario, loop=loop, options=FAST)


@pytest.mark.parametrize("loop", LOOPS)
def test_a_client_that_answers_pings_lives(loop: str) -> None:
    async def scenario(running: RunningGateway) -> None:
        peer, actor = await running.session()
        for _ in range(6):
            opcode, data = await peer.hear_frame()
            assert opcode == PING
            peer.frame(data, PONG)
        peer.say(chunk("s-1", 1))
        await actor.count(1)

    run_gateway(scenario, loop=loop, options=FAST)


def test_a_busy_session_is_not_taken_for_a_dead_client() -> None:
    async def scenario(running: RunningGateway) -> None:
        peer, actor = await running.session()
        actor.block()
        for seq in range(60):
            peer.say(chunk("s-1", seq))
        await asyncio.sleep(0.3)
        assert running.gateway.session_sockets == 1
        actor.free()
        await actor.count(60)

    run_gateway(scenario, options=FAST)


@pytest.mark.parametrize("loop", LOOPS)
def test_a_gateway_and_who_has_not_begun_hear_no_ping(loop: str) -> None:
    """The existing gateway takes a ping for the end of its request."""

    async def scenario(running: RunningGateway) -> None:
        nameless = await running.connect("/ws/session")
        nameless.frame(b"ping")
        gateway, _ = await running.session(platform="api-gateway")
        await asyncio.sleep(0.3)
        for peer in (nameless, gateway):
            peer.say(session_init())
            assert (await peer.hear())["type"] == "session_init_ack"
        assert (await gateway.hear_frame())[0] == PING, "it is a page from now on"

    run_gateway(scenario, loop=loop, options=FAST)


@pytest.mark.parametrize("loop", LOOPS)
def test_a_socket_that_says_nothing_at_all_is_closed(loop: str) -> None:
    async def scenario(running: RunningGateway) -> None:
        mute, whole = await running.connect("/ws/session"), await running.connect("/ws/session")
        whole.frame(b"ping")
        assert await mute.hear_close() == 1008
        whole.say(session_init())
        assert (await whole.hear())["type"] == "session_init_ack"

    run_gateway(scenario, loop=loop, options=GatewayOptions(port=0, first_message_ms=50))
