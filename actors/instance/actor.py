"""InstanceActor: this process's presence in the store.

It renews the instance's lease, adds with the same round trip what tenants have used, and notices
when other instances died or the store has lost its data. It drives no jobs: who has to do something
about it gets a message.
"""

from collections.abc import Mapping
from math import inf

from loguru import logger

from actors.directory import Directory
from actors.instance.options import InstanceOptions
from actors.lease import Lease
from actors.messages.node import NodeLost
from actors.messages.process import InstanceExpired, InstanceReaped, PeerSuspected, StoreEmptied
from actors.runtime.actor import LoopActor, tell
from storage.call import ScriptRunner
from storage.cells import FIRST, Cell
from storage.instances import InstanceRepository
from storage.replies.job import Alive, Taken, Updated
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
        data_ids: Mapping[Cell, str] | None = None,
    ) -> None:
        """Take collaborators, and the data that a predecessor knew last."""
        super().__init__()
        self._lease = lease
        self._store = store
        self._instances = instances
        self._directory = directory
        self._options = options
        self._data_ids: dict[Cell, str] = dict(data_ids or {})
        self._beat_at_ms = 0.0
        self._look_at_ms: float | None = None
        """When a suspected instance's lease ends."""
        self.is_present = False

    def __repr__(self) -> str:
        return f"<InstanceActor present={self.is_present} data={self._data_ids}>"

    def on_start(self) -> None:
        """Begin to beat."""
        self.wake_at(self.now_ms())

    def on_receive(self, message: PeerSuspected) -> None:
        """Another instance does not answer: be there when its lease ends."""
        at_ms = self.now_ms() + max(0, message.lease_left_ms) + _AFTER_LEASE_MS
        self._look_at_ms = min(at_ms, self._look_at_ms or at_ms)
        self.wake_at(min(self._beat_at_ms, self._look_at_ms))

    def handover(self, _error: BaseException) -> Mapping[Cell, str]:
        """A bug ended this actor: its successor compares with the data that was known last."""
        return self._data_ids

    async def on_wake(self, now_ms: float) -> None:
        """Time for the next beat, or for an early one."""
        if self._look_at_ms is not None and now_ms >= self._look_at_ms:
            self._look_at_ms = None
        await self._beat(now_ms)

    async def _beat(self, now_ms: float) -> None:
        lease_ms, cells = self._options.instance_lease_ms, self._instances.cells.all
        self._beat_at_ms = now_ms + lease_ms / _BEATS_PER_LEASE
        beats = [self._instances.beat(lease_ms, cell) for cell in cells]
        batch = self._directory.usage.batch()
        adding = () if batch is None else (self._instances.add_usage(batch.number, batch.rows),)
        try:
            answers = await self._store.run([*beats, *adding])
        except StorageUnavailable as error:
            answers = [error] * len(cells)
        if batch is not None and isinstance(answers[-1], Updated):
            self._directory.usage.added(batch.number)
        self._on_answers(dict(zip(cells, answers, strict=False)), now_ms)
        self.wake_at(max(min(self._beat_at_ms, self._look_at_ms or inf), self.now_ms()))

    def _on_answers(
        self, answers: dict[Cell, Alive | Taken | StorageUnavailable], now_ms: float
    ) -> None:
        """The lease holds in each cell that answered; this instance is present if all did."""
        alive = {cell: one for cell, one in answers.items() if isinstance(one, Alive)}
        faults = [one for one in answers.values() if isinstance(one, StorageUnavailable)]
        if len(alive) + len(faults) < len(answers):
            logger.error("another process has this instance's id; this one has lost its lease")
        if alive:
            self._lease.renew(now_ms, self._options.instance_lease_ms)
        if FIRST in alive:
            self._lease.secret = alive[FIRST].secret
        emptied = [cell for cell, one in alive.items() if self._is_emptied(cell, one)]
        if emptied:
            is_other_data = any(alive[cell].data_id != self._data_ids[cell] for cell in emptied)
            logger.warning("the store has lost its data, or took this instance for dead")
            if not is_other_data:
                self._tell_reaped()
            self._tell_emptied()
        for cell, one in alive.items():
            self._on_alive(cell, one)
        if faults and self.is_present:
            logger.warning("the store does not answer the lease", error=str(faults[0]))
        self.is_present = len(alive) == len(answers)

    def _is_emptied(self, cell: Cell, alive: Alive) -> bool:
        before = self._data_ids.get(cell)
        return before is not None and (alive.revived or alive.data_id != before)

    def _on_alive(self, cell: Cell, alive: Alive) -> None:
        self._data_ids[cell] = alive.data_id
        for node_id, epoch in alive.expired_nodes:
            tell(self._directory.dispatcher, NodeLost(node_id, epoch, cell))
        for dead_id in alive.expired_instances:
            tell(self._directory.dispatcher, InstanceExpired(dead_id, cell))

    def _tell_reaped(self) -> None:
        """Jobs of other instances on our nodes have gone elsewhere while this one stood still."""
        for node in self._directory.nodes.values():
            tell(node, InstanceReaped())

    def _tell_emptied(self) -> None:
        """Everyone who has something in the store puts it there again: nodes before jobs."""
        members = (*self._directory.nodes.values(), *self._directory.sessions.values())
        for member in (*members, self._directory.dispatcher):
            tell(member, StoreEmptied())
