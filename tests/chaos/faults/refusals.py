"""Stores that answer and refuse: full, read-only, forbidden, crowded.

A store that refuses is away as one that is silent is: sessions and sockets stay, results wait, and
what cannot wait any longer ends as `store_unavailable`. While it refuses it may lose its data, too.
"""

import asyncio
from abc import abstractmethod
from collections.abc import Sequence

from tests.chaos.faults.fault import StoreFault
from tests.chaos.log import EVERYBODY, DataLost
from tests.chaos.world import World

_RECOVERY_SECONDS = 2.0
"""After it refused: an instance beats once a second and finds out."""
_LOSES_DATA = 0.3
"""So often its data is gone when it is willing again."""
Command = tuple[str | int, ...]


class StoreRefusal(StoreFault):
    """The store refuses for a while; now and then it has lost its data in the meantime."""

    weight = 0.4

    @abstractmethod
    def begin(self) -> Sequence[Command]:
        """Return what makes it refuse."""

    @abstractmethod
    def end(self) -> Sequence[Command]:
        """Return what takes that back."""

    async def harm(self, world: World) -> None:
        """See `StoreFault.harm`."""
        seconds = self.rng.choice((0.5, 3.0, 12.0))
        loses_data = self.rng.random() < _LOSES_DATA
        with world.disturbance(EVERYBODY):
            async with world.store.session() as command:
                for words in self.begin():
                    await command(*words)
                for link in list(world.store.proxy.links):
                    if self.resets_links:
                        link.reset()
                try:
                    await asyncio.sleep(seconds)
                finally:
                    for words in self.end():
                        await command(*words)
                if loses_data:
                    await command("FLUSHALL")
                    world.log(DataLost)
            await asyncio.sleep(_RECOVERY_SECONDS)

    resets_links = False
    """Whether it refuses new connections only."""


class StoreFull(StoreRefusal):
    """Nothing more goes into it: OOM."""

    def begin(self) -> Sequence[Command]:
        """See `StoreRefusal.begin`."""
        return [("CONFIG", "SET", "maxmemory", 1)]

    def end(self) -> Sequence[Command]:
        """See `StoreRefusal.end`."""
        return [("CONFIG", "SET", "maxmemory", 0)]


class StoreReadOnly(StoreRefusal):
    """It is the replica of a master that is not there: READONLY."""

    def begin(self) -> Sequence[Command]:
        """See `StoreRefusal.begin`."""
        return [("REPLICAOF", "127.0.0.1", 1)]

    def end(self) -> Sequence[Command]:
        """See `StoreRefusal.end`."""
        return [("REPLICAOF", "NO", "ONE")]


class StoreForbids(StoreRefusal):
    """Its user may not run scripts any more: NOPERM."""

    _SCRIPTS = ("eval", "evalsha", "fcall")

    def begin(self) -> Sequence[Command]:
        """See `StoreRefusal.begin`."""
        return [("ACL", "SETUSER", "default", *(f"-{name}" for name in self._SCRIPTS))]

    def end(self) -> Sequence[Command]:
        """See `StoreRefusal.end`."""
        return [("ACL", "SETUSER", "default", *(f"+{name}" for name in self._SCRIPTS))]


class StoreCrowded(StoreRefusal):
    """The connections to it are reset, and it takes no further one: max number of clients."""

    resets_links = True

    def begin(self) -> Sequence[Command]:
        """See `StoreRefusal.begin`."""
        return [("CONFIG", "SET", "maxclients", 1)]

    def end(self) -> Sequence[Command]:
        """See `StoreRefusal.end`."""
        return [("CONFIG", "SET", "maxclients", 10_000)]
