"""NodeRepository: nodes, their leases, capabilities and slots.

Builders are pure and return a `Call`; reads are for the API and metrics. No policy. A node is
registered in one cell only: there its slots are counted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from protocol.ids import InstanceId, NodeId
from storage.call import Call
from storage.cells import FIRST, Cell, Cells
from storage.client.executor import Command
from storage.keys import key_text
from storage.replies import reader
from storage.replies.job import (
    Beaten,
    Counted,
    Fenced,
    IdTaken,
    NodeRemoved,
    Placed,
    Registered,
    SlotsHeld,
    Superseded,
)
from storage.scripts import load_script
from storage.store import Store

_REGISTER = load_script("node/register_node")
_HEARTBEAT = load_script("node/heartbeat")
_UPDATE = load_script("node/update_node")
_OFFLINE = load_script("node/node_offline")
_LIST_SLOTS = load_script("node/list_slots")
_COUNT = load_script("node/count_nodes")
_PLACE = load_script("node/place_node")

_SLOTS_PER_READ = 500


@dataclass(frozen=True, slots=True)
class NodeRegistration:
    """A node as it introduces itself."""

    node_id: NodeId
    atoms: tuple[str, ...]
    """What it can do, see `storage.capability`."""
    max_jobs: int
    """Its capacity in slots."""
    lease_ms: int
    """It is expired when no heartbeat comes for that long."""
    info: Mapping[str, str] = field(default_factory=dict)
    """Free text for the operator (name, version, platform)."""
    credential: str = ""
    """The name that its token belongs to; empty: it showed none."""
    known_epoch: int = 0
    """0: the node itself asks. Else it is registered again in its stead, by an instance that knew
    it under this epoch: refused when it is connected elsewhere by now."""
    is_held: bool = False
    """An operator has drained it, as far as the caller knows; the store may know it, too."""
    error_limit: int = 3
    """Errors in a row that make it sick; 0: none do."""
    suspect_ms: int = 10_000
    """For how long it is sick, the first time."""


@dataclass(frozen=True, slots=True)
class NodeHeartbeatEntry:
    """One node in a batch of heartbeats."""

    node_id: NodeId
    epoch: int
    lease_ms: int
    overloaded: bool = False
    """It is chosen behind all others until its next heartbeat without this, its last open job's
    end, or `hold_ms`."""
    hold_ms: int = 0
    ms_per_second: int = 0
    """Its median time for a second of speech, where there is news of that; else 0."""


@dataclass(frozen=True, slots=True)
class NodeRecord:
    """A node as read back from the store."""

    node_id: NodeId
    cell: Cell
    """Where it is registered."""
    state: str
    """`online`, `draining` or `offline`."""
    owner_instance: InstanceId
    epoch: int
    atoms: tuple[str, ...]
    max_jobs: int
    used_slots: int
    overloaded_until_ms: int
    """The store's clock, Unix ms; 0 or past when it is not marked."""
    suspect: bool
    """A job timed out there and nothing was finished since."""
    penalties: Mapping[str, int]
    """Requirements it is not chosen for, with the end of the penalty (Unix ms)."""
    info: Mapping[str, str]
    credential: str = ""
    """The name that its token belongs to; empty: it showed none."""
    is_held: bool = False
    """An operator has drained it."""
    health: str = ""
    """Empty: well. `watched`, `erring`, `sick` or `trial`: see `lua/lib/node.lua`."""
    errors_in_row: int = 0
    """Errors since it did something well."""
    ms_per_second: int | None = None
    """Its median time for a second of speech; None: not measured lately."""
    doubted_until_ms: int = 0
    """The store's clock, Unix ms: when it gets a trial, while it is sick."""


