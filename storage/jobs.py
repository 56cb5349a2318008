"""JobRepository: the calls that change jobs.

Builders are pure and return a `Call`; `Store.run` executes many of them in one round trip. No
policy: limits come from the caller. A job stands in its session's home cell unless a `cell` is
named.
"""

from dataclasses import dataclass

from protocol.ids import NO_INSTANCE, InstanceId, JobId, NodeId
from protocol.value import value
from storage.call import Call
from storage.cells import FIRST, Cell, Cells
from storage.job import JobSpec, JobState, JobStep
from storage.job_limits import spec_arguments
from storage.job_streams import JobStreams
from storage.keys import key_text
from storage.replies import reader
from storage.replies.job import (
    Assigned,
    Busy,
    Completed,
    Duplicate,
    Fenced,
    GivenUp,
    Gone,
    LeftCell,
    Lent,
    Located,
    Moved,
    NoNode,
    Queued,
    Stale,
    Surveyed,
    Swept,
    Updated,
)
from storage.replies.report import Waiting, WaitingPair
from storage.scripts import load_script
from storage.store import StorageUnavailable
from storage.tenant_share import EQUAL_SHARE

_DISPATCH = load_script("job/dispatch_task").by_place(
    *("now", "instance", "job", "request", "session", "session_epoch", "session_state", "cut"),
    *("index", "language", "source", "requirement", "preference", "turn", "part", "continues"),
    *("tenant", "weight", "slots_cap", "trace", "cost_ms", "deadline_ms", "pending_ms"),
    *("job_ms", "turn_wait_ms"),
    *("max_queued", "max_queued_per_session", "streamed"),
)
_COMPLETE = load_script("job/complete_task").by_place(
    *("now", "instance", "job", "attempt", "node", "state", "reason", "processing_ms"),
    *("outcome", "outcome_ttl_ms"),
)
_PROGRESS = load_script("job/update_job_status")
_FAILOVER = load_script("job/failover_job")
_SWEEP = load_script("job/sweep")
_RESTORE = load_script("job/restore_job")
_LOCATE = load_script("job/locate_job")
_BORROW = load_script("job/borrow_node")
_LEND = load_script("job/lend_job")
_SURVEY = load_script("job/survey")
_LIST_WAITING = load_script("job/list_waiting")

_MOST_WAITING_LOOKED_AT = 512
"""In each cell: of more, those that have waited longest; about 1 ms of the store's time."""


@value
class Completion:
    """The end of a job."""

    job_id: JobId
    attempt: int
    node_id: NodeId | None
    """The node that answered; None when the owner ends the job (cancel, time-out, session over)."""
    state: JobState
    """A final one."""
    reason: str | None = None
    """Why it failed or is empty."""
    outcome: str | None = None
    """JSON text without speech to record for the session, or None."""
    processing_ms: int = 0
    """As the node says; 0 when unknown."""
    cell: Cell | None = None


@dataclass(frozen=True, slots=True)
class Failover:
    """A job must go on elsewhere.

    Of a turn with several open jobs the caller fails over all of them, in order and in one run:
    the later ones follow the first.
    """

    job_id: JobId
    attempt: int
    node_id: NodeId | None
    """Where the caller believes the job to be; None while it waits. A fence: after a lost reply the
    job is not moved twice."""
    reason: str
    """`node_lost`, `job_timeout`, `model_not_available`, `processing_error`, `turn_wait`,
    `turn_moved`, `overtaken` or `undeliverable`."""
    exclude_node: bool = False
    """The node is not used again for this job unless no other capable one is registered."""
    penalty_ms: int = 0
    """The node is not chosen for this requirement for that long."""
    avoid: InstanceId = NO_INSTANCE
    """An instance out of reach: none of its nodes is chosen now."""
    outcome: str | None = None
    """JSON text to record for the session if the job is given up."""
    cell: Cell | None = None


@dataclass(frozen=True, slots=True)
class Restoration:
    """An active job that the store has lost and its owner still holds."""

    spec: JobSpec
    attempt: int
    node_id: NodeId | None
    """The node that works on it; None: it waits, and is dispatched again at this attempt."""
    running: bool = False
    excluded_nodes: tuple[NodeId, ...] = ()
    cell: Cell | None = None
    returns: bool = False
    """It comes from another cell: that it was lent from this one before does not count."""


