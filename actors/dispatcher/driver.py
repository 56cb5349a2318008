"""Driver: what the parts of a dispatcher ask of each other.

`Parts` is the one that a process has. It is handed to each part when that is made, so nothing is
set later.
"""

from collections.abc import Sequence
from typing import Protocol

from actors.dispatcher.open_jobs import OpenJob
from actors.dispatcher.step import Step
from protocol.ids import JobId, NodeId, SessionId
from storage.cells import Cell
from storage.replies.job import Assigned, Duplicate, Queued


class Driver(Protocol):
    """Whom a part tells, or asks, when something concerns another part."""

    def move(self, job: OpenJob, reason: str) -> Sequence[Step]:
        """Give the job to another node, and with it what is open of its turn there."""

    def fail_over(self, job: OpenJob, reason: str) -> Step:
        """Give one job to another node, or let it wait for one."""

    def placed(self, reply: Assigned | Duplicate | Queued) -> Sequence[Step]:
        """Go on with a job whose place the store has just named."""

    def queued(self, job: OpenJob, reply: Queued) -> Sequence[Step]:
        """Go on with a job that waits for a node by now."""

    def bring(self, job: OpenJob) -> Step:
        """Put a job that has left another cell into the one that it now names."""

    def is_dispatching(self, job_id: JobId) -> bool:
        """Return whether the job may be in the store, and its place is not known here yet."""

    def note_due(self, due_in_ms: int) -> None:
        """Note in how many ms a job's next deadline is."""

    def segment_ended(self, job: OpenJob) -> None:
        """Take note of a turn's segment that has its outcome, after it was removed."""

    def slot_freed(self, cell: Cell, requirement: str) -> Sequence[Step]:
        """Use a node's slot that nobody in its cell waits for."""

    def session_lost(self, session_id: SessionId) -> None:
        """Forget the jobs of a session that another instance has: they are not ours any more."""

    def node_gone(self, node_id: NodeId) -> Sequence[Step]:
        """Take a node off-line that has no actor: else its jobs would come back to it."""
