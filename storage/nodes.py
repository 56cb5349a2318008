"""NodeRepository: nodes, their leases, capabilities and slots.

Builders are pure and return a `Call`; reads are for the API and metrics. No policy.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from protocol.ids import InstanceId, NodeId
from storage import reader
from storage.call import Call
from storage.executor import Command
from storage.replies import Beaten, Fenced, NodeRemoved, Registered, SlotsHeld, Superseded
from storage.scripts import load_script
from storage.store import Store

_REGISTER = load_script("register_node")
_HEARTBEAT = load_script("heartbeat")
_UPDATE = load_script("update_node")
_OFFLINE = load_script("node_offline")
_LIST_SLOTS = load_script("list_slots")

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
    known_epoch: int = 0
    """0: the node itself asks. Else it is registered again in its stead, by an instance that knew
    it under this epoch: refused when it is connected elsewhere by now."""


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


@dataclass(frozen=True, slots=True)
class NodeRecord:
    """A node as read back from the store."""

    node_id: NodeId
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


class NodeRepository:
    """Nodes as one instance sees and drives them. Replies may hand over jobs that waited."""

    def __init__(self, store: Store, instance_id: InstanceId) -> None:
        self._store = store
        self._instance_id = instance_id
        self._prefix = store.prefix

    def register(self, registration: NodeRegistration) -> Call[Registered | Superseded | Fenced]:
        """Put a node on-line under a fresh epoch; `Fenced` when this instance has no lease.

        An id that is registered already is taken over: its open jobs and slots stay with it.
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
            info=info,
        )
        return Call(_REGISTER, (self._prefix,), args, reader.registered)

    def heartbeat(self, batch: Sequence[NodeHeartbeatEntry]) -> Call[Beaten]:
        """Renew leases and overload marks of many nodes at once."""
        beats: list[str | int] = []
        for beat in batch:
            hold_ms = beat.hold_ms if beat.overloaded else 0
            beats += (beat.node_id, beat.epoch, beat.lease_ms, hold_ms)
        args = _HEARTBEAT.arguments(
            now=self._store.clock_ms(),
            instance=self._instance_id,
            beats=beats,
        )
        return Call(_HEARTBEAT, (self._prefix,), args, reader.beaten)

    def update(
        self,
        node_id: NodeId,
        epoch: int,
        *,
        atoms: Sequence[str] | None = None,
        max_jobs: int | None = None,
        draining: bool | None = None,
    ) -> Call[Registered | Fenced]:
        """Change what is given: languages, capacity, draining."""
        args = _UPDATE.arguments(
            now=self._store.clock_ms(),
            instance=self._instance_id,
            node=node_id,
            epoch=epoch,
            atoms="-" if atoms is None else " ".join(atoms),
            max_jobs=-1 if max_jobs is None else max_jobs,
            draining=-1 if draining is None else int(draining),
        )
        return Call(_UPDATE, (self._prefix,), args, reader.changed)

    def offline(self, node_id: NodeId, epoch: int) -> Call[NodeRemoved | Fenced]:
        """Take a node off-line, unless it came back under a later epoch."""
        args = _OFFLINE.arguments(
            now=self._store.clock_ms(), instance=self._instance_id, node=node_id, epoch=epoch
        )
        return Call(_OFFLINE, (self._prefix,), args, reader.removed)

    def list_slots(self, node_id: NodeId, epoch: int) -> Call[SlotsHeld | Fenced]:
        """Say which jobs hold a node's slots; `Fenced` when it came back under another epoch."""
        args = _LIST_SLOTS.arguments(instance=self._instance_id, node=node_id, epoch=epoch)
        return Call(_LIST_SLOTS, (self._prefix,), args, reader.slots_held)

    async def get_node(self, node_id: NodeId) -> NodeRecord | None:
        """Return a node's record, or None when the store does not know it."""
        key = f"{self._prefix}node:{node_id}"
        row, used = await self._store.read([("HGETALL", key), ("HLEN", f"{key}:slots")])
        return _node_record(node_id, reader.mapping(row), used) if row else None

    async def online_nodes(self, limit: int = 1000) -> list[NodeId]:
        """Return nodes of the whole cluster with a lease, earliest end first."""
        [ids] = await self._store.read([("ZRANGE", f"{self._prefix}nodes", 0, limit - 1)])
        return [NodeId(node) for node in ids]

    async def online_records(self, limit: int = 1000) -> list[NodeRecord]:
        """Return the records of such nodes."""
        nodes = await self.online_nodes(limit)
        commands: list[Command] = []
        for node_id in nodes:
            key = f"{self._prefix}node:{node_id}"
            commands += [("HGETALL", key), ("HLEN", f"{key}:slots")]
        read = await self._store.read(commands) if commands else []
        return [
            _node_record(node_id, reader.mapping(row), used)
            for node_id, row, used in zip(nodes, read[::2], read[1::2], strict=True)
            if row
        ]

    async def open_slots(self) -> int:
        """Return how many slots are taken at the nodes of this instance."""
        key = f"{self._prefix}inst:{self._instance_id}:nodes"
        [members] = await self._store.read([("SMEMBERS", key)])
        ids = sorted(members)
        total = 0
        for start in range(0, len(ids), _SLOTS_PER_READ):
            commands: list[tuple[str | int, ...]] = [
                ("HLEN", f"{self._prefix}node:{node}:slots")
                for node in ids[start : start + _SLOTS_PER_READ]
            ]
            total += sum(await self._store.read(commands))
        return total


def _node_record(node_id: NodeId, row: Mapping[str, str], used: Any) -> NodeRecord:
    penalties = (item.rsplit("=", 1) for item in row.get("penalties", "").split())
    return NodeRecord(
        node_id=node_id,
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
    )
