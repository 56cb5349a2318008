"""The two clients: pipelines in order, trouble as `StorageUnavailable`, and a way back from it."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest
from redis.asyncio.connection import parse_url

from storage.client.executor import CommandRefused, Executor, RedisExecutor, StorageUnavailable
from storage.client.wire import ServerAddress, WireExecutor
from tests.support.processes.redis_server import real_server

T = TypeVar("T")
Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(asyncio.wait_for(work, 20))


def wire(url: str, **timeouts: Any) -> WireExecutor:
    address = ServerAddress.from_url(url)
    assert address is not None
    return WireExecutor(address, **timeouts)


CLIENTS: dict[str, Callable[..., Executor]] = {"wire": wire, "general": RedisExecutor.from_url}


@pytest.fixture(params=sorted(CLIENTS))
def client(request: pytest.FixtureRequest) -> Callable[..., Executor]:
    """Each client, by URL."""
    return CLIENTS[request.param]


@contextlib.asynccontextmanager
async def false_server(path: Path, answer: Answer) -> AsyncIterator[str]:
    """Serve something that is no Redis."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await answer(reader, writer)
        writer.close()

    server = await asyncio.start_unix_server(serve, path)
    async with server:
        yield f"unix://{path}"


def hearing() -> tuple[asyncio.Event, Answer]:
    """Return a server that only listens, and the event of its first bytes."""
    heard = asyncio.Event()

    async def listen(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        while await reader.read(1000):
            heard.set()

    return heard, listen


def test_replies_come_in_order_with_errors_in_their_place(
    real_url: str, client: Callable[..., Executor]
) -> None:
    async def work() -> list[Any]:
        executor = client(real_url)
        replies = await executor.execute(
            [("SET", "k", "añ"), ("GET", "k"), ("INCR", "k"), ("LRANGE", "none", 0, -1), ("PING",)]
        )
        await executor.close()
        return replies

    replies = run(work())
    assert replies[1] == "añ"
    assert isinstance(replies[2], CommandRefused)
    assert replies[3] == []


def test_many_tasks_share_one_client(real_url: str, client: Callable[..., Executor]) -> None:
    async def work() -> list[list[Any]]:
        executor = client(real_url)
        echoes = [executor.execute([("ECHO", str(n)), ("ECHO", "-")]) for n in range(50)]
        replies = await asyncio.gather(*echoes)
        await executor.close()
        return replies

    assert run(work()) == [[str(number), "-"] for number in range(50)]


def test_a_cancelled_task_disturbs_nobody(real_url: str, client: Callable[..., Executor]) -> None:
    async def work() -> list[Any]:
        executor = client(real_url)
        await executor.execute([("PING",)])
        first = asyncio.ensure_future(executor.execute([("ECHO", "first")]))
        await asyncio.sleep(0)
        first.cancel()
        reply = await executor.execute([("ECHO", "second")])
        await executor.close()
        return reply

    assert run(work()) == ["second"]


def test_no_server_is_unavailable(tmp_path: Path, client: Callable[..., Executor]) -> None:
    async def work() -> None:
        executor = client(f"unix://{tmp_path}/nothing.sock")
        for _ in range(2):
            with pytest.raises(StorageUnavailable):
                await executor.execute([("PING",)])
        await executor.close()

    run(work())


def test_a_server_that_does_not_answer_is_given_up_in_time(
    tmp_path: Path, client: Callable[..., Executor]
) -> None:
    async def work() -> None:
        async with false_server(tmp_path / "s", hearing()[1]) as url:
            executor = client(url, connect_timeout_s=0.2, reply_timeout_s=0.05)
            with pytest.raises(StorageUnavailable):
                await executor.execute([("PING",)])
            await executor.close()

    run(work())


def test_a_later_pipeline_gets_its_full_time(tmp_path: Path) -> None:
    """The clock looks at the oldest pipeline only, and again when that was answered."""

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readuntil(b"PING\r\n"):
            await asyncio.sleep(0.06)
            writer.write(b"+PONG\r\n")

    async def work() -> None:
        async with false_server(tmp_path / "s", slow) as url:
            executor = wire(url, reply_timeout_s=0.15)
            for _ in range(4):
                assert await executor.execute([("PING",)]) == ["PONG"]
            await executor.close()

    run(work())


def test_after_a_lost_connection_the_next_call_connects_anew(
    tmp_path: Path, client: Callable[..., Executor]
) -> None:
    connections = []

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(1)
        while data := await reader.read(1000):
            if b"ECHO" in data:
                return
            count = data.count(b"PING") + data.count(b"CLIENT") + data.count(b"HELLO")
            writer.write(b"+PONG\r\n" * count)

    async def work() -> None:
        async with false_server(tmp_path / "s", once) as url:
            executor = client(url)
            with contextlib.suppress(StorageUnavailable):
                await executor.execute([("PING",)])
            waiting = [executor.execute([("ECHO", "x")]) for _ in range(3)]
            results = await asyncio.gather(*waiting, return_exceptions=True)
            assert all(isinstance(result, StorageUnavailable) for result in results)
            before = len(connections)
            with contextlib.suppress(StorageUnavailable):
                await executor.execute([("PING",)])
            assert len(connections) > before
            await executor.close()

    run(work())


def test_something_else_than_redis_is_unavailable(tmp_path: Path) -> None:
    async def web(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()

    async def unasked(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"+OK\r\n+OK\r\n")
        await writer.drain()
        await asyncio.sleep(0.05)

    async def work() -> None:
        for number, answer in enumerate((web, unasked)):
            async with false_server(tmp_path / str(number), answer) as url:
                executor = wire(url)
                with pytest.raises(StorageUnavailable):
                    await executor.execute([("PING",), ("PING",), ("PING",)])
                await executor.close()

    run(work())


def test_who_waits_when_the_store_is_closed_is_told(tmp_path: Path) -> None:
    async def work() -> None:
        heard, listen = hearing()
        async with false_server(tmp_path / "s", listen) as url:
            executor = wire(url)
            waiting = asyncio.ensure_future(executor.execute([("PING",)]))
            await heard.wait()
            await executor.close()
            await executor.close()
            with pytest.raises(StorageUnavailable, match="closed"):
                await waiting
            with pytest.raises(StorageUnavailable, match="closed"):
                await executor.execute([("PING",)])

    run(work())


def test_a_connection_attempt_is_shared_and_ends_with_the_store(tmp_path: Path) -> None:
    async def work() -> None:
        heard, listen = hearing()
        async with false_server(tmp_path / "s", listen) as url:
            executor = wire(f"{url}?db=1")
            waiting = [asyncio.ensure_future(executor.execute([("PING",)])) for _ in range(3)]
            await heard.wait()
            await executor.close()
            results = await asyncio.gather(*waiting, return_exceptions=True)
            assert all(isinstance(result, StorageUnavailable) for result in results)

    run(work())


def test_a_database_is_selected_and_a_password_given(real_url: str) -> None:
    async def work() -> None:
        executor = wire(f"{real_url}?db=3")
        await executor.execute([("SET", "here", "yes")])
        await executor.close()
        other = wire(real_url)
        assert await other.execute([("GET", "here")]) == [None]
        await other.execute([("CONFIG", "SET", "requirepass", "secret")])
        with pytest.raises(StorageUnavailable, match="WRONGPASS"):
            await wire(f"{real_url}?password=wrong").execute([("PING",)])
        entered = wire(f"{real_url}?password=secret&db=3")
        assert await entered.execute([("GET", "here")]) == ["yes"]
        await entered.execute([("CONFIG", "SET", "requirepass", ""), ("FLUSHALL",)])
        await entered.close()
        await other.close()

    run(work())


def test_a_restarted_server_is_found_again() -> None:
    async def work(url: str) -> None:
        executor = wire(url)
        with contextlib.suppress(StorageUnavailable):
            await executor.execute([("SHUTDOWN", "NOSAVE")])
        for _ in range(200):
            try:
                assert await executor.execute([("PING",)]) == ["PONG"]
                break
            except StorageUnavailable:
                await asyncio.sleep(0.02)
        else:
            pytest.fail("the server did not come back")
        await executor.close()

    with real_server() as url:
        run(work(url))


def test_an_address_is_read_from_a_url() -> None:
    tcp = ServerAddress.from_url("redis://ana:pw@example.org:7000/3")
    assert tcp is not None
    assert (tcp.host, tcp.port, tcp.path, tcp.tls) == ("example.org", 7000, None, None)
    assert tcp.greeting == (("AUTH", "ana", "pw"), ("SELECT", 3))
    assert str(tcp) == "example.org:7000"
    tls = ServerAddress.from_url("rediss://example.org?ssl_cert_reqs=none")
    assert tls is not None
    assert tls.tls is not None
    assert tls.tls.verify_mode is ssl.CERT_NONE
    strict = ServerAddress.from_url("rediss://example.org")
    assert strict is not None
    assert strict.tls is not None
    assert strict.tls.verify_mode is ssl.CERT_REQUIRED
    assert ServerAddress.from_url("redis://example.org?client_name=x") is None
    assert "path" in parse_url("unix:///x.sock")
