"""Where the way of an utterance is reported, where somebody follows traces.

Must not: cost anything where nobody does. All is reported after the fact, with monotonic times.
"""

from typing import Protocol

from actors.metrics import UtteranceEnded
from protocol.ids import JobId, NodeId


class Traces(Protocol):
    """Where spans go. Never blocks, never raises."""

    def for_node(self, job_id: JobId, attempt: int, traceparent: str | None) -> str:
        """Return the `traceparent` that a node gets with this attempt; given is the client's."""

    def given(self, job_id: JobId, attempt: int, node_id: NodeId, traceparent: str | None) -> None:
        """A node that is connected here got the attempt, with this `traceparent`."""

    def answered(self, job_id: JobId, attempt: int) -> None:
        """It has answered."""

    def ended(self, ended: UtteranceEnded) -> None:
        """The utterance has its outcome."""
