"""A store that cannot be used is one line that says what to do, without any secret."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cli.serve.store_check import check_store
from cli.settings.error import SettingsError
from storage.embedded.server import StoreOptions
from tests.support.processes.redis_process import RedisProcess, free_ports, server_binary

ROOT = Path(__file__).parents[3]
PASSWORD = "CONFIG SET requirepass opened"
StartServer = Callable[..., RedisProcess]


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[StartServer]:
    """Start a server on a loopback port and set it up by commands, as many as a test needs."""
    servers: list[RedisProcess] = []

    def start(*setup: str, is_open: bool = True) -> RedisProcess:
        [port] = free_ports(1)
        base = ("--port", str(port), "--bind", "127.0.0.1", "--save", "")
        server = RedisProcess(server_binary(), tmp_path / str(port), port, *base)
        servers.append(server)
        if is_open:
            server.start()
        for command in setup:
            server.must(*command.split())
        return server

    yield start
    for server in servers:
        server.kill()


def refusal(url: str, processes: int = 1, wait_ms: int = 0) -> str:
    options = StoreOptions(redis_url=url, start_wait_ms=wait_ms)
    with pytest.raises(SettingsError) as caught:
        asyncio.run(check_store(url, options, processes))
    line = str(caught.value)
    assert "\n" not in line
    assert "sesame" not in line
    return line


def test_a_store_that_works_is_taken_and_keeps_no_trace(start_server: StartServer) -> None:
    server = start_server()
    url = f"redis://127.0.0.1:{server.port}"
    asyncio.run(check_store(url, StoreOptions(redis_url=url), 2))
    assert sorted(server.must("KEYS", "*")) == [
        "lingua:v1:cells",
        "lingua:v1:schema",
        "lingua:v1:start",
    ]
    assert 0 < server.must("PTTL", "lingua:v1:start") <= 1000


def test_a_missing_or_wrong_password_is_said(start_server: StartServer) -> None:
    at = f"127.0.0.1:{start_server(PASSWORD).port}"
    assert "wants a password: write it into redis_url" in refusal(f"redis://{at}")
    assert "does not take the user or password" in refusal(f"redis://:sesame@{at}")
    assert "does not take the user or password" in refusal(f"redis://u:sesame@{at}")
    assert "does not take the user or password" in refusal(f"redis://:ses%40me@{at}")


def test_a_password_that_is_not_wanted_is_said(start_server: StartServer) -> None:
    line = refusal(f"redis://:sesame@127.0.0.1:{start_server().port}")
    assert "has no password: leave it out" in line


@pytest.mark.parametrize(
    "rights",
    [
        ("~*", "+@all", "-@scripting"),
        ("~other:*", "+@all"),
        ("~*", "-@all", "+@read", "+@connection", "+@scripting", "+time"),
        ("~*", "+@all", "-set"),
    ],
)
def test_a_user_without_the_rights_is_said(
    start_server: StartServer, rights: tuple[str, ...]
) -> None:
    server = start_server()
    server.must("ACL", "SETUSER", "lingua", "on", ">sesame", *rights)
    line = refusal(f"redis://lingua:sesame@127.0.0.1:{server.port}")
    assert "does not let this user do what it must: allow it +@all" in line


def test_a_full_store_is_said(start_server: StartServer) -> None:
    assert "is full: raise its maxmemory" in refusal(
        f"redis://127.0.0.1:{start_server('CONFIG SET maxmemory 1').port}"
    )


def test_a_replica_is_said(start_server: StartServer) -> None:
    replica = start_server(f"REPLICAOF 127.0.0.1 {start_server().port}")
    assert "is a replica that cannot be written" in refusal(f"redis://127.0.0.1:{replica.port}")


def test_too_few_connections_are_said_for_all_processes_together(start_server: StartServer) -> None:
    url = f"redis://127.0.0.1:{start_server('CONFIG SET maxclients 3').port}"
    asyncio.run(check_store(url, StoreOptions(redis_url=url), 1))
    assert "takes no more connections" in refusal(url, processes=2)


def test_another_server_than_redis_is_said() -> None:
    async def check() -> None:
        async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(greet, "127.0.0.1", 0)
        async with server:
            url = f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            with pytest.raises(SettingsError, match="is no Redis or Valkey server"):
                await check_store(url, StoreOptions(redis_url=url), 1)

    asyncio.run(check())


def test_a_server_that_repeats_the_password_is_not_repeated() -> None:
    async def check() -> None:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(100)
            writer.write(b"-ERR unknown command 'AUTH', with args beginning with: 'ses@me'\r\n")
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        async with server:
            url = f"redis://:ses%40me@127.0.0.1:{server.sockets[0].getsockname()[1]}"
            with pytest.raises(SettingsError) as caught:
                await check_store(url, StoreOptions(redis_url=url), 1)
            assert "ses@me" not in str(caught.value)
            assert "ses%40me" not in str(caught.value)

    asyncio.run(check())


@pytest.mark.parametrize(
    "url",
    [
        "redis://:sesame@127.0.0.1:{port}",
        "redis+cluster://:sesame@127.0.0.1:{port}/",
        "redis+sentinel://:sesame@127.0.0.1:{port}/master",
        "unix:///nowhere/redis.sock",
    ],
)
def test_a_store_that_is_not_there_is_said_at_once(url: str) -> None:
    began = time.monotonic()
    line = refusal(url.format(port=free_ports(1)[0]))
    assert line.startswith("no store answers at ")
    assert "start one there" in line
    assert time.monotonic() - began < 3


def test_a_store_that_comes_late_is_waited_for_as_long_as_is_wanted(
    start_server: StartServer,
) -> None:
    server = start_server(is_open=False)
    url = f"redis://127.0.0.1:{server.port}"
    assert refusal(url, wait_ms=300).startswith("no store answers")

    async def check() -> None:
        options = StoreOptions(redis_url=url, start_wait_ms=10_000)
        checking = asyncio.create_task(check_store(url, options, 1))
        await asyncio.to_thread(server.start)
        await checking

    asyncio.run(check())


@pytest.mark.parametrize("workers", ["1", "2"])
def test_from_outside_it_is_one_line_and_status_2(start_server: StartServer, workers: str) -> None:
    url = f"redis://127.0.0.1:{start_server(PASSWORD).port}"
    clean = {name: text for name, text in os.environ.items() if not name.startswith("LINGUA_")}
    result = subprocess.run(
        [sys.executable, "run.py", "--port", "0", "--workers", workers, "--redis-url", url],
        cwd=ROOT,
        env=clean,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("lingua: the store at redis://127.0.0.1:")
    assert result.stderr.count("\n") == 1
