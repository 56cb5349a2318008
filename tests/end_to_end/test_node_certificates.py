"""Nodes that show a certificate instead of a token, and authorities that are replaced in use."""

import asyncio
import json
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from tests.support.certificates import write_authority, write_certificate, write_signed
from tests.support.peers.raw_wire import over_sockets
from tests.support.processes.scheduler_process import SchedulerProcess, running_scheduler
from tests.support.waiting import PATIENCE_S, until

_TURNED_AWAY = (OSError, EOFError, InvalidHandshake, ConnectionClosed)
"""TLS 1.3 lets a client believe that its certificate was taken, until it reads."""
TOKENS = {"LINGUA_NODE_TOKENS": "gpu-9:token-of-nine"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_certificate(tmp_path)
    for name in ("ours", "newer", "strange"):
        write_authority(tmp_path, name)
    (tmp_path / "authorities.pem").write_bytes((tmp_path / "ours.pem").read_bytes())
    return tmp_path


@pytest.fixture
def scheduler(folder: Path) -> Iterator[SchedulerProcess]:
    flags = (
        *("--tls-cert", str(folder / "cert.pem"), "--tls-key", str(folder / "key.pem")),
        *("--node-ca-file", str(folder / "authorities.pem")),
    )
    with running_scheduler(*flags, env=TOKENS) as process:
        yield process


def come(
    scheduler: SchedulerProcess,
    folder: Path,
    shown: Path | None,
    path: str = "node",
    **headers: str,
) -> connect:
    """Return a connection that shows a certificate, or none."""
    context = ssl.create_default_context(cafile=str(folder / "cert.pem"))
    if shown is not None:
        context.load_cert_chain(shown)
    url = f"wss://127.0.0.1:{scheduler.port}/ws/{path}"
    return connect(url, ssl=context, proxy=None, additional_headers=headers)


async def register(socket: ClientConnection, node_id: str) -> Any:
    """Return the answer to a registration."""
    await socket.send(json.dumps({"type": "node_register", "node_id": node_id}))
    async with asyncio.timeout(PATIENCE_S):
        return json.loads(await socket.recv())


@over_sockets
async def test_a_certificate_opens_the_nodes_path_and_owns_the_node_id(
    scheduler: SchedulerProcess, folder: Path
) -> None:
    one, two = (write_signed(folder, "ours", name) for name in ("gpu-1", "gpu-2"))
    async with come(scheduler, folder, one) as first, come(scheduler, folder, two) as second:
        assert "error" not in await register(first, "node-a")
        assert (await register(second, "node-a"))["error"]["code"] == "NODE_ID_CONFLICT"
        assert "error" not in await register(second, "node-b")
    nine = write_signed(folder, "ours", "gpu-9")
    token = {"Authorization": "Bearer token-of-nine"}
    async with come(scheduler, folder, None, **token) as by_token:
        assert "error" not in await register(by_token, "node-c")
        async with come(scheduler, folder, nine) as same:
            assert (await register(same, "node-c"))["error"]["code"] == "NODE_ID_IN_USE"


@over_sockets
async def test_without_one_or_with_a_strangers_nobody_becomes_a_node(
    scheduler: SchedulerProcess, folder: Path
) -> None:
    with pytest.raises(InvalidStatus, match="401"):
        await come(scheduler, folder, None)
    strange = write_signed(folder, "strange", "gpu-1")
    expired = write_signed(folder, "ours", "gpu-1", seconds=-60, file="expired")
    alone = folder / "alone.both"
    alone.write_bytes((folder / "cert.pem").read_bytes() + (folder / "key.pem").read_bytes())
    for shown in (strange, expired, alone):
        with pytest.raises(_TURNED_AWAY):
            async with come(scheduler, folder, shown) as socket:
                await register(socket, "node-x")
    nameless = write_signed(folder, "ours", "a b", file="nameless")
    with pytest.raises(InvalidStatus, match="401"):
        await come(scheduler, folder, nameless)


@over_sockets
async def test_a_certificate_opens_nothing_but_the_nodes_path(
    scheduler: SchedulerProcess, folder: Path
) -> None:
    shown = write_signed(folder, "ours", "gpu-1")
    strangers = {"Origin": "https://evil.example"}
    with pytest.raises(InvalidStatus, match="403"):
        await come(scheduler, folder, shown, **strangers)
    with pytest.raises(InvalidStatus, match="401"):
        await come(scheduler, folder, shown, Authorization="Bearer wrong")
    async with come(scheduler, folder, None, "session"):
        pass


@over_sockets
async def test_an_authority_that_is_replaced_takes_its_nodes_along(
    scheduler: SchedulerProcess, folder: Path
) -> None:
    former = write_signed(folder, "ours", "gpu-1")
    later = write_signed(folder, "newer", "gpu-1")
    async with come(scheduler, folder, former) as node:
        assert "error" not in await register(node, "node-a")
        fresh = folder / "fresh.pem"
        fresh.write_bytes((folder / "newer.pem").read_bytes())
        fresh.replace(folder / "authorities.pem")
        async with asyncio.timeout(PATIENCE_S):
            with pytest.raises(ConnectionClosed, match="no longer valid"):
                await node.recv()

    async def is_welcome(shown: Path) -> bool:
        try:
            async with come(scheduler, folder, shown) as socket:
                return "error" not in await register(socket, "node-a")
        except _TURNED_AWAY:
            return False

    async def is_taken() -> bool:
        return await is_welcome(later)

    await until(is_taken, "a certificate of the newer authority")
    assert not await is_welcome(former)


@over_sockets
async def test_a_certificate_that_runs_out_ends_its_socket(
    scheduler: SchedulerProcess, folder: Path
) -> None:
    short = write_signed(folder, "ours", "gpu-1", seconds=3)
    async with come(scheduler, folder, short) as node:
        assert "error" not in await register(node, "node-a")
        async with asyncio.timeout(PATIENCE_S):
            with pytest.raises(ConnectionClosed, match="run out"):
                await node.recv()
