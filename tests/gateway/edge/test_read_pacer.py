"""Clients wait for their turn to be read, nobody else does, and what waits is not lost."""

import asyncio
import base64

import pytest

from actors.admission import AdmissionOptions
from actors.messages.session import ChunkArrived, SocketLost
from actors.overload import OverloadLevel
from gateway.edge.read_queue import ReadQueue
from gateway.listening import Bind
from gateway.options import GatewayOptions
from tests.gateway.support.raw_peer import PING, PONG, Peer, upgrade_request
from tests.gateway.support.running_gateway import (
    LOOPS,
    Recorder,
    RunningGateway,
    chunk,
    run_gateway,
)


class Barred(ReadQueue):
    """Lets nobody through until it is `free`."""

    is_free = False

    def _run(self) -> None:
        if self.is_free:
            super()._run()
        else:
            self._is_running = False

    def free(self) -> None:
        self.is_free = True
        self._run_soon()


def bar_reading(running: RunningGateway) -> Barred:
    """Let clients that connect from now on wait for ever, after their `session_init`."""
    running.gateway.reading = Barred(asyncio.get_running_loop())
    return running.gateway.reading


async def barred_session(running: RunningGateway) -> tuple[Barred, Peer, Recorder]:
    bar = bar_reading(running)
    peer, actor = await running.session()
    bar.all_wait = True
    return bar, peer, actor


async def waiting(bar: Barred, number: int = 1) -> None:
    async with asyncio.timeout(5):
        while len(bar) < number:
            await asyncio.sleep(0.001)


async def turns(number: int = 20) -> None:
    """Let the loop turn: what could happen has happened then."""
    for _ in range(number):
        await asyncio.sleep(0.001)


def seqs(actor: Recorder) -> list[int]:
    return [message.seq for message in actor.messages if isinstance(message, ChunkArrived)]


@pytest.mark.parametrize("loop", LOOPS)
def test_nodes_are_heard_while_clients_wait_and_then_clients_are_in_order(loop: str) -> None:
    async def scenario(running: RunningGateway) -> None:
        bar, peer, actor = await barred_session(running)
        node, node_actor = await running.node(node_id="n-1")
        for seq in range(800):  # more than one turn takes
            peer.say(chunk("s-1", seq))
        await waiting(bar)
        node.say({"type": "job_ack", "job_id": "j-1"})
        await node_actor.count(1)
        assert actor.messages == []
        bar.free()
        await actor.count(800)
        assert seqs(actor) == list(range(800))

    run_gateway(scenario, loop=loop)


@pytest.mark.parametrize("loop", LOOPS)
def test_the_second_read_that_has_to_wait_is_the_last(loop: str) -> None:
    async def scenario(running: RunningGateway) -> None:
        bar, peer, actor = await barred_session(running)
        big = base64.b64encode(bytes(60_000)).decode()
        for seq in range(200):
            peer.say(chunk("s-1", seq, big))
        await waiting(bar)
        await turns()
        assert peer.writer.transport.get_write_buffer_size() > 1_000_000
        bar.free()
        await actor.count(200)
        assert seqs(actor) == list(range(200))

    run_gateway(scenario, loop=loop, admission=AdmissionOptions(ingest_rate=1e6))


@pytest.mark.parametrize("loop", LOOPS)
def test_who_is_held_back_is_not_read_while_it_waits(loop: str) -> None:
    async def scenario(running: RunningGateway) -> None:
        bar, peer, actor = await barred_session(running)
        [connection] = running.gateway._connections
        peer.say(chunk("s-1", 0))
        await waiting(bar)
        assert connection._transport.is_reading()
        bar.free()
        await actor.count(1)
        bar.is_free, bar.holds_back = False, True
        peer.say(chunk("s-1", 1))
        await waiting(bar)
        assert not connection._transport.is_reading()
        assert connection.is_paused  # its silence means nothing
        bar.free()
        peer.say(chunk("s-1", 2))
        await actor.count(3)
        assert connection._transport.is_reading()
        assert not connection.is_paused
        assert seqs(actor) == [0, 1, 2]

    run_gateway(scenario, loop=loop)