class NodeRepository:
    """Nodes as one instance sees and drives them. Replies may hand over jobs that waited."""

    def __init__(self, store: Store, instance_id: InstanceId) -> None:
        self._store = store
        self._instance_id = instance_id

    @property
    def cells(self) -> Cells:
        """Where a node could be registered."""
        return self._store.cells

    def register(
        self, registration: NodeRegistration, cell: Cell = FIRST
    ) -> Call[Registered | Superseded | IdTaken | Fenced]:
        """Put a node on-line under a fresh epoch; `Fenced` when this instance has no lease.

        An id that is registered already is taken over by the same credential: its open jobs and
        slots stay with it. Another credential finds it taken for as long as the node is there.
        """
        info = [text for item in registration.info.items() for text in item]
        args = _REGISTER.arguments(
            now=self._store.clock_ms(),
            instance=self._instance_id,
            node=registration.node_id,
            atoms=" ".join(registration.atoms),
            max_jobs=registration.max_jobs,
            lease_ms=registration.lease_ms,
            known_epoch=registration.known_epoch,
            held=int(registration.is_held),
            error_limit=registration.error_limit,
            suspect_ms=registration.suspect_ms,
            credential=registration.credential,
            info=info,
        )
        return Call(_REGISTER, (self._store.prefix_of(cell),), args, reader.registered)

    def heartbeat(self, batch: Sequence[NodeHeartbeatEntry], cell: Cell = FIRST) -> Call[Beaten]:
        """Renew leases and overload marks of many nodes of a cell at once."""
        beats: list[str | int] = []
        for beat in batch:
            hold_ms = beat.hold_ms if beat.overloaded else 0
            beats += (beat.node_id, beat.epoch, beat.lease_ms, hold_ms, beat.ms_per_second)
        args = _HEARTBEAT.arguments(
            now=self._store.clock_ms(),
            instance=self._instance_id,
            beats=beats,
        )
        return Call(_HEARTBEAT, (self._store.prefix_of(cell),), args, reader.beaten)

    def update(
        self,
        node_id: NodeId,
        epoch: int,
        *,
        atoms: Sequence[str] | None = None,
        max_jobs: int | None = None,
        draining: bool | None = None,
        is_held: bool | None = None,
        cell: Cell = FIRST,
    ) -> Call[Registered | Fenced]:
        """Change what is given: languages, capacity, draining, and whether an operator did that."""
        args = _UPDATE.arguments(
            now=self._store.clock_ms(),
            instance=self._instance_id,
            node=node_id,
            epoch=epoch,
            atoms="-" if atoms is None else " ".join(atoms),
            max_jobs=-1 if max_jobs is None else max_jobs,
            draining=-1 if draining is None else int(draining),
            held=-1 if is_held is None else int(is_held),
        )
        return Call(_UPDATE, (self._store.prefix_of(cell),), args, reader.changed)

    def offline(
        self, node_id: NodeId, epoch: int, cell: Cell = FIRST
    ) -> Call[NodeRemoved | Fenced]:
        """Take a node off-line, unless it came back under a later epoch."""
        args = _OFFLINE.arguments(
            now=self._store.clock_ms(), instance=self._instance_id, node=node_id, epoch=epoch
        )
        return Call(_OFFLINE, (self._store.prefix_of(cell),), args, reader.removed)

    def count(self, node_id: NodeId, atoms: Sequence[str], cell: Cell = FIRST) -> Call[Counted]:
        """Ask whether a cell knows the node, and how many nodes like it and in all it has."""
        args = _COUNT.arguments(instance=self._instance_id, node=node_id, atoms=" ".join(atoms))
        return Call(_COUNT, (self._store.prefix_of(cell),), args, reader.counted)

    def place(self, node_id: NodeId, wanted: Cell) -> Call[Placed]:
        """Settle the cell of a node that no cell knows; who asks first decides for an hour."""
        args = _PLACE.arguments(instance=self._instance_id, node=node_id, cell=wanted)
        prefix = self._store.prefix_of(self.cells.referee(node_id))
        return Call(_PLACE, (prefix,), args, reader.placed)

    def list_slots(
        self, node_id: NodeId, epoch: int, cell: Cell = FIRST
    ) -> Call[SlotsHeld | Fenced]:
        """Say which jobs hold a node's slots; `Fenced` when it came back under another epoch."""
        args = _LIST_SLOTS.arguments(instance=self._instance_id, node=node_id, epoch=epoch)
        return Call(_LIST_SLOTS, (self._store.prefix_of(cell),), args, reader.slots_held)

    async def get_node(self, node_id: NodeId) -> NodeRecord | None:
        """Return a node's record, or None when the store does not know it."""
        commands: list[tuple[str | int, ...]] = []
        for prefix in self.cells.prefixes:
            key = f"{prefix}node:{key_text(node_id)}"
            commands += [("HGETALL", key), ("HLEN", f"{key}:slots")]
        replies = await self._store.read(commands)
        records = [
            _node_record(node_id, reader.mapping(row), used, cell)
            for cell, row, used in zip(self.cells.all, replies[::2], replies[1::2], strict=True)
            if row
        ]
        return max(records, key=lambda record: record.epoch, default=None)

    async def online_records(self, limit: int = 1000) -> list[NodeRecord]:
        """Return the records of such nodes."""
        return await self._records(await self._online(limit))

    async def _records(self, nodes: Sequence[tuple[Cell, NodeId]]) -> list[NodeRecord]:
        commands: list[Command] = []
        for cell, node_id in nodes:
            key = f"{self._store.prefix_of(cell)}node:{node_id}"
            commands += [("HGETALL", key), ("HLEN", f"{key}:slots")]
        read = await self._store.read(commands) if commands else []
        return [
            _node_record(node_id, reader.mapping(row), used, cell)
            for (cell, node_id), row, used in zip(nodes, read[::2], read[1::2], strict=True)
            if row
        ]

    async def own_records(self, limit: int = 1000) -> list[NodeRecord]:
        """Return the records of this instance's nodes."""
        prefixes = self.cells.prefixes
        mine = await self._store.read(
            [("SMEMBERS", f"{prefix}inst:{self._instance_id}:nodes") for prefix in prefixes]
        )
        named = zip(self.cells.all, mine, strict=True)
        nodes = [(cell, NodeId(node)) for cell, ids in named for node in sorted(ids)]
        return await self._records(nodes[:limit])

    async def abilities(self) -> set[tuple[str, ...]]:
        """Return the atoms of all nodes that can be chosen, each set once: one read for a cell."""
        read = await self._store.read([("HKEYS", f"{each}groups") for each in self.cells.prefixes])
        return {atoms_of(identity) for identities in read for identity in identities}

    async def _online(self, limit: int) -> list[tuple[Cell, NodeId]]:
        ids = await self._store.read(
            [("ZRANGE", f"{prefix}nodes", 0, limit - 1) for prefix in self.cells.prefixes]
        )
        cells = zip(self.cells.all, ids, strict=True)
        return [(cell, NodeId(node)) for cell, nodes in cells for node in nodes][:limit]

    async def open_slots(self) -> int:
        """Return how many slots are taken at the nodes of this instance."""
        prefixes = self.cells.prefixes
        mine = await self._store.read(
            [("SMEMBERS", f"{prefix}inst:{self._instance_id}:nodes") for prefix in prefixes]
        )
        keys = [
            f"{prefix}node:{node}:slots"
            for prefix, nodes in zip(prefixes, mine, strict=True)
            for node in sorted(nodes)
        ]
        total = 0
        for start in range(0, len(keys), _SLOTS_PER_READ):
            chunk = keys[start : start + _SLOTS_PER_READ]
            total += sum(await self._store.read([("HLEN", key) for key in chunk]))
        return total


