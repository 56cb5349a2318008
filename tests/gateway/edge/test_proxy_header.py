"""PROXY headers: read whole, in any pieces, on both loops, with TLS and without."""

import asyncio
import contextlib
import ipaddress
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
import uvloop
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.edge.proxy_header import BadHeaderError, Beginning, ProxyHeader, read_start
from tests.support.certificates import write_certificate

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
IPV4 = bytes([198, 51, 100, 7, 127, 0, 0, 1, 0, 1, 0, 2])
IPV6 = bytes.fromhex("20010db8000000000000000000000001") + bytes(20)


def header(command: int, family: int, rest: bytes) -> bytes:
    return SIGNATURE + bytes([command, family]) + len(rest).to_bytes(2) + rest


@pytest.mark.parametrize(
    ("family", "rest", "source"),
    [
        (0x11, IPV4, "198.51.100.7"),
        (0x12, IPV4 + b"\x04\0\x01x", "198.51.100.7"),
        (0x21, IPV6, "2001:db8::1"),
        (0x00, b"", None),
        (0x31, bytes(216), None),
    ],
)
def test_the_client_is_named(family: int, rest: bytes, source: str | None) -> None:
    start = read_start(header(0x21, family, rest)[:16])
    assert start.rest_bytes == len(rest)
    assert start.source(rest) == source
    assert read_start(header(0x20, family, rest)[:16]).source(rest) is None


@given(st.binary(min_size=16, max_size=16), st.binary(max_size=300))
@example(b"PROXY TCP4 1.2.3", b"")
def test_whatever_else_comes_is_refused(data: bytes, rest: bytes) -> None:
    if data.startswith(SIGNATURE):
        return  # and may be right: the next test has those
    with pytest.raises(BadHeaderError) as refused:
        read_start(data).source(rest)
    assert str(refused.value).isprintable()


@given(st.integers(0, 255), st.integers(0, 255), st.integers(0, 65_535), st.binary(max_size=300))
@example(0x21, 0x11, 2, b"ab")
@example(0x21, 0x11, 4000, b"")
@example(0x31, 0x11, 12, IPV4)
def test_what_looks_like_a_header_is_one_or_refused(
    command: int, family: int, size: int, rest: bytes
) -> None:
    data = SIGNATURE + bytes([command, family]) + size.to_bytes(2)
    with contextlib.suppress(BadHeaderError):
        source = read_start(data).source(rest)
        assert command in (0x20, 0x21)
        assert size <= 2048
        assert source is None or ipaddress.ip_address(source)


class Echo(asyncio.Protocol):
    """Answers with the address that it was told, and all that came."""

    address = "its own"

    def __init__(self) -> None:
        self.came = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self.came += data
        if self.came.endswith(b"\n"):
            self.transport.write(self.address.encode() + b" " + self.came)
            self.transport.close()


async def served(
    pieces: list[bytes], secret: Path | None, *, is_proxy: bool, timeout_s: float = 20
) -> bytes:
    """Return what an Echo says to a header in pieces and a line behind it.

    `secret`: the folder of a certificate for TLS, or None.
    """
    loop, tasks = asyncio.get_running_loop(), set[asyncio.Task[None]]()

    def spawn(work: Any) -> None:
        tasks.add(loop.create_task(work))

    tls: ssl.SSLContext | None = None
    if secret is not None:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(secret / "cert.pem", secret / "key.pem")
    beginning = Beginning(loop, lambda _address: is_proxy, Echo, spawn, tls, timeout_s, 5)
    server = await loop.create_server(lambda: ProxyHeader(beginning), "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        *head, last = pieces
        for piece in head:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.01)
        if secret is not None:
            await writer.start_tls(trusting(), server_hostname="localhost")
        writer.write(last)
        try:
            return await asyncio.wait_for(reader.read(), 20)
        finally:
            writer.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a certificate in it."""
    made = tmp_path_factory.mktemp("tls")
    write_certificate(made)
    return made


def trusting() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


LOOPS = pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
HEAD = header(0x21, 0x11, IPV4)


@LOOPS
@pytest.mark.parametrize("is_secret", [False, True], ids=["plain", "tls"])
def test_nothing_behind_a_header_is_lost(
    run: Callable[..., bytes], folder: Path, *, is_secret: bool
) -> None:
    told, secret = b"198.51.100.7 one\n", folder if is_secret else None
    if secret is None:
        assert run(served([HEAD + b"one\n"], None, is_proxy=True)) == told
    for cut in (1, 12, 16, 20):
        pieces = [HEAD[:cut], HEAD[cut:], b"one\n"]
        assert run(served(pieces, secret, is_proxy=True)) == told


@LOOPS
@pytest.mark.parametrize("is_secret", [False, True], ids=["plain", "tls"])
def test_who_is_no_proxy_speaks_at_once(
    run: Callable[..., bytes], folder: Path, *, is_secret: bool
) -> None:
    secret = folder if is_secret else None
    assert run(served([b"one\n"], secret, is_proxy=False)) == b"its own one\n"


@LOOPS
def test_a_proxy_that_says_nothing_is_sent_away(run: Callable[..., bytes]) -> None:
    assert run(served([HEAD[:5], b""], None, is_proxy=True, timeout_s=0.05)) == b""
