"""What waits in kernels of what a client sends: little, since a ping waits behind it.

A client that sends a file as fast as it goes is read at the pace of speech, 16 kB a second for
opus; what its kernel and ours have taken in comes before its next ping. Ours takes in megabytes
unless it is bounded; that of a sender keeps many times what was ever on its way at once.
"""

import asyncio
import socket
from contextlib import suppress
from typing import Final

_USUAL_BYTES: Final = 16 * 1024
_WIDE_BYTES: Final = 256 * 1024
"""While a long message comes: it would take a round trip for each of the usual."""
LONG_MESSAGE_BYTES: Final = 48 * 1024
_SEGMENT_BYTES: Final = 1_448
"""Longest segment that peers send, as on Ethernet; on loopback it would be 64 KiB."""


def bound_segments(server: asyncio.Server) -> None:
    """Have peers send in short segments, of which their kernels keep at least twenty."""
    for listening in server.sockets:
        with suppress(OSError):  # a system without it keeps what it keeps
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, _SEGMENT_BYTES)


class ReceiveBuffer:
    """The kernel's, of one socket. Life: from the upgrade on."""

    __slots__ = ("_transport", "is_wide")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self.is_wide = True
        self.fit(0)

    def fit(self, unfinished_bytes: int) -> None:
        """Bound it by what is here of a message whose end is not."""
        is_wide = unfinished_bytes > LONG_MESSAGE_BYTES
        if is_wide is self.is_wide:
            return
        self.is_wide = is_wide
        found = self._transport.get_extra_info("socket")
        if found is not None:
            size = _WIDE_BYTES if is_wide else _USUAL_BYTES
            with suppress(OSError):  # it has just been closed
                found.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
