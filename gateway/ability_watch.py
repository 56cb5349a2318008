"""AbilityWatch: reads from the store, again and again, what nodes of all instances can do.

It owns one task. Must not: decide anything; what it reads goes to the process's `Abilities`.
"""

import asyncio
from contextlib import suppress

from storage.capability import Abilities
from storage.nodes import NodeRepository
from storage.store import StorageUnavailable

_INTERVAL_S = 1.0
"""A node that registers elsewhere is known here after so long."""


class AbilityWatch:
    """Life: from `start` to `close`. While the store is away, what was known stays."""

    def __init__(self, nodes: NodeRepository, abilities: Abilities) -> None:
        self._nodes = nodes
        self._abilities = abilities
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to read."""
        self._task = asyncio.create_task(self._read_on())

    def close(self) -> None:
        """Read no more."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def _read_on(self) -> None:
        while True:
            with suppress(StorageUnavailable):  # it is asked again, and others say that it is away
                self._abilities.found(await self._nodes.abilities())
            await asyncio.sleep(_INTERVAL_S)
