"""RecentEmpty: jobs that ended without text and may still be answered in full.

A node sometimes answers a job empty and corrects itself at once. Until the empty outcome is
delivered the session may put the full one in its place; which of the two counts is decided there.
"""

from collections import OrderedDict

from actors.messages import JobEnded
from actors.ports import Mailbox
from protocol.ids import JobId, NodeId
from protocol.node_inbound import JobResult

_KEPT = 256


class RecentEmpty:
    """The last empty outcomes, by job: who gave them and who was told. Bounded."""

    def __init__(self) -> None:
        self._jobs: OrderedDict[JobId, tuple[int, NodeId | None, Mailbox]] = OrderedDict()

    def add(self, ended: JobEnded, session: Mailbox) -> None:
        """Remember an empty outcome."""
        self._jobs[ended.job_id] = (ended.attempt, ended.node_id, session)
        if len(self._jobs) > _KEPT:
            self._jobs.popitem(last=False)

    def take(
        self, job_id: JobId, attempt: int, node_id: NodeId | None, result: JobResult | None
    ) -> Mailbox | None:
        """Return the session that holds the empty outcome which this full result replaces.

        None when the result is not full, not of the same attempt and node, or came before.
        """
        known = self._jobs.get(job_id)
        full = result is not None and result.success and bool(result.text_asr.strip())
        if known is None or not full or known[:2] != (attempt, node_id):
            return None
        del self._jobs[job_id]
        return known[2]
