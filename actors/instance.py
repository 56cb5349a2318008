"""InstanceActor: this process's presence in the store.

It renews the instance's lease, and notices when other instances died or the store has lost its
data. It drives no jobs: who has to do something about it is told.
"""

from math import inf
from typing import Any

from loguru import logger

from actors.directory import Directory
from actors.dispatcher import ScriptRunner
from actors.instance_options import InstanceOptions
from actors.lease import Lease
from actors.messages import InstanceExpired, NodeLost, StoreEmptied
from actors.peer_messages import InstanceReaped, PeerSuspected
from actors.runtime import LoopActor, tell
from storage.instances import InstanceRepository
from storage.replies import Alive
from storage.store import StorageUnavailable

_BEATS_PER_LEASE = 3
"""A lease outlives two lost beats."""
_AFTER_LEASE_MS = 5


class InstanceActor(LoopActor):
    """Beats; `is_present` says whether the store knows this instance now."""

    def __init__(
        self,
        store: ScriptRunner,
        instances: InstanceRepository,
        directory: Directory,
        options: InstanceOptions,
        lease: Lease,
        *,
        data_id: str | None = None,
    ) -> None:
        """Take collaborators, and the data that a predecessor knew last."""
        super().__init__()
        self._lease = lease
        self._store = store
        self._instances = instances
        self._directory = directory
        self._options = options
        self._data_id = data_id
        self._beat_at_ms = 0.0
        self._look_at_ms: float | None = None
        """When a suspected instance's lease ends."""
        self.is_present = False

    def __repr__(self) -> str:
        return f"<InstanceActor present={self.is_present} data={self._data_id}>"

    def on_start(self) -> None:
        """Begin to beat."""
        self.wake_at(self.now_ms())

    def on_receive(self, message: Any) -> None:
        """Another instance does not answer: be there when its lease ends."""
        if not isinstance(message, PeerSuspected):
            raise TypeError(f"{self!r} cannot handle {type(message).__name__}")
        at_ms = self.now_ms() + max(0, message.lease_left_ms) + _AFTER_LEASE_MS
        self._look_at_ms = min(at_ms, self._look_at_ms or at_ms)
        self.wake_at(min(self._beat_at_ms, self._look_at_ms))

    def leave(self, _error: BaseException) -> str | None:
        """A bug ended this actor: its successor compares with the data that was known last."""
        return self._data_id

    async def on_wake(self, now_ms: float) -> None:
        """Time for the next beat, or for an early one."""
        if self._look_at_ms is not None and now_ms >= self._look_at_ms:
            self._look_at_ms = None
        await self._beat(now_ms)

    async def _beat(self, now_ms: float) -> None:
        lease_ms = self._options.instance_lease_ms
        self._beat_at_ms = now_ms + lease_ms / _BEATS_PER_LEASE
        try:
            [alive] = await self._store.run([self._instances.beat(lease_ms)])
            self._lease.renew(now_ms, lease_ms)
            self._lease.secret = alive.secret
            self._on_alive(alive)
        except StorageUnavailable as error:
            if self.is_present:
                logger.warning("the store does not answer the lease", error=str(error))
            self.is_present = False
        self.wake_at(max(min(self._beat_at_ms, self._look_at_ms or inf), self.now_ms()))

    def _on_alive(self, alive: Alive) -> None:
        is_known = self._data_id is not None
        is_other_data = alive.data_id != self._data_id
        if is_known and (alive.revived or is_other_data):
            logger.warning("the store has lost its data, or took this instance for dead")
            if not is_other_data:
                self._tell_reaped()
            self._tell_emptied()
        self._data_id = alive.data_id
        self.is_present = True
        for node_id, epoch in alive.expired_nodes:
            tell(self._directory.dispatcher, NodeLost(node_id, epoch))
        for dead_id in alive.expired_instances:
            tell(self._directory.dispatcher, InstanceExpired(dead_id))

    def _tell_reaped(self) -> None:
        """Jobs of other instances on our nodes have gone elsewhere while this one stood still."""
        for node in self._directory.nodes.values():
            tell(node, InstanceReaped())

    def _tell_emptied(self) -> None:
        """Everyone who has something in the store puts it there again: nodes before jobs."""
        members = (*self._directory.nodes.values(), *self._directory.sessions.values())
        for member in (*members, self._directory.dispatcher):
            tell(member, StoreEmptied())
