"""Borrowing: a job that waits in one cell gets a node of another.

First it is asked which cells have a free node for the job (remembered for a moment, so that many
jobs ask once); then the slot is taken in one of them; only then the job leaves its queue. A job
that got a node of its own cell meanwhile gives the borrowed slot back: its node never heard of it.
So at any time one cell has the job, and each node's slots are counted in one place.

The turn's waiting segments go along; where the turn stands at a node, nothing is borrowed for it.
Pure apart from its table; in a single cell it does nothing.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice

from actors.dispatcher.claims import Claims
from actors.dispatcher.driver import Driver
from actors.dispatcher.job_ends import JobEnds
from actors.dispatcher.open_jobs import OpenJob
from actors.dispatcher.step import Expiry, Step
from protocol.errors import MissingReason
from protocol.ids import JobId
from storage.cells import Cell
from storage.job import FINAL_STATES
from storage.jobs import Restoration
from storage.replies.job import (
    Assigned,
    Duplicate,
    Fenced,
    Gone,
    LeftCell,
    Moved,
    NoNode,
    Stale,
    Surveyed,
)

MAX_CELLS_ASKED = 8
_MAX_TRIES = 2
"""Cells in which a slot is tried for, each time."""
_KNOWN_MS = 250
"""For how long the count of a cell's free nodes is believed."""
_RETRIED_AT_ONCE = 32
_LEND_KEPT_MS = 20_000
"""For how long a slot is held for a job whose own cell is away."""
Then = Callable[[], Sequence[Step]]


@dataclass(slots=True)
class _Survey:
    """What other cells could take of one requirement."""

    asked: int
    """Answers that are still to come."""
    free: dict[Cell, int] = field(default_factory=dict)
    waiting: list[Then] = field(default_factory=list)


