"""InstanceActor: this process's presence in the store.

It renews the instance's lease, and notices when other instances died or the store has lost its
data. It drives no jobs: who has to do something about it is told.
"""

from typing import Any

from loguru import logger

from actors.directory import Directory
from actors.dispatcher import ScriptRunner
from actors.instance_options import InstanceOptions
from actors.messages import InstanceExpired, NodeLost, StoreEmptied
from actors.runtime import LoopActor, tell
from storage.instances import InstanceRepository
from storage.replies import Alive
from storage.store import StorageUnavailable

_BEATS_PER_LEASE = 3
"""A lease outlives two lost beats."""


class InstanceActor(LoopActor):
    """Beats; `is_present` says whether the store knows this instance now."""

    def __init__(
        self,
        store: ScriptRunner,
        instances: InstanceRepository,
        directory: Directory,
        options: InstanceOptions,
        data_id: str | None = None,
    ) -> None:
        """Take collaborators, and the data that a predecessor knew last."""
        super().__init__()
        self._store = store
        self._instances = instances
        self._directory = directory
        self._options = options
        self._data_id = data_id
        self.is_present = False

    def __repr__(self) -> str:
        return f"<InstanceActor present={self.is_present} data={self._data_id}>"

    def on_start(self) -> None:
        """Begin to beat."""
        self.wake_at(self.now_ms())

    def on_receive(self, message: Any) -> None:
        """Nobody tells this actor anything yet."""
        raise TypeError(f"{self!r} cannot handle {type(message).__name__}")

    def leave(self, _error: BaseException) -> str | None:
        """A bug ended this actor: its successor compares with the data that was known last."""
        return self._data_id

    async def on_wake(self, now_ms: float) -> None:
        """Time for the next beat."""
        await self._beat(now_ms)

    async def _beat(self, now_ms: float) -> None:
        next_ms = now_ms + self._options.instance_lease_ms / _BEATS_PER_LEASE
        try:
            [alive] = await self._store.run([self._instances.beat(self._options.instance_lease_ms)])
            self._on_alive(alive)
        except StorageUnavailable as error:
            if self.is_present:
                logger.warning("the store does not answer the lease", error=str(error))
            self.is_present = False
        self.wake_at(max(next_ms, self.now_ms()))

    def _on_alive(self, alive: Alive) -> None:
        if self._data_id is not None and (alive.revived or alive.data_id != self._data_id):
            logger.warning("the store has lost its data, or took this instance for dead")
            self._tell_emptied()
        self._data_id = alive.data_id
        self.is_present = True
        for node_id, epoch in alive.expired_nodes:
            tell(self._directory.dispatcher, NodeLost(node_id, epoch))
        for dead_id in alive.expired_instances:
            tell(self._directory.dispatcher, InstanceExpired(dead_id))

    def _tell_emptied(self) -> None:
        """Everyone who has something in the store puts it there again: nodes before jobs."""
        members = (*self._directory.nodes.values(), *self._directory.sessions.values())
        for member in (*members, self._directory.dispatcher):
            tell(member, StoreEmptied())