def atoms_of(identity: str) -> tuple[str, ...]:
    """Return the atoms of a group's nodes; doubted ones bear a mark; `v:` is a speed."""
    marked = identity.partition("|")[0].rstrip("?").split()
    plain = (atom.removeprefix("~") for atom in marked)
    return tuple(atom for atom in plain if atom and not atom.startswith("v:"))


def _node_record(node_id: NodeId, row: Mapping[str, str], used: Any, cell: Cell) -> NodeRecord:
    penalties = (item.rsplit("=", 1) for item in row.get("penalties", "").split())
    return NodeRecord(
        node_id=node_id,
        cell=cell,
        state=row["state"],
        owner_instance=InstanceId(row["owner"]),
        epoch=int(row["epoch"]),
        atoms=tuple(row["atoms"].split()),
        max_jobs=int(row["max"]),
        used_slots=int(used),
        overloaded_until_ms=int(row.get("overloaded", "0")),
        suspect=row.get("suspect", "0") == "1",
        penalties={requirement: int(until) for requirement, until in penalties},
        info={name[5:]: text for name, text in row.items() if name.startswith("info:")},
        credential=row.get("credential", ""),
        is_held=row.get("held") == "1",
        health=row.get("health", ""),
        ms_per_second=int(row["ms_per_second"]) if row.get("pace") else None,
        errors_in_row=len(row.get("row", "").split()),
        doubted_until_ms=int(row.get("doubted_until", "0")),
    )
