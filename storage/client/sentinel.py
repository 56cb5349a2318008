"""SentinelExecutor: the master that a set of sentinels watches, behind the seam of one server.

Owns the question who the master is: asked before every connection, and again every second while one
lasts, because a former master that its sentinels cannot reach goes on answering. It must not
know scripts or outcomes.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from loguru import logger

from storage.client.executor import Command, CommandRefused, StorageUnavailable
from storage.client.slot_map import Address
from storage.client.wire import ServerAddress, WireExecutor

_ASK_AGAIN_SECONDS = 1.0
_PATIENCE_SECONDS = 0.5
"""How long one sentinel may take before the next one is asked."""


class SentinelExecutor:
    """One connection to the present master, whoever that is."""

    def __init__(
        self,
        sentinels: Sequence[WireExecutor],
        master_name: str,
        address_of: Callable[[Address], ServerAddress],
        *,
        reply_timeout_s: float = 2.0,
    ) -> None:
        self._sentinels = list(sentinels)
        self._master_name = master_name
        self._address_of = address_of
        self._wire = WireExecutor(ServerAddress(), find=self._find, reply_timeout_s=reply_timeout_s)
        self._watching: asyncio.Task[None] | None = None
        self._closed = False

    async def execute(self, commands: Sequence[Command]) -> list[Any]:
        """See `storage.client.executor.Executor.execute`."""
        if self._watching is None and not self._closed:
            self._watching = asyncio.create_task(self._watch())
        replies = await self._wire.execute(commands)
        if any(isinstance(reply, CommandRefused) and _is_demoted(reply) for reply in replies):
            self._wire.drop("the server is no master any more")
        return replies

    async def close(self) -> None:
        """Close the connections; idempotent."""
        self._closed = True
        if self._watching is not None:
            self._watching.cancel()
            with suppress(asyncio.CancelledError):
                await self._watching
        for wire in (self._wire, *self._sentinels):
            await wire.close()

    async def _find(self) -> ServerAddress:
        """Ask one sentinel after the other; the one that knows goes to the front.

        Raises:
            StorageUnavailable: None of them knows.
        """
        fault = "no sentinel is known"
        for sentinel in list(self._sentinels):
            try:
                async with asyncio.timeout(_PATIENCE_SECONDS):
                    address = await self._told_by(sentinel)
            except (StorageUnavailable, TimeoutError) as error:
                fault = f"sentinel {sentinel.address}: {error or 'no answer in time'}"
            else:
                self._sentinels.remove(sentinel)
                self._sentinels.insert(0, sentinel)
                return self._address_of(address).as_master()
        raise StorageUnavailable(fault)

    async def _told_by(self, sentinel: WireExecutor) -> Address:
        command: Command = ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._master_name)
        [reply] = await sentinel.execute([command])
        if isinstance(reply, CommandRefused) or not reply:
            message = f"it watches no master called {self._master_name!r}"
            raise StorageUnavailable(message)
        return str(reply[0]), int(reply[1])

    async def _watch(self) -> None:
        """Leave a master that is none any more."""
        while not self._closed:
            await asyncio.sleep(_ASK_AGAIN_SECONDS)
            try:
                found = await self._find()
            except StorageUnavailable:
                continue  # what we are connected to may still be the master
            present = self._wire.address
            if self._wire.is_connected and str(found) != str(present):
                logger.bind(before=str(present), now=str(found)).warning(
                    "the store has failed over"
                )
                self._wire.drop("another server is the master now")


def _is_demoted(reply: CommandRefused) -> bool:
    return str(reply).startswith(("READONLY", "MASTERDOWN"))
