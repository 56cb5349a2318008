"""Parts: what a dispatcher consists of, put together.

Each part decides which scripts follow the messages of one subject. What concerns another part
goes through the `Driver`, which is this object.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from actors.directory import Directory
from actors.dispatcher.claims import Claims
from actors.dispatcher.instances import Instances
from actors.dispatcher.job_driver import JobDriver
from actors.dispatcher.job_ends import JobEnds
from actors.dispatcher.nodes import Nodes
from actors.dispatcher.open_jobs import OpenJob
from actors.dispatcher.options import DispatchOptions
from actors.dispatcher.step import Step
from actors.dispatcher.takeover import Admit, Takeover
from actors.metrics import Metrics
from actors.node.options import NodeOptions
from actors.session.options import UplinkOptions
from protocol.ids import JobId, NodeId, SessionId
from storage.cells import Cell
from storage.instances import InstanceRepository
from storage.jobs import JobRepository
from storage.nodes import NodeRepository
from storage.replies.job import Assigned, Duplicate, Queued
from storage.sessions import SessionRepository


class Repositories(Protocol):
    """What a dispatcher reads and changes of the store."""

    @property
    def jobs(self) -> JobRepository:
        """Jobs."""

    @property
    def nodes(self) -> NodeRepository:
        """Nodes."""

    @property
    def sessions(self) -> SessionRepository:
        """Sessions."""

    @property
    def instances(self) -> InstanceRepository:
        """Instances."""


@dataclass(frozen=True, slots=True)
class PartsOptions:
    """What an operator may set, by subject."""

    dispatch: DispatchOptions
    nodes: NodeOptions
    uplink: UplinkOptions


class Parts:
    """The parts of one dispatcher, and its `Driver`. Life: that of the dispatcher."""

    def __init__(
        self,
        store: Repositories,
        directory: Directory,
        metrics: Metrics,
        options: PartsOptions,
        admit: Admit,
    ) -> None:
        """`admit` makes the actor of a session that comes here, and gives it the socket."""
        self.due_in_ms: int | None = None
        """When the earliest deadline is of those that were noted since the dispatcher looked."""
        dispatch = options.dispatch
        self.claims = Claims(store.sessions, self)
        self.ends = JobEnds(store.jobs, directory, metrics, self, dispatch)
        self.jobs = JobDriver(self.ends, self.claims, self, dispatch)
        self.nodes = Nodes(store.nodes, directory, self.jobs, options.nodes)
        self.takeover = Takeover(store.sessions, self.jobs, options.uplink, admit)
        self.instances = Instances(store.instances, self.jobs, self.takeover)

    def store_emptied(self) -> Sequence[Step]:
        """What was being spoken waits for its cut; what was cut is put back."""
        return (*self.jobs.streams.give_up_all(), *self.jobs.restorer.restore_all())

    # ---- as `Driver` ------------------------------------------------------------------------

    def move(self, job: OpenJob, reason: str) -> Sequence[Step]:
        """Give the job to another node, and with it what is open of its turn there."""
        return self.jobs.failover.move(job, reason)

    def fail_over(self, job: OpenJob, reason: str) -> Step:
        """Give one job to another node, or let it wait for one."""
        return self.jobs.failover.fail_over(job, reason)

    def placed(self, reply: Assigned | Duplicate | Queued) -> Sequence[Step]:
        """Go on with a job whose place the store has just named."""
        return self.jobs.placed(reply)

    def queued(self, job: OpenJob, reply: Queued) -> Sequence[Step]:
        """Go on with a job that waits for a node by now."""
        return self.jobs.queued(job, reply)

    def bring(self, job: OpenJob) -> Step:
        """Put a job that has left another cell into the one that it now names."""
        return self.jobs.restorer.bring(job)

    def is_dispatching(self, job_id: JobId) -> bool:
        """Return whether the job may be in the store, and its place is not known here yet."""
        return job_id in self.jobs.dispatching

    def note_due(self, due_in_ms: int) -> None:
        """Keep the earliest deadline; the dispatcher looks after each batch."""
        if self.due_in_ms is None or due_in_ms < self.due_in_ms:
            self.due_in_ms = due_in_ms

    def segment_ended(self, job: OpenJob) -> None:
        """Let what waited for it go on."""
        self.jobs.assigner.segment_ended(job)

    def slot_freed(self, cell: Cell, requirement: str) -> Sequence[Step]:
        """Let a job of another cell have it."""
        return self.jobs.borrowing.slot_freed(cell, requirement)

    def session_lost(self, session_id: SessionId) -> None:
        """Forget its jobs; who drives them is not known here."""
        self.ends.open_jobs.forget_session(session_id)
        self.jobs.streams.session_gone(session_id)  # who claimed it has closed them in the store

    def node_gone(self, node_id: NodeId) -> Sequence[Step]:
        """Take it off-line."""
        return self.nodes.gone(node_id)