@pytest.mark.parametrize("loop", LOOPS)
def test_what_waits_when_the_client_goes_is_told_before_its_end(loop: str) -> None:
    async def scenario(running: RunningGateway) -> None:
        bar, peer, actor = await barred_session(running)
        for seq in range(3):
            peer.say(chunk("s-1", seq))
        await waiting(bar)
        peer.writer.close()
        await actor.count(4)
        assert seqs(actor) == [0, 1, 2]
        assert isinstance(actor.messages[3], SocketLost)
        bar.free()
        await turns()
        assert len(bar) == 0
        assert len(actor.messages) == 4

    run_gateway(scenario, loop=loop)


def test_a_full_inbox_stops_a_client_in_the_middle_of_its_turn() -> None:
    async def scenario(running: RunningGateway) -> None:
        bar, peer, actor = await barred_session(running)
        for seq in range(100):
            peer.say(chunk("s-1", seq))
        await waiting(bar)
        actor.block()
        bar.free()
        await actor.count(1)
        await turns()
        assert len(actor.messages) == 1
        actor.free()
        await actor.count(100)
        assert seqs(actor) == list(range(100))

    run_gateway(scenario)


def test_a_client_that_waits_is_not_taken_for_dead_and_its_ping_is_answered() -> None:
    async def scenario(running: RunningGateway) -> None:
        bar, peer, actor = await barred_session(running)
        peer.say(chunk("s-1", 0))
        peer.frame(b"?", PING)
        await waiting(bar)
        assert (await peer.hear_frame())[0] == PING  # it does not answer: it has nothing to say
        await asyncio.sleep(0.2)
        assert running.gateway.session_sockets == 1
        bar.free()
        while (answer := await peer.hear_frame())[0] == PING:
            pass
        assert answer == (PONG, b"?")
        assert seqs(actor) == [0]

    run_gateway(scenario, options=GatewayOptions(port=0, ping_interval_ms=40, ping_timeout_ms=40))


@pytest.mark.parametrize("loop", LOOPS)
def test_new_clients_wait_for_their_handshake_and_nobody_else_does(loop: str) -> None:
    async def scenario(running: RunningGateway) -> None:
        running.gateway.handshakes = handshakes = Barred(asyncio.get_running_loop(), all_wait=True)
        client = await running.dial()
        client.writer.write(upgrade_request("/ws/session"))
        await waiting(handshakes)
        _, node_actor = await running.node(node_id="n-1")
        assert node_actor.messages == []
        assert (await running.get("/health"))[0] == 200
        assert (await running.get("/ready"))[0] == 200
        await asyncio.sleep(0.15)  # longer than a silent connection may last
        assert running.gateway.session_sockets == 0
        handshakes.free()
        head = await client.reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 ")

    run_gateway(scenario, loop=loop, bind=Bind(open_timeout_s=0.05, close_timeout_s=0.3))


def test_a_gateway_that_closes_does_not_wait_for_those_who_wait() -> None:
    async def scenario(running: RunningGateway) -> None:
        bar, peer, _ = await barred_session(running)
        peer.say(chunk("s-1", 0))
        await waiting(bar)

    run_gateway(scenario)


def test_lag_that_lasts_holds_clients_back_until_it_is_over() -> None:
    async def scenario(running: RunningGateway) -> None:
        gateway = running.gateway
        overload = gateway._inside.overload
        seen = []
        for at_ms, lag_ms in ((0, 500), (500, 500), (1000, 500), (2000, 0), (3000, 0), (4000, 0)):
            gateway.note_lag(lag_ms, at_ms)
            seen.append((overload.level, gateway.reading.holds_back))
        none, first, second = OverloadLevel
        assert seen == [
            (none, False),
            (first, False),
            (second, True),
            (second, True),
            (first, False),
            (none, False),
        ]
        assert "lingua_overload_level 0.0" in running.metrics.text().decode()

    run_gateway(scenario)


def test_clients_that_wait_long_are_an_overload_though_the_loop_is_on_time() -> None:
    async def scenario(running: RunningGateway) -> None:
        bar, peer, _ = await barred_session(running)
        peer.say(chunk("s-1", 0))
        await waiting(bar)
        running.gateway.reading = bar
        assert "lingua_sockets_waiting 1.0" in running.metrics.text().decode()
        await asyncio.sleep(0.15)
        running.gateway.note_lag(0, 0)
        running.gateway.note_lag(0, 500)
        assert running.gateway._inside.overload.level is OverloadLevel.NO_SESSIONS
        assert (await running.get("/ready"))[0] == 200

    run_gateway(scenario)
