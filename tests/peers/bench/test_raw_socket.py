"""The cheap WebSocket client speaks the same protocol as the library."""

import asyncio

import pytest
from websockets.asyncio.server import ServerConnection, serve

from peers.bench.bare_relay import HOST, serve_relay
from peers.bench.raw_socket import Address, RawSocket, frame, open_socket


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536, 300_000])
def test_messages_of_every_length_class_pass_in_both_directions(size: int) -> None:
    async def scenario() -> bytes:
        async def echo(connection: ServerConnection) -> None:
            async for message in connection:
                await connection.send(message)

        async with serve(echo, HOST, 0, max_size=None) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            heard: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
            socket = await open_socket(Address(HOST, port, "/"), heard.set_result)
            socket.send_binary(b"x" * size)
            answer = await heard
            socket.close()
            await socket.closed
        return answer

    assert asyncio.run(scenario()) == b"x" * size


def test_a_fragmented_message_is_joined_and_a_ping_is_answered() -> None:
    async def scenario() -> tuple[bytes, bool]:
        heard: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        ponged: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

        async def handle(connection: ServerConnection) -> None:
            await (await connection.ping())
            ponged.set_result(True)
            await connection.send(["one ", "two ", "three"])
            await connection.wait_closed()

        async with serve(handle, HOST, 0) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            socket = await open_socket(Address(HOST, port, "/"), heard.set_result)
            joined = await heard
            socket.close()
            await socket.closed
        return joined, await ponged

    assert asyncio.run(scenario()) == (b"one two three", True)


def test_a_stream_cut_anywhere_gives_the_same_messages() -> None:
    async def scenario() -> None:
        for cut in range(1, 12):
            heard: list[bytes] = []
            socket = RawSocket(Address(HOST, 1, "/"), heard.append)
            socket.opened.set_result(None)
            stream = b"\x81\x03abc" + b"\x82\x7e\x00\x04wxyz" + b"\x81\x00"
            socket.data_received(stream[:cut])
            socket.data_received(stream[cut:])
            assert heard == [b"abc", b"wxyz", b""]

    asyncio.run(scenario())


def test_a_refused_upgrade_is_a_connection_error_that_says_so() -> None:
    async def scenario() -> None:
        async with serve_relay() as port:
            with pytest.raises(ConnectionError, match="200 OK"):
                await open_socket(Address(HOST, port, "/elsewhere"), lambda _: None)

    asyncio.run(scenario())


def test_a_frame_is_masked() -> None:
    assert frame(0x1, b"hi") == b"\x81\x82\x00\x00\x00\x00hi"
