"""What the parts of the process count and show: the protocol, and an implementation that forgets.

Counting is a call with plain values that costs well under a microsecond. Gauges are not kept but
read when somebody asks. Must not: know how the figures are published.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import Final, Protocol

from actors.ownership import Foreign
from protocol.ids import SessionId
from protocol.value import value
from storage.job import JobSpec

COMPLETED: Final = "completed"
"""The outcome of an utterance that has its translation."""


class Gauge(StrEnum):
    """What can be read at any moment; the word is the metric's name without its prefix."""

    SESSIONS = "sessions"
    """Sessions that live here, detached ones included."""
    NODES = "nodes"
    """Nodes connected here."""
    OPEN_SLOTS = "open_slots"
    """Slots in use on the nodes connected here."""
    AUDIO_BYTES_HELD = "audio_bytes_held"
    """Uplink audio in memory."""
    OVERLOAD_LEVEL = "overload_level"
    """What is done about too much load, as in `OverloadLevel`."""
    SOCKETS_WAITING = "sockets_waiting"
    """Sockets of clients with bytes that wait for their turn."""
    SOCKETS_PASSED_THROUGH = "sockets_passed_through"
    """Sockets of clients here whose sessions are on other instances."""
    BUFFERED_BYTES = "buffered_bytes"
    """What all sockets together make us keep: outboxes, bytes read ahead, unfinished messages."""
    LINKS = "links"
    """Other instances that something was sent to."""


@value
class UtteranceEnded:
    """An utterance that has its outcome, in one target language. Times are monotonic ms.

    What follows from it is worked out when somebody asks for figures, not on the way of a result.
    """

    source: str
    target: str
    outcome: str
    """`completed`, or the reason why there is no translation."""
    has_job: bool
    """False: nothing could be heard in it."""
    cut_at_ms: float
    first_sent_at_ms: float | None
    """When a node first had it; None: none did."""
    sent_at_ms: float | None
    """When its last node had it."""
    ended_at_ms: float
    quiet_ms: int
    """For how long nothing had been spoken when it was cut, where that is why it was."""
    speech_ms: int
    """Length of its audio."""
    node_id: str | None
    timings: object
    """What the node says of its stages, unchecked; None: nothing."""
    begun_at_ms: float = 0.0
    """When its first audio came."""
    cut_reason: str = ""
    attempt: int = 0
    """The last one; 0: it never was a job."""
    traceparent: str | None = None
    """The client's."""
    spec: JobSpec | None = None
    """Its job."""


class Metrics(Protocol):
    """Where the process counts what happens."""

    def job_ended(self, outcome: str) -> None:
        """A job got its outcome: `completed`, or the reason why there is none."""

    def stale_result(self) -> None:
        """A result came for an attempt that had been given up."""

    def cut_made(self, reason: str) -> None:
        """An utterance was cut."""

    def final_to_assign(self, elapsed_ms: float) -> None:
        """An utterance reached a node this long after its cut."""

    def utterance_ended(self, ended: UtteranceEnded) -> None:
        """An utterance has its outcome, whatever it is."""

    def script_run(self, script: str, count: int = 1) -> None:
        """A script ran in the store."""

    def round_trip(self, seconds: float, calls: int = 1) -> None:
        """The store answered a pipeline of so many calls."""

    def bad_message(self, socket: str) -> None:
        """A peer sent what could not be used, on the `session`, `node` or `admin` socket."""

    def limit_reached(self, limit: str) -> None:
        """A bound on what peers may do had to be enforced; the limit's name is its setting's."""

    def session_refused(self, reason: str) -> None:
        """A session was turned away."""

    def access_denied(self, door: str, reason: str) -> None:
        """A client, node or operator was not let in, for want of a token or for the wrong page."""

    def ownership_refused(self, what: Foreign, session_id: SessionId | None = None) -> None:
        """A socket, the one of this session or of none, named what is another's."""

    def link_sent(self, size: int, *, again: bool) -> None:
        """A frame of so many bytes went to another instance, for the first time or again."""

    def link_received(self, size: int, *, again: bool) -> None:
        """A frame of so many bytes came from another instance, new or had before."""

    def link_dropped(self) -> None:
        """A message to or from another instance reached nobody."""

    def watch(self, gauge: Gauge, read: Callable[[], float]) -> None:
        """Read this gauge from here from now on."""
