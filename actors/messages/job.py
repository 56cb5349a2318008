"""The life of a job, from the cut of its utterance to its end."""

from dataclasses import fields, replace
from operator import attrgetter

from actors.ports import Mailbox
from protocol.audio.framing import AudioFormat
from protocol.errors import MissingReason
from protocol.ids import NO_INSTANCE, InstanceId, JobId, NodeId, TraceId, TurnId
from protocol.messages.node_inbound import JobResult
from protocol.messages.shared import Features, Pipeline
from protocol.value import value
from storage.job import JobSpec, JobState


@value
class Work:
    """What a node gets of an utterance besides ids and audio (`job_assign` on the wire)."""

    source: str
    target: str
    audio_format: AudioFormat
    sample_rate_hz: int
    padding_ms: int
    pipeline: Pipeline
    trace_id: TraceId
    turn_id: TurnId
    is_manual_cut: bool = False
    is_max_duration_triggered: bool = False
    cut_reason: str | None = None
    """As in `CutReason`."""
    is_closing: bool = False
    """Silence that only ends its turn: without meaning where that is not put together."""
    dialect: str | None = None
    features: Features | None = None
    mode: str | None = None
    lang_a: str | None = None
    lang_b: str | None = None
    auto_langs: tuple[str, ...] | None = None
    enable_streaming_asr: bool = True
    partial_update_interval_ms: int = 1000
    group_id: str | None = None
    part_index: int | None = None
    context_text: str | None = None
    hints: tuple[str, ...] = ()
    """What the recogniser should expect."""
    voice: str | None = None
    """Which one shall speak, where the node has it."""
    traceparent: str | None = None
    further_language: str | None = None
    """Set on the second and later languages of one utterance: nodes see it in their ids."""

    def in_group(self, group_id: str, part_index: int, context_text: str | None) -> "Work":
        """Return the same in its place in the conversation: 1 µs, against 6 by `replace`."""
        values = list(_VALUES_OF_WORK(self))
        values[_PLACE : _PLACE + 3] = group_id, part_index, context_text
        return Work(*values)

    def alone(self, turn_id: str) -> "Work":
        """Return it for a segment that is a job of its own, see `JobSpec.alone`."""
        return replace(
            self, turn_id=TurnId(turn_id), is_manual_cut=True, is_max_duration_triggered=False
        )


_FIELDS = [each.name for each in fields(Work)]
_VALUES_OF_WORK = attrgetter(*_FIELDS)
_PLACE = _FIELDS.index("group_id")


@value
class UtteranceCut:
    """An utterance wants a node."""

    session: Mailbox
    spec: JobSpec
    work: Work
    audio: bytes
    cut_at_ms: float
    """Monotonic ms. From then on it waits for a store that is away."""
    session_state: str = ""  # for another instance, see `SessionRecord`
    frames: int = 0
    """In how many frames a node has got it while it was spoken; 0: no node has it."""
    reason: str = ""
    """What ended it."""


@value
class AudioSupplied:
    """The audio that `UtteranceWanted` asked for."""

    job_id: JobId
    attempt: int
    """The one for which it was asked for."""
    audio: bytes


@value
class EndJob:
    """The owner ends a job without a result (session closed, cancelled by an operator)."""

    job_id: JobId
    state: JobState
    reason: MissingReason


@value
class JobQueued:
    """No node is free: the job waits."""

    job_id: JobId
    wait_ms_estimate: int


@value
class JobDispatched:
    """The job was handed to a node."""

    job_id: JobId
    attempt: int
    node_id: NodeId
    stays_in_turn: bool = False  # a segment whose turn the node puts together


@value
class JobProgressed:
    """The node says that it took the job or began with it."""

    job_id: JobId
    node_id: NodeId


@value
class UtteranceWanted:
    """A job goes to a node later or again: send its audio once more."""

    job_id: JobId
    attempt: int
    because: MissingReason = MissingReason.NODE_LOST
    """What its end is where the audio is not kept: how the last attempt ended."""


@value
class JobEnded:
    """The job is final in the store: this is its one outcome."""

    job_id: JobId
    state: JobState
    reason: MissingReason | None
    """Set when there is no translation to deliver."""
    result: JobResult | None
    attempt: int
    node_id: NodeId | None


@value
class AssignJob:
    """Write this job to the node's socket; let go of the audio with it."""

    session: Mailbox
    """Who hears partial texts."""
    spec: JobSpec
    work: Work
    attempt: int
    audio: bytes
    owner: InstanceId = NO_INSTANCE  # drives the job; empty: this one
    streaming: bool = False
    """It is still being spoken: the audio comes in frames."""


@value
class ResultReplaced:
    """A full result came after an empty one of the same attempt."""

    job_id: JobId
    result: JobResult


@value
class SpeechConverted:
    """To a session: what it is told of a job, once more, with speech as its client plays it."""

    message: JobEnded | ResultReplaced


@value
class WithdrawJob:
    """The node need not go on with this attempt."""

    job_id: JobId
    attempt: int
    reason: str | None
    """None: it owes no answer any more; it gets no message, it is only forgotten."""


@value
class JobAccepted:
    """The node acknowledged or began a job."""

    job_id: JobId
    attempt: int
    node_id: NodeId
    started: bool


@value
class ResultArrived:
    """A node answered a job; whether it still counts, the store decides."""

    job_id: JobId
    attempt: int
    node_id: NodeId
    result: JobResult


@value
class JobUndelivered:
    """The assignment could not be written to the node's socket."""

    job_id: JobId
    attempt: int
    node_id: NodeId


@value
class PartialArrived:
    """Recognised text so far."""

    job_id: JobId
    attempt: int
    text: str
    is_final: bool
    text_translated: str | None = None
    """Its translation so far, in the job's language; None: the node does not say."""
    stable_chars: int | None = None
    """How many characters of `text` will not change any more, at most all; None: likewise."""


@value
class KeepJob:
    """The node had this job before it came to this instance: its answer is wanted still."""

    owner: InstanceId
    """Whom to tell of it."""
    spec: JobSpec
    work: Work
    attempt: int


@value
class JobAbandoned:
    """To the dispatcher: a job whose outcome was delivered although the store may have it open."""

    job_id: JobId
    attempt: int
    """The last one that is known of."""
