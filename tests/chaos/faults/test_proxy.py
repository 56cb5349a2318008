"""The proxy that breaks: bytes pass as they are, and every fault does what it says."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from tests.chaos.faults.proxy import FaultProxy, Link, Way
from tests.support.peers.raw_wire import over_sockets
from tests.support.waiting import until

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Echo:
    """A server that sends back what it gets."""

    def __init__(self) -> None:
        self.heard = bytearray()
        self.ended = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                self.heard += data
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            self.ended.set()
            writer.close()


@asynccontextmanager
async def through_proxy() -> AsyncIterator[tuple[Streams, FaultProxy, Echo]]:
    echo = Echo()
    server = await asyncio.start_server(echo.serve, "127.0.0.1", 0)
    proxy = FaultProxy(server.sockets[0].getsockname()[:2])
    await proxy.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    try:
        yield (reader, writer), proxy, echo
    finally:
        writer.close()
        await proxy.close()
        server.close()
        await asyncio.sleep(0)


async def said_and_heard(streams: Streams, data: bytes) -> bytes:
    reader, writer = streams
    writer.write(data)
    async with asyncio.timeout(5):
        return await reader.readexactly(len(data))


def the_link(streams: Streams, proxy: FaultProxy) -> Link:
    link = proxy.link_of(streams[1].get_extra_info("sockname")[1])
    assert link is not None
    return link


@over_sockets
async def test_bytes_pass_unchanged_both_ways() -> None:
    async with through_proxy() as (streams, _, _):
        for size in (1, 1000, 300_000):
            data = bytes(number % 251 for number in range(size))
            assert await said_and_heard(streams, data) == data


@over_sockets
async def test_an_end_of_one_side_ends_the_other() -> None:
    async with through_proxy() as (streams, proxy, echo):
        await said_and_heard(streams, b"hello")
        streams[1].close()
        async with asyncio.timeout(5):
            await echo.ended.wait()
        await until(lambda: not proxy.links)


async def _reset(link: Link) -> None:
    link.reset()


async def _finish(link: Link) -> None:
    link.finish()


@pytest.mark.parametrize(
    ("fault", "error"), [(_reset, ConnectionResetError), (_finish, None)], ids=["reset", "finish"]
)
@over_sockets
async def test_a_cut_ends_both_sides(
    fault: Callable[[Link], Awaitable[None]], error: type[Exception] | None
) -> None:
    async with through_proxy() as (streams, proxy, echo):
        await said_and_heard(streams, b"hello")
        await fault(the_link(streams, proxy))
        async with asyncio.timeout(5):
            await echo.ended.wait()
            if error is None:
                assert await streams[0].read() == b""
            else:
                with pytest.raises(error):
                    await streams[0].read()


@over_sockets
async def test_what_is_stalled_comes_later_and_whole() -> None:
    async with through_proxy() as (streams, proxy, echo):
        await said_and_heard(streams, b"hello")
        link = the_link(streams, proxy)
        link.stall()
        streams[1].write(b"one")
        await asyncio.sleep(0.05)
        assert echo.heard == b"hello"
        streams[1].write(b"two")
        link.release()
        assert await streams[0].readexactly(6) == b"onetwo"


@over_sockets
async def test_what_is_swallowed_never_comes_and_nobody_is_told() -> None:
    async with through_proxy() as (streams, proxy, echo):
        await said_and_heard(streams, b"hello")
        the_link(streams, proxy).swallow()
        streams[1].write(b"lost")
        await asyncio.sleep(0.05)
        streams[1].close()
        await asyncio.sleep(0.05)
        assert echo.heard == b"hello"
        assert not echo.ended.is_set()


@over_sockets
async def test_replies_alone_may_be_lost() -> None:
    async with through_proxy() as (streams, proxy, echo):
        await said_and_heard(streams, b"hello")
        link = the_link(streams, proxy)
        link.swallow(Way.DOWN)
        streams[1].write(b"done")
        await until(lambda: echo.heard == b"hellodone")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(streams[0].read(1), 0.05)


@over_sockets
async def test_delay_and_a_thin_line_take_their_time_and_keep_the_order() -> None:
    async with through_proxy() as (streams, proxy, _):
        await said_and_heard(streams, b"hello")
        link = the_link(streams, proxy)
        for weather in link.weather(Way.UP):
            weather.delay_seconds = 0.1
        started = time.monotonic()
        assert await said_and_heard(streams, b"slow") == b"slow"
        assert 0.09 <= time.monotonic() - started < 2.0
        for weather in link.weather(Way.UP):
            weather.delay_seconds, weather.bytes_per_second = 0.0, 100_000
        started = time.monotonic()
        data = bytes(20_000)
        assert await said_and_heard(streams, data) == data
        assert 0.19 <= time.monotonic() - started < 3.0


@over_sockets
async def test_a_partition_takes_connections_on_which_nothing_happens() -> None:
    async with through_proxy() as (streams, proxy, _):
        await said_and_heard(streams, b"hello")
        proxy.is_partitioned = True
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(b"anybody?")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 0.1)
        writer.close()


@over_sockets
async def test_nobody_behind_the_proxy_is_a_reset() -> None:
    proxy = FaultProxy(("127.0.0.1", 1))
    await proxy.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    try:
        async with asyncio.timeout(5):
            with pytest.raises(ConnectionResetError):
                assert await reader.read(1)
    finally:
        writer.close()
        await proxy.close()
