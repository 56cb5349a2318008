"""InstanceRepository: leases of instances, who is there, and clearing up after a dead one.

Builders are pure and return a `Call`; reads are for links and operators. No policy: the caller
decides when to beat, whom to reap and whom to call.
"""

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from protocol.ids import InstanceId
from storage.call import Call
from storage.cells import FIRST, Cell, Cells
from storage.client.executor import Command
from storage.keys import SCHEMA, key_text
from storage.replies import reader
from storage.replies.job import Alive, Fenced, Incompatible, Reaped, Revived, Taken, Updated
from storage.scripts import load_script
from storage.store import Store

_BEAT = load_script("instance/beat")
_AGREE = load_script("instance/agree_schema")
_REAP = load_script("instance/reap")
_ADD_USAGE = load_script("instance/add_usage")

DEFAULT_GRACE_MS = 30_000
"""How long a dead instance's sessions can be resumed."""


_SECRET_BYTES = 24
_NONCE = secrets.token_hex(8)
"""Of this process: tells it from another one that has been given the same id."""


@dataclass(frozen=True, slots=True)
class InstanceRecord:
    """An instance as the store knows it."""

    instance_id: InstanceId
    lease_left_ms: int
    """Until it counts as dead; zero or less: it does."""
    about: Mapping[str, str]
    """What it says of itself: `peer_url`, `version`, `hostname`, `pid`, `started_at`."""
    nodes: int = 0
    sessions: int = 0
    open_jobs: int = 0
    notes: int = 0
    """What waits in its mailbox."""


class TenantCounts(Protocol):
    """What a tenant has used since the last batch."""

    @property
    def tenant_id(self) -> str:
        """Whose it is."""

    @property
    def sessions(self) -> int:
        """Sessions begun."""

    @property
    def audio_ms(self) -> int:
        """Audio of utterances."""

    @property
    def jobs(self) -> int:
        """Jobs made."""


@dataclass(frozen=True, slots=True)
class UsageRecord:
    """What a tenant has used in a month, on all instances."""

    tenant_id: str
    """`(others)`: of those beyond the bound, together."""
    sessions: int
    audio_ms: int
    jobs: int


_USAGE_KINDS = ("sessions", "audio_ms", "jobs")