class Borrowing:
    """Looks for a node elsewhere for jobs that wait; jobs it knows are waiting or were lately."""

    def __init__(self, ends: JobEnds, claims: Claims, driver: Driver) -> None:
        self._jobs = ends.jobs
        self._ends = ends
        self._claims = claims
        self._driver = driver
        self._waiting: dict[JobId, OpenJob] = {}
        self._leaving: set[JobId] = set()
        """A slot elsewhere is being taken for them: at most one at a time for each."""
        self._surveys: dict[tuple[Cell, str], _Survey] = {}
        self._forget_at_ms = 0.0
        self._now_ms = 0.0
        """Lately."""
        self._turn = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def seek(self, job: OpenJob, otherwise: Then = tuple) -> Sequence[Step]:
        """A job waits; `otherwise` follows when no other cell has a node for it now."""
        if self._jobs.cells.count == 1:
            return otherwise()
        self._waiting[job.spec.job_id] = job
        return self._seek(job, otherwise)

    def tick(self, now_ms: float) -> Sequence[Step]:
        """Time has passed: what was known is old, and what still waits is tried again."""
        self._now_ms = now_ms
        if self._jobs.cells.count == 1 or now_ms < self._forget_at_ms:
            return ()
        self._forget_at_ms = now_ms + _KNOWN_MS
        self._surveys = {key: survey for key, survey in self._surveys.items() if survey.asked}
        for job in [job for job in self._waiting.values() if not self._waits(job)]:
            del self._waiting[job.spec.job_id]
        retried = islice(self._waiting.values(), _RETRIED_AT_ONCE)
        return [step for job in list(retried) for step in self._seek(job, tuple)]

    def slot_freed(self, cell: Cell, requirement: str) -> Sequence[Step]:
        """A node of a cell has a slot to spare: who has waited longest elsewhere may take it."""
        if not self._waiting:
            return ()
        over: list[JobId] = []
        found: OpenJob | None = None
        passed_over = 0
        for job_id, job in self._waiting.items():
            if not self._waits(job):
                over.append(job_id)
            elif job.cell != cell and job.spec.requirement == requirement and self._may_go(job):
                found = job
                break
            elif (passed_over := passed_over + 1) == _RETRIED_AT_ONCE:
                break
        for job_id in over:
            del self._waiting[job_id]
        if found is None:
            return ()
        return self._try(found, found.cell, _Survey(0, {cell: 1}), tuple, 1)

    def is_leaving(self, job_id: JobId) -> bool:
        """Return whether a slot elsewhere waits for the job to leave its cell."""
        return job_id in self._leaving

    # ---- which cell -------------------------------------------------------------------------

    def _seek(self, job: OpenJob, otherwise: Then) -> Sequence[Step]:
        if not self._may_go(job):
            return otherwise()
        key = (job.cell, job.spec.requirement)
        survey = self._surveys.get(key)
        if survey is not None and not survey.asked:
            return self._try(job, job.cell, survey, otherwise, _MAX_TRIES)
        if survey is not None:
            survey.waiting.append(partial(self._seek, job, otherwise))
            return ()
        asked = self._asked(job.cell)
        survey = self._surveys[key] = _Survey(len(asked))
        survey.waiting.append(partial(self._seek, job, otherwise))
        return tuple(self._survey(key, survey, cell) for cell in asked)

    def _asked(self, cell: Cell) -> Sequence[Cell]:
        """Return which cells are asked: all others, of very many a few in turn."""
        others = self._jobs.cells.others(cell)
        if len(others) <= MAX_CELLS_ASKED:
            return others
        start = self._turn = (self._turn + MAX_CELLS_ASKED) % len(others)
        return (*others[start:], *others[:start])[:MAX_CELLS_ASKED]

    def _survey(self, key: tuple[Cell, str], survey: _Survey, cell: Cell) -> Step:
        def told(free_slots: int) -> Sequence[Step]:
            survey.asked -= 1
            if free_slots:
                survey.free[cell] = free_slots
            if survey.asked:
                return ()
            waiting, survey.waiting = survey.waiting, []
            return [step for then in waiting for step in then()]

        def apply(reply: Surveyed) -> Sequence[Step]:
            return told(reply.free_slots)

        # Asking makes sense now only: nothing is kept for a store that is away.
        return Step(self._jobs.survey(key[1], cell), apply, Expiry(0.0, lambda: told(0)))

    def _may_go(self, job: OpenJob) -> bool:
        return self._may_leave(job) and job.spec.job_id not in self._leaving

    def _may_leave(self, job: OpenJob) -> bool:
        """Whether the job waits, with nothing of its turn before it that stands or waits."""
        return self._waits(job) and self._ends.open_jobs.in_slot(job)[0] is job

    def _waits(self, job: OpenJob) -> bool:
        return job.node_id is None and self._ends.open_jobs.get(job.spec.job_id) is job

    # ---- the slot, then the job -------------------------------------------------------------

    def _try(
        self, job: OpenJob, origin: Cell, survey: _Survey, otherwise: Then, tries: int
    ) -> Sequence[Step]:
        if not self._may_go(job) or job.cell != origin:
            return otherwise()
        target = max(survey.free, key=lambda cell: survey.free[cell], default=None)
        if target is None or tries == 0:
            return otherwise()
        survey.free[target] -= 1
        if not survey.free[target]:
            del survey.free[target]
        again = partial(self._try, job, origin, survey, otherwise, tries - 1)
        return self._claims.enter(
            job.spec.session_id, target, partial(self._borrow, job, target, again), again
        )

    def _borrow(self, job: OpenJob, target: Cell, again: Then) -> Sequence[Step]:
        if not self._may_go(job):
            return again()
        origin, attempt = job.cell, job.attempt
        self._leaving.add(job.spec.job_id)

        def stay() -> Sequence[Step]:
            self._leaving.discard(job.spec.job_id)
            return again()

        def apply(reply: Assigned | Duplicate | NoNode | Moved | Fenced) -> Sequence[Step]:
            match reply:
                case NoNode():
                    return stay()
                case Moved() | Fenced():  # whose it is, its home knows
                    self._claims.guests.lost(job.spec.session_id, target)
                    return stay()
                case Duplicate() if reply.node_id is None or reply.state in FINAL_STATES:
                    return stay()
                case Assigned() | Duplicate():
                    return (self._lend(job, attempt, origin, target, reply),)

        spec = self._claims.under_epoch(job.spec, target)
        left_ms = spec.deadline_in_ms - int(self._now_ms - job.since_ms)
        spec = replace(spec, deadline_in_ms=max(1, left_ms))
        call = self._jobs.borrow(Restoration(spec, attempt, None, cell=target))
        return (Step(call, apply, Expiry(0.0, stay)),)

    def _lend(
        self, job: OpenJob, attempt: int, origin: Cell, target: Cell, place: Assigned | Duplicate
    ) -> Step:
        """The slot is taken: the job leaves its queue, unless it has a place by now."""

        def apply(reply: LeftCell | Duplicate | Stale | Gone) -> Sequence[Step]:
            self._leaving.discard(job.spec.job_id)
            if not isinstance(reply, LeftCell):
                self._waiting.pop(job.spec.job_id, None)
                back = self._give_back(job, place.attempt, target)
                return (*back, *self._stands(reply))
            if not self._waits(job):  # it ended while it left
                return self._give_back(job, place.attempt, target)
            job.cell = target
            brought = tuple(self._bring_along(reply.along, target))
            return (*self._driver.placed(place), *brought)

        def give_up() -> Sequence[Step]:
            self._leaving.discard(job.spec.job_id)
            return self._give_back(job, place.attempt, target)

        lend = self._jobs.lend(job.spec.job_id, attempt, origin, target)
        return Step(lend, apply, Expiry(self._now_ms + _LEND_KEPT_MS, give_up))

    def _give_back(self, job: OpenJob, attempt: int, cell: Cell) -> Sequence[Step]:
        reason = MissingReason.PROCESSING_ERROR
        return (self._ends.end_unknown(job.spec.job_id, attempt, reason, cell=cell),)

    def _stands(self, reply: Duplicate | Stale | Gone) -> Sequence[Step]:
        return self._driver.placed(reply) if isinstance(reply, Duplicate) and reply.node_id else ()

    def _bring_along(self, along: Iterable[JobId], target: Cell) -> Iterable[Step]:
        for job_id in along:
            other = self._ends.open_jobs.get(job_id)
            if other is not None:
                other.cell = target
                yield self._driver.bring(other)
