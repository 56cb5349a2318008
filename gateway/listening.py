"""Listening: the port of the gateway, and how a connection begins."""

import asyncio
import ssl
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from gateway.edge.connection import EdgeConnection
from gateway.edge.proxy_header import Beginning, ProxyHeader
from gateway.edge.receive_buffer import bound_segments


@dataclass(frozen=True, slots=True)
class Bind:
    """How the port is opened, beyond where."""

    tls: ssl.SSLContext | None = None
    """Set: the port speaks TLS only."""
    reuse_port: bool = False
    """Several processes share the port; the kernel spreads connections."""
    backlog: int = 2048
    """Connections that may wait to be accepted."""
    open_timeout_s: float = 10.0
    """Seconds that a peer has for its request."""
    close_timeout_s: float = 5.0
    """Seconds that a peer has to close after we did."""
    max_connections: int = 20_000
    """TCP connections beyond which no further client gets in; nodes always do."""


@dataclass(frozen=True, slots=True)
class Arrivals:
    """What becomes of who connects."""

    make: Callable[[], EdgeConnection]
    is_proxy: Callable[[str], bool] | None
    """Tells who sends PROXY headers; None: nobody does."""
    spawn: Callable[[Coroutine[Any, Any, None]], None]


async def listen(host: str, port: int, bind: Bind, arrivals: Arrivals) -> asyncio.Server:
    """Open the port.

    Raises:
        OSError: The address is in use or not ours.
    """
    loop = asyncio.get_running_loop()
    make: Callable[[], asyncio.BaseProtocol] = arrivals.make
    tls = bind.tls
    if arrivals.is_proxy is not None:
        beginning = Beginning(
            *(loop, arrivals.is_proxy, arrivals.make, arrivals.spawn, tls),
            *(bind.open_timeout_s, bind.close_timeout_s),
        )
        make, tls = lambda: ProxyHeader(beginning), None
    server = await loop.create_server(
        make,
        host,
        port,
        ssl=tls,
        ssl_handshake_timeout=bind.open_timeout_s if tls else None,
        ssl_shutdown_timeout=bind.close_timeout_s if tls else None,
        backlog=bind.backlog,
        reuse_port=bind.reuse_port or None,
    )
    bound_segments(server)
    return server