class JobRepository(JobStreams):
    """Jobs as one instance sees and drives them."""

    @property
    def cells(self) -> Cells:
        """Where jobs can be."""
        return self._store.cells

    def dispatch(
        self,
        spec: JobSpec,
        session_state: str = "",
        cell: Cell | None = None,
        epoch: int | None = None,
        *,
        streamed: bool = False,
    ) -> Call[Assigned | Queued | Duplicate | Busy | Moved | Fenced | Lent]:
        """Bind the request to one job, and give it a slot or a place in the queue.

        `session_state` is kept with the session in the same step: with it another instance could
        go on. Empty: it stays as it is. `epoch` counts instead of the specification's. `streamed`:
        a node has got it while it was spoken, and keeps it unless that was taken back meanwhile.
        """
        limits = self._limits
        share = limits.shares.get(spec.tenant_id, EQUAL_SHARE)
        args = (
            self._store.clock_ms(),
            self._instance_id,
            spec.job_id,
            spec.request_id,
            spec.session_id,
            spec.session_epoch if epoch is None else epoch,
            session_state,
            spec.cut,
            spec.utterance_index,
            spec.language,
            spec.source,
            spec.requirement,
            spec.preference,
            spec.turn_id,
            spec.turn_part,
            int(spec.turn_continues),
            key_text(spec.tenant_id),
            share.weight,
            share.slots,
            spec.trace_id,
            spec.cost_ms,
            spec.deadline_in_ms,
            limits.pending_timeout_ms,
            limits.job_timeout_ms,
            limits.turn_wait_ms,
            limits.max_queued_jobs,
            limits.max_queued_per_session,
            int(streamed),
        )
        cells = self._store.cells
        prefix = cells.prefixes[cells.home_of_job(spec.job_id) if cell is None else cell]
        return Call(_DISPATCH, (prefix,), args, reader.dispatched)

    def complete(self, completion: Completion) -> Call[Completed | Duplicate | Stale | Gone]:
        """End a job; its slot goes to the fairest waiting job in the same step.

        A `done` for a job that ended `empty` in the same attempt at the same node is a `Duplicate`
        too, and the record gets `replaced`.
        """
        args = (
            self._store.clock_ms(),
            self._instance_id,
            completion.job_id,
            completion.attempt,
            completion.node_id or "",
            completion.state,
            completion.reason or "",
            completion.processing_ms,
            completion.outcome or "",
            self._limits.record_outcomes_ttl_ms,
        )
        cells, cell = self._store.cells, completion.cell
        prefix = cells.prefixes[cells.home_of_job(completion.job_id) if cell is None else cell]
        return Call(_COMPLETE, (prefix,), args, reader.completed)

    def progress(
        self,
        job_id: JobId,
        attempt: int,
        node_id: NodeId,
        step: JobStep,
        cell: Cell | None = None,
    ) -> Call[Updated | Duplicate | Stale | Gone]:
        """Note that the node has accepted or started the job."""
        args = _PROGRESS.arguments(
            now=self._store.clock_ms(),
            instance=self._instance_id,
            job=job_id,
            attempt=attempt,
            node=node_id,
            step=step.value,
        )
        return Call(_PROGRESS, self._keys(job_id, cell), args, reader.progressed)

    def failover(
        self, failover: Failover
    ) -> Call[Assigned | Queued | GivenUp | Stale | Gone | Duplicate]:
        """Move a job to another node with the next attempt, or queue it, or give it up."""
        limits = self._limits
        args = _FAILOVER.arguments(
            now=self._store.clock_ms(),
            instance=self._instance_id,
            job=failover.job_id,
            attempt=failover.attempt,
            node=failover.node_id or "",
            reason=failover.reason,
            exclude=int(failover.exclude_node),
            avoid=failover.avoid,
            penalty_ms=failover.penalty_ms,
            pending_ms=limits.pending_timeout_ms,
            max_attempts=limits.max_attempts,
            outcome=failover.outcome or "",
            outcome_ttl_ms=limits.record_outcomes_ttl_ms,
        )
        return Call(_FAILOVER, self._keys(failover.job_id, failover.cell), args, reader.failed_over)

    def sweep(self, limit: int = 20, cell: Cell = FIRST) -> Call[Swept]:
        """Report what is due for this instance in a cell, and repair lost wake-ups."""
        args = _SWEEP.arguments(
            now=self._store.clock_ms(),
            instance=self._instance_id,
            limit=limit,
        )
        return Call(_SWEEP, (self._store.prefix_of(cell),), args, reader.swept)

    def locate(self, job_id: JobId, cell: Cell | None = None) -> Call[Located | Lent | Gone]:
        """Say who drives a job, and where it stands."""
        args = _LOCATE.arguments(instance=self._instance_id, job=key_text(job_id))
        return Call(_LOCATE, self._keys(job_id, cell), args, reader.located)

    def restore(
        self, restoration: Restoration
    ) -> Call[Assigned | Queued | Duplicate | Updated | Moved | Fenced | Lent]:
        """Put back a job that the store has lost.

        `Updated`: it stands at its node again, as before. Without a node it is dispatched.
        """
        limits, spec = self._limits, restoration.spec
        args = _RESTORE.arguments(
            now=self._store.clock_ms(),
            instance=self._instance_id,
            **spec_arguments(spec, limits),
            session_state="",
            attempt=restoration.attempt,
            node=restoration.node_id or "",
            state=(JobState.RUNNING if restoration.running else JobState.ASSIGNED).value,
            excluded="\n".join(restoration.excluded_nodes),
            pending_ms=limits.pending_timeout_ms,
            job_ms=limits.job_timeout_ms,
            turn_wait_ms=limits.turn_wait_ms,
            returns=int(restoration.returns),
        )
        return Call(_RESTORE, self._keys(spec.job_id, restoration.cell), args, reader.restored)

    def borrow(
        self, restoration: Restoration
    ) -> Call[Assigned | Duplicate | NoNode | Moved | Fenced]:
        """Give a job that waits in another cell a slot in this one; it never waits here."""
        limits, spec = self._limits, restoration.spec
        args = _BORROW.arguments(
            now=self._store.clock_ms(),
            instance=self._instance_id,
            **spec_arguments(spec, limits),
            attempt=restoration.attempt,
            excluded="\n".join(restoration.excluded_nodes),
            job_ms=limits.job_timeout_ms,
        )
        return Call(_BORROW, self._keys(spec.job_id, restoration.cell), args, reader.borrowed)

    def lend(
        self, job_id: JobId, attempt: int, cell: Cell, to: Cell
    ) -> Call[LeftCell | Duplicate | Stale | Gone]:
        """Take a waiting job, and what waits of its turn, out of a cell: `to` has a slot for it."""
        args = _LEND.arguments(
            now=self._store.clock_ms(),
            instance=self._instance_id,
            job=job_id,
            attempt=attempt,
            cell=to,
        )
        return Call(_LEND, self._keys(job_id, cell), args, reader.lent)

    def survey(self, requirement: str, cell: Cell) -> Call[Surveyed]:
        """Ask how many such jobs a cell could take now."""
        args = _SURVEY.arguments(
            instance=self._instance_id, now=self._store.clock_ms(), requirement=requirement
        )
        return Call(_SURVEY, (self._store.prefix_of(cell),), args, reader.surveyed)

    def list_waiting(
        self, cell: Cell = FIRST, limit: int = _MOST_WAITING_LOOKED_AT
    ) -> Call[Waiting]:
        """Ask what waits for a node in a cell, by pair of languages."""
        args = _LIST_WAITING.arguments(
            instance=self._instance_id, now=self._store.clock_ms(), limit=limit
        )
        return Call(_LIST_WAITING, (self._store.prefix_of(cell),), args, reader.waiting)

    async def waiting(self) -> Waiting:
        """Return what waits for a node, of all instances, by pair of languages.

        Raises:
            StorageUnavailable: the store does not answer.
        """
        replies = await self._store.run([self.list_waiting(cell) for cell in self.cells.all])
        by_pair: dict[tuple[str, str, str], WaitingPair] = {}
        for reply in replies:
            if isinstance(reply, StorageUnavailable):
                raise reply
            for pair in reply.pairs:
                key = (pair.source, pair.language, pair.requirement)
                other = by_pair.get(key)
                jobs = pair.jobs + (other.jobs if other else 0)
                oldest_ms = max(pair.oldest_ms, other.oldest_ms if other else 0)
                by_pair[key] = WaitingPair(*key, jobs, oldest_ms)
        longest_first = sorted(by_pair.values(), key=lambda pair: -pair.oldest_ms)
        jobs = sum(reply.jobs for reply in replies)
        return Waiting(jobs, sum(reply.looked_at for reply in replies), tuple(longest_first))
