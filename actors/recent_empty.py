"""RecentEmpty: jobs that ended without text and may still be answered in full.

A node sometimes answers a job empty and corrects itself at once. Until the empty outcome is
delivered the session may put the full one in its place; which of the two counts is decided there.
"""

from collections import OrderedDict

from actors.messages import (
    JobEnded,
    ResultArrived,
)
from actors.ports import Mailbox
from protocol.ids import JobId, NodeId

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

    def take(self, message: ResultArrived) -> Mailbox | None:
        """Return the session that holds the empty outcome which this full result replaces.

        None when the result is not full, not of the same attempt and node, or came before.
        """
        known = self._jobs.get(message.job_id)
        full = message.result.success and bool((message.result.text_asr or "").strip())
        if known is None or not full or known[:2] != (message.attempt, message.node_id):
            return None
        del self._jobs[message.job_id]
        return known[2]
