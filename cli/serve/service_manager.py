"""What systemd is told of this process: ready, stopping, alive (`sd_notify(3)`).

Owns the datagram socket that `NOTIFY_SOCKET` names. Without one nothing is sent. The variables are
taken out of the environment, or processes that this one starts would answer in its place.
"""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager

from loguru import logger

_SIGNS_PER_LIMIT = 3
"""Signs of life within the time after which the manager takes the process for hung."""
_US = 1_000_000


class ServiceManager:
    """Life: made once, before anything else is started."""

    def __init__(self, environment: MutableMapping[str, str] = os.environ) -> None:
        self._address = environment.pop("NOTIFY_SOCKET", "")
        limit = environment.pop("WATCHDOG_USEC", "")
        pid = environment.pop("WATCHDOG_PID", "")
        is_for_us = not pid or pid == str(os.getpid())
        self.limit_s = int(limit) / _US if limit.isdecimal() and is_for_us else 0.0
        """Seconds without a sign of life after which it is started again; 0: not watched."""

    def ready(self) -> None:
        """It serves now."""
        self._send("READY=1")

    def stopping(self) -> None:
        """It takes nothing more and will end."""
        self._send("STOPPING=1")

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Send signs of life while the context is open, for as long as the event loop turns."""
        beating = asyncio.create_task(self._beat()) if self.limit_s and self._address else None
        try:
            yield
        finally:
            if beating is not None:
                beating.cancel()

    async def _beat(self) -> None:
        while True:
            self._send("WATCHDOG=1")
            await asyncio.sleep(self.limit_s / _SIGNS_PER_LIMIT)

    def _send(self, state: str) -> None:
        if not self._address or sys.platform == "win32":
            return
        address = self._address
        if address.startswith("@"):  # a name that is no file: Linux's abstract namespace
            address = f"\0{address[1:]}"
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sending:
                sending.setblocking(False)
                sending.sendto(state.encode(), address)
        except OSError as error:
            logger.bind(state=state, reason=error.strerror).warning("systemd was not reached")