class InstanceRepository:
    """This instance's lease, where the others are, and what may be done to those without one."""

    def __init__(
        self,
        store: Store,
        instance_id: InstanceId,
        grace_ms: int = DEFAULT_GRACE_MS,
        *,
        nonce: str = _NONCE,
    ) -> None:
        """Take what the beat and the reaper need; another `nonce` stands for another process."""
        self._store = store
        self.instance_id = self._instance_id = instance_id
        self._nonce = nonce
        self._grace_ms = grace_ms
        self.about: Mapping[str, str] = {}
        """What this instance says of itself with every beat, see `InstanceRecord.about`."""

    @property
    def cells(self) -> Cells:
        """Where there is something to beat in."""
        return self._store.cells

    def agree_schema(self, schema: str = SCHEMA) -> Call[Updated | Incompatible]:
        """Make sure that all programs on this store mean the same by its keys."""
        args = _AGREE.arguments(instance=self._instance_id, schema=schema)
        return Call(_AGREE, (self._store.prefix,), args, reader.agreed)

    def beat(self, lease_ms: int, cell: Cell = FIRST) -> Call[Alive | Taken]:
        """Renew the lease in a cell; the first beat of all names the data set."""
        args = _BEAT.arguments(
            now=self._store.clock_ms(),
            instance=self._instance_id,
            nonce=self._nonce,
            lease_ms=lease_ms,
            data_id=secrets.token_hex(8),
            secret=secrets.token_urlsafe(_SECRET_BYTES),
            about=[text for item in self.about.items() for text in item],
        )
        return Call(_BEAT, (self._store.prefix_of(cell),), args, reader.alive)

    def add_usage(self, number: int, rows: Iterable[TenantCounts]) -> Call[Updated | Fenced]:
        """Add what tenants have used to the month's sums; a batch's number counts once."""
        words: list[int | str] = []
        for row in rows:
            words += (row.tenant_id, row.sessions, row.audio_ms, row.jobs)
        args = _ADD_USAGE.arguments(
            now=self._store.clock_ms(),
            instance=self._instance_id,
            batch=f"{self._nonce}:{number}",
            rows=words,
        )
        return Call(_ADD_USAGE, (self._store.prefix,), args, reader.usage_added)

    async def usage(self, month: str) -> list[UsageRecord]:
        """Return what each tenant has used in a month (`2026-12`, UTC), on all instances.

        Raises:
            StorageUnavailable: the store does not answer.
        """
        [found] = await self._store.read([("HGETALL", f"{self._store.prefix}usage:{month}")])
        sums = reader.mapping(found)
        return [
            UsageRecord(tenant, *(int(sums.get(f"{kind}:{tenant}", 0)) for kind in _USAGE_KINDS))
            for kind, _, tenant in (field.partition(":") for field in sums)
            if kind == _USAGE_KINDS[0]
        ]

    async def others(self) -> list[InstanceId]:
        """Return the other instances whose lease has not lapsed.

        Raises:
            StorageUnavailable: the store does not answer.
        """
        now = self._store.clock_ms()
        if not now:
            [[seconds, microseconds]] = await self._store.read([("TIME",)])
            now = int(seconds) * 1000 + int(microseconds) // 1000
        key = f"{self._store.prefix}insts"
        [alive] = await self._store.read([("ZRANGEBYSCORE", key, f"({now}", "+inf")])
        return [InstanceId(name) for name in alive if name != self._instance_id]

    def reap(
        self, dead_id: InstanceId, limit: int = 20, cell: Cell = FIRST
    ) -> Call[Reaped | Revived | Fenced]:
        """Do one bounded step of clearing up in a cell whose `beat` reported it as expired.

        One's own id, before the first beat: after a former process of that name.
        Its nodes go off-line. Its running jobs keep their node until they are due, and so do the
        waiting ones of sessions that can be resumed; they fail as `instance_lost` unless their
        session was claimed by then. All others fail at once. Its sessions live for their grace.
        """
        args = _REAP.arguments(
            now=self._store.clock_ms(),
            instance=self._instance_id,
            dead=dead_id,
            limit=limit,
            grace_ms=self._grace_ms,
        )
        return Call(_REAP, (self._store.prefix_of(cell),), args, reader.reaped)

    async def find(self, instance_id: InstanceId) -> InstanceRecord | None:
        """Return an instance's record in one read; None when the store does not know it."""
        prefix = self._store.prefix
        lease, row, time = await self._store.read(
            [
                ("ZSCORE", f"{prefix}insts", key_text(instance_id)),
                ("HGETALL", f"{prefix}inst:{key_text(instance_id)}"),
                ("TIME",),
            ]
        )
        if lease is None or not row:
            return None
        return InstanceRecord(
            instance_id, int(float(lease)) - self._now_ms(time), reader.mapping(row)
        )

    async def all_known(self, limit: int = 1000) -> list[InstanceRecord]:
        """Return the instances of the whole cluster, the next to expire first."""
        prefix = self._store.prefix
        leases, time = await self._store.read(
            [("ZRANGE", f"{prefix}insts", 0, limit - 1, "WITHSCORES"), ("TIME",)]
        )
        rows = [tuple(pair) for pair in leases] if leases and _is_pair(leases[0]) else []
        rows = rows or list(zip(leases[::2], leases[1::2], strict=True))
        prefixes = self.cells.prefixes
        commands: list[Command] = []
        for instance_id, _lease in rows:
            commands.append(("HGETALL", f"{prefix}inst:{instance_id}"))
            for every in prefixes:
                key = f"{every}inst:{instance_id}"
                commands += [
                    ("SCARD", f"{key}:nodes"),
                    ("ZCARD", f"{key}:sessions"),
                    ("ZCARD", f"{key}:jobs"),
                    ("XLEN", f"{key}:mbox"),
                ]
        read = await self._store.read(commands) if commands else []
        now_ms = self._now_ms(time)
        width = 1 + 4 * len(prefixes)
        return [
            InstanceRecord(
                InstanceId(instance_id),
                int(float(lease)) - now_ms,
                reader.mapping(read[at]),
                *(sum(map(int, read[at + 1 + kind : at + width : 4])) for kind in range(4)),
            )
            for at, (instance_id, lease) in zip(range(0, len(read), width), rows, strict=True)
        ]

    def _now_ms(self, time: Any) -> int:
        """Return what leases are compared with: the server's time, unless a test has its own."""
        return self._store.clock_ms() or int(time[0]) * 1000 + int(time[1]) // 1000


def _is_pair(row: Any) -> bool:
    return isinstance(row, (list, tuple))
