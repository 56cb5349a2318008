"""A peer's WebSocket to a scheduler: how it is opened, and in words why it could not be."""

import os

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

MAX_MESSAGE_BYTES = 16 * 1024 * 1024
CONNECT_SECONDS = 10.0
CLOSE_SECONDS = 2.0
PING_SECONDS = 60.0
"""Generous: an engine in a node's process may hold the interpreter's lock for a while."""

CONNECT_ERRORS = (OSError, TimeoutError, InvalidHandshake, ConnectionClosed)
"""What can go wrong on the way to a connection, and is worth another attempt."""

_MEANINGS = {
    401: "it wants another token",
    403: "it refuses this peer",
    404: "it has no such path",
    503: "it takes nobody at the moment",
}


async def open_connection(url: str, token: str | None) -> ClientConnection:
    """Return an open socket; `async with` closes it. A token goes along as a bearer header.

    Raises:
        CONNECT_ERRORS: nobody there, or not for us; `reason` says it in words.
        InvalidURI: the address is none.
    """
    return await connect(
        url,
        additional_headers={"Authorization": f"Bearer {token}"} if token else None,
        compression=None,
        max_size=MAX_MESSAGE_BYTES,
        open_timeout=CONNECT_SECONDS,
        close_timeout=CLOSE_SECONDS,
        ping_timeout=PING_SECONDS,
        proxy=None,
    )


def reason(error: Exception) -> str:
    """Return one short phrase."""
    match error:
        case InvalidStatus():
            status = error.response.status_code
            return f"HTTP {status}: {_MEANINGS.get(status, 'no WebSocket there')}"
        case ConnectionClosed():
            close = error.rcvd
            return f"closed with {close.code} {close.reason}".strip() if close else "cut off"
        case TimeoutError():
            return "no answer in time"
        case OSError():
            if error.errno is not None and error.errno > 0:  # asyncio's own text names the address
                return os.strerror(error.errno)
            return error.strerror or str(error) or type(error).__name__
        case _:
            return str(error) or type(error).__name__
