"""ProxyHeader: whom a proxy serves on a connection, as it tells before anything else.

Version 2 of the PROXY protocol (section 2.2 of its specification, proxy-protocol.txt of HAProxy).
Who must send the header and who must not is settled by address, never guessed from bytes. It comes
before TLS. Must not: decide who is trusted, or read a byte behind the header.
"""

import asyncio
import ssl
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Any, Final, Protocol, cast

from loguru import logger

from gateway.edge.framing import address_of

_SIGNATURE: Final = b"\r\n\r\n\0\r\nQUIT\n"
_FIXED_BYTES: Final = 16
_MOST_BYTES: Final = 2048
"""Longest rest that is taken: addresses take 36 bytes, what proxies add to them some hundred."""
_LOCAL: Final = 0x20
_PROXIED: Final = 0x21
_IPV4: Final = 1
_IPV6: Final = 2


class BadHeaderError(ValueError):
    """The bytes are no header of version 2; the message says what they are, without any of them."""


@dataclass(frozen=True, slots=True)
class Start:
    """The fixed part of a header."""

    is_local: bool
    """The proxy speaks for itself, to see whether we are there."""
    family: int
    rest_bytes: int
    """How long the rest is."""

    def source(self, rest: bytes) -> str | None:
        """Return the address of the client; None: the proxy's own is all that is known.

        Raises:
            BadHeaderError: The rest is shorter than the addresses of its family.
        """
        if self.is_local or self.family not in (_IPV4, _IPV6):
            return None
        size = 4 if self.family == _IPV4 else 16
        if len(rest) < 2 * (size + 2):
            raise BadHeaderError("the header is too short for its addresses")
        kind = IPv4Address if self.family == _IPV4 else IPv6Address
        return str(kind(rest[:size]))


def read_start(data: bytes) -> Start:
    """Read the first 16 bytes of a header.

    Raises:
        BadHeaderError: They are something else, or the rest would be too long.
    """
    if data[:12] != _SIGNATURE:
        is_first = data.startswith(b"PROXY ")
        raise BadHeaderError("version 1 of the protocol" if is_first else "no header")
    command, family, size = data[12], data[13] >> 4, int.from_bytes(data[14:16])
    if command not in (_LOCAL, _PROXIED):
        raise BadHeaderError("an unknown version or command")
    if size > _MOST_BYTES:
        raise BadHeaderError("a header that is too long")
    return Start(command == _LOCAL, family, size)


class Spoken(Protocol):
    """What speaks on a connection once it is known whose it is."""

    address: str

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It may write from now on."""

    def data_received(self, data: bytes) -> None:
        """Bytes came."""

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""


@dataclass(frozen=True, slots=True)
class Beginning:
    """What is needed to begin with a connection."""

    loop: asyncio.AbstractEventLoop
    is_proxy: Callable[[str], bool]
    """Tells whether who connects from this address has to send the header."""
    make: Callable[[], Spoken]
    spawn: Callable[[Coroutine[Any, Any, None]], None]
    tls: ssl.SSLContext | None
    header_timeout_s: float
    tls_timeout_s: float


class ProxyHeader(asyncio.BufferedProtocol):
    """Life: from the TCP connection until its header was read; then another one goes on with it.

    The loop is given a buffer of just what the header lacks, so that no byte behind it is read.
    """

    __slots__ = ("_beginning", "_buffer", "_have", "_start", "_timer", "_transport")

    _transport: asyncio.Transport

    def __init__(self, beginning: Beginning) -> None:
        self._beginning = beginning
        self._buffer = memoryview(bytearray(_FIXED_BYTES))
        self._have = 0
        self._start: Start | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the header of a proxy; go on at once with everybody else."""
        self._transport = cast("asyncio.Transport", transport)
        beginning = self._beginning
        if beginning.is_proxy(address_of(self._transport)):
            self._timer = beginning.loop.call_later(
                beginning.header_timeout_s, self._refuse, "nothing in time"
            )
        else:
            self._go_on(None)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return room for what the header lacks."""
        del sizehint
        return self._buffer[self._have :]

    def buffer_updated(self, nbytes: int) -> None:
        """Some more of it is here."""
        self._have += nbytes
        if self._have < len(self._buffer):
            return
        data = bytes(self._buffer)
        try:
            if self._start is None:
                self._start = read_start(data)
                self._buffer, self._have = memoryview(bytearray(self._start.rest_bytes)), 0
                if self._start.rest_bytes:
                    return
                data = b""
            source = self._start.source(data)
        except BadHeaderError as error:
            self._refuse(str(error))
            return
        self._go_on(source)

    def connection_lost(self, exc: Exception | None) -> None:
        """The proxy has gone before it said whom it serves."""
        del exc
        if self._timer is not None:
            self._timer.cancel()

    def _refuse(self, what: str) -> None:
        logger.warning("a trusted proxy sends no PROXY header of version 2", sends=what)
        self._transport.abort()

    def _go_on(self, source: str | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        beginning, transport = self._beginning, self._transport
        transport.pause_reading()
        if beginning.tls is not None:
            beginning.spawn(_begin_tls(beginning, beginning.tls, transport, source))
            return
        spoken = beginning.make()
        transport.set_protocol(cast("asyncio.BaseProtocol", spoken))
        _begin(spoken, transport, source)
        if not transport.is_closing():
            transport.resume_reading()


class _Early(asyncio.Protocol):
    """Keeps what comes over TLS before it is known that TLS has begun: one read at most."""

    def __init__(self) -> None:
        self.data = b""
        self.is_lost = False

    def data_received(self, data: bytes) -> None:
        self.data += data

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self.is_lost = True


async def _begin_tls(
    beginning: Beginning, tls: ssl.SSLContext, transport: asyncio.Transport, source: str | None
) -> None:
    early = _Early()
    try:
        secure = await beginning.loop.start_tls(
            transport,
            early,
            tls,
            server_side=True,
            ssl_handshake_timeout=beginning.header_timeout_s,
            ssl_shutdown_timeout=beginning.tls_timeout_s,
        )
    except (OSError, ssl.SSLError):  # as with any connection that does not speak TLS
        transport.abort()
        return
    if secure is None or early.is_lost:
        return
    spoken = beginning.make()
    secure.set_protocol(cast("asyncio.BaseProtocol", spoken))
    _begin(spoken, secure, source)
    if early.data:
        spoken.data_received(early.data)


def _begin(spoken: Spoken, transport: asyncio.Transport, source: str | None) -> None:
    spoken.connection_made(transport)
    if source is not None:
        spoken.address = source
