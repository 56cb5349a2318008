"""The server as a whole: start, many connections, the order of its end, nothing left."""

import asyncio
import gc
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from websockets.asyncio.client import connect

from actors.messages.session import ChunkArrived, SocketLost
from gateway.listening import Bind
from gateway.options import GatewayOptions
from tests.gateway.support.raw_peer import CLOSE, Peer
from tests.gateway.support.running_gateway import (
    LOOPS,
    RunningGateway,
    chunk,
    open_files,
    open_gateway,
    run_gateway,
    session_init,
)


@contextmanager
def nothing_left_open(loop: str = "asyncio") -> Iterator[None]:
    async def nothing(_: RunningGateway) -> None:
        pass

    run_gateway(nothing, loop=loop)  # what a loop opens once for the process
    gc.collect()
    before = open_files()
    yield
    gc.collect()
    assert open_files() <= before


@pytest.mark.parametrize("loop", LOOPS)
def test_two_hundred_connections_at_once(loop: str) -> None:
    async def one(running: RunningGateway) -> None:
        peer = await running.connect("/ws/session")
        peer.say(session_init())
        session_id = (await peer.hear())["session_id"]
        for seq in range(5):
            peer.say(chunk(session_id, seq))
        messages = await running.reception.actors[session_id].count(5)
        assert [message.seq for message in messages] == list(range(5))

    async def scenario(running: RunningGateway) -> None:
        await asyncio.gather(*(one(running) for _ in range(200)))
        assert running.gateway.session_sockets == 200
        tasks = asyncio.all_tasks()
        assert len(tasks) == 1, "no task for a connection or a message"
        for peer in running.peers:
            peer.abort()
        for actor in running.reception.actors.values():
            assert isinstance((await actor.count(6))[-1], SocketLost)
        assert running.gateway.connections == 0

    with nothing_left_open(loop):
        run_gateway(scenario, loop=loop)


@pytest.mark.parametrize("loop", LOOPS)
def test_the_end_says_1001_to_clients_before_1012_to_nodes(loop: str) -> None:
    heard: list[tuple[str, int]] = []

    async def leave(peer: Peer, who: str) -> None:
        code = await peer.hear_close()
        heard.append((who, code))
        peer.frame(code.to_bytes(2, "big"), CLOSE)
        await peer.hear_end()
        peer.writer.close()

    async def scenario(running: RunningGateway) -> None:
        node, _ = await running.node(node_id="n-1")
        client, _ = await running.session()
        leaving = asyncio.gather(leave(node, "node"), leave(client, "client"))
        port = running.port
        await running.gateway.close()
        await leaving
        assert heard == [("client", 1001), ("node", 1012)]
        assert (running.gateway.connections, running.port) == (0, 0)
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)
        await running.gateway.close()

    with nothing_left_open(loop):
        run_gateway(scenario, loop=loop, bind=Bind(close_timeout_s=5))


@pytest.mark.parametrize("loop", LOOPS)
def test_the_end_does_not_wait_for_peers_that_do_not_close(loop: str) -> None:
    async def scenario(running: RunningGateway) -> None:
        await running.session()
        await running.node(node_id="n-1")
        await running.dial()
        began = asyncio.get_running_loop().time()
        await running.gateway.close()
        assert asyncio.get_running_loop().time() - began < 1
        assert running.gateway.connections == 0

    with nothing_left_open(loop):
        run_gateway(scenario, loop=loop, bind=Bind(close_timeout_s=0.1))


def test_a_port_in_use_is_an_error_at_the_start() -> None:
    async def scenario(running: RunningGateway) -> None:
        options = GatewayOptions(port=running.port)
        with pytest.raises(OSError, match="in use"):
            async with open_gateway(options):
                pass

    run_gateway(scenario)


@pytest.mark.parametrize("loop", LOOPS)
def test_an_ordinary_client_library_gets_along(loop: str) -> None:
    async def scenario(running: RunningGateway) -> None:
        url = f"ws://127.0.0.1:{running.port}/ws/session"
        async with connect(url) as client:
            init = '{"type":"session_init","client_version":"1","platform":"web",'
            await client.send([init, '"src_lang":"en",', '"tgt_lang":"es"}'])
            assert "session_init_ack" in str(await client.recv())
            assert await (await client.ping()) >= 0
        assert client.close_code == 1000
        assert isinstance(await running.reception.actors["s-1"].next(), SocketLost)
        async with connect(url) as client:
            await client.send("x" * 5_000_000)
            assert "message is too long" in str(await client.recv())

    run_gateway(scenario, loop=loop)


def test_resets_of_many_clients_leave_nothing() -> None:
    async def scenario(running: RunningGateway) -> None:
        for _ in range(50):
            peer, actor = await running.session()
            peer.say(chunk(f"s-{len(running.reception.inits)}", 1))
            assert isinstance(await actor.next(), ChunkArrived)
            peer.abort()
            assert isinstance(await actor.next(), SocketLost)
        assert running.gateway.connections == 0

    with nothing_left_open():
        run_gateway(scenario)
