"""Usage: how much of the service each tenant has used on this instance. No content.

A plain object for the loop's thread. Counting costs two look-ups. What was counted goes to the
store in batches with the instance's lease; a batch is kept until the store has it, and the store
takes each once. The totals of the process are bounded, too, for they are labels of a metric.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

OTHERS = "(others)"
"""Stands for all tenants beyond a bound."""
_MOST_UNSENT = 1000
_SESSIONS, _AUDIO_MS, _JOBS = range(3)


@dataclass(frozen=True, slots=True)
class TenantUsage:
    """What one tenant has used."""

    tenant_id: str
    sessions: int
    """Sessions begun, counted once however often they are resumed."""
    audio_ms: int
    """Audio of utterances that went to nodes, once per utterance."""
    jobs: int
    """Jobs made, one per target language; a further attempt is no further job."""


@dataclass(frozen=True, slots=True)
class UsageBatch:
    """What is to be added in the store."""

    number: int
    """From 1; the store takes each of a process once."""
    rows: tuple[TenantUsage, ...]


class Usage:
    """Life: that of the process."""

    def __init__(self, most_shown: int = 50) -> None:
        self._most_shown = most_shown
        self._unsent: dict[str, list[int]] = {}
        self._shown: dict[str, list[int]] = {}
        self._number = 0
        self._batch: UsageBatch | None = None

    def __repr__(self) -> str:
        return f"<Usage unsent={len(self._unsent)} batch={self._batch and self._batch.number}>"

    def session_begun(self, tenant_id: str) -> None:
        """A session has begun."""
        self._of(tenant_id)[_SESSIONS] += 1

    def job_made(self, tenant_id: str, audio_ms: int) -> None:
        """A job goes to the dispatcher; `audio_ms` is 0 where another job has counted it."""
        counts = self._of(tenant_id)
        counts[_AUDIO_MS] += audio_ms
        counts[_JOBS] += 1

    def batch(self) -> UsageBatch | None:
        """Return what the store is to add: the batch that it has not confirmed, else the next."""
        if self._batch is None and self._unsent:
            self._number += 1
            self._batch = UsageBatch(self._number, tuple(_rows(self._unsent)))
            self._fold(self._batch.rows)
            self._unsent = {}
        return self._batch

    def added(self, number: int) -> None:
        """The store has this batch."""
        if self._batch is not None and self._batch.number == number:
            self._batch = None

    def totals(self) -> Iterable[TenantUsage]:
        """Return what each has used since the process began; many small ones count together."""
        shown = {tenant_id: list(counts) for tenant_id, counts in self._shown.items()}
        _add(shown, self._unsent, self._most_shown)
        return _rows(shown)

    def _of(self, tenant_id: str) -> list[int]:
        counts = self._unsent.get(tenant_id)
        if counts is None:
            if len(self._unsent) >= _MOST_UNSENT:
                tenant_id = OTHERS
            counts = self._unsent.setdefault(tenant_id, [0, 0, 0])
        return counts

    def _fold(self, rows: Iterable[TenantUsage]) -> None:
        counted = {row.tenant_id: [row.sessions, row.audio_ms, row.jobs] for row in rows}
        _add(self._shown, counted, self._most_shown)


def _rows(counted: Mapping[str, list[int]]) -> Iterable[TenantUsage]:
    return [TenantUsage(tenant_id, *counts) for tenant_id, counts in counted.items()]


def _add(sums: dict[str, list[int]], counted: Mapping[str, list[int]], most: int) -> None:
    for tenant_id, counts in counted.items():
        name = tenant_id if tenant_id in sums or len(sums) < most else OTHERS
        before = sums.get(name, [0, 0, 0])
        sums[name] = [a + b for a, b in zip(before, counts, strict=True)]
