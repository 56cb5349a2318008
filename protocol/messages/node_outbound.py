"""What a node hears."""

from typing import Annotated, Literal

from pydantic import Field

from protocol.audio.framing import AudioFormat
from protocol.ids import NodeId
from protocol.messages.session_outbound import ErrorMessage
from protocol.messages.shared import ErrorDetail, Features, Pipeline
from protocol.wire import AudioBytes, Count, Flag, WireMessage


class NodeRegisterAck(WireMessage):
    """The answer to `node_register`: a node is mute until it has its id."""

    type: Literal["node_register_ack"] = "node_register_ack"
    node_id: NodeId | None = None
    """The id to use from now on; absent when the registration is refused."""
    message: str = ""
    status: str = ""
    error: ErrorDetail | None = None
    """Set when the registration is refused."""


class JobAssign(WireMessage):
    """One utterance to recognise, translate and speak; answered by `job_result` or by nothing.

    `job_id` and (`session_id`, `utterance_index`) are used once per node, see `NodeJobId`. A
    `session_id` is that of one turn, `utterance_index` the place of the segment in it.
    Jobs of one turn come in the order of speech.
    """

    type: Literal["job_assign"] = "job_assign"
    job_id: str
    attempt_id: Annotated[int, Field(ge=1)]
    session_id: str
    utterance_index: Count
    src_lang: str
    """`auto`: the node recognises it."""
    tgt_lang: str
    dialect: str | None = None
    features: Features | None = None
    pipeline: Pipeline
    audio: AudioBytes
    """In `audio_format`; the node owns it."""
    audio_format: AudioFormat
    sample_rate: int
    """Hertz."""
    streaming: Flag = None
    """Extension: `audio` is empty and comes in binary frames, until `job_end`."""
    mode: str | None = None
    lang_a: str | None = None
    lang_b: str | None = None
    auto_langs: tuple[str, ...] | None = None
    enable_streaming_asr: bool | None = None
    partial_update_interval_ms: Count | None = None
    trace_id: str | None = None
    group_id: str | None = None
    part_index: Count | None = None
    context_text: str | None = None
    """What was spoken before in the same group."""
    hints: tuple[str, ...] | None = None
    """Extension: words that the recogniser should expect."""
    voice_id: str | None = None
    """Only to a node that registered this voice for the target language."""
    traceparent: str | None = None
    """Extension: W3C Trace Context of the client."""
    padding_ms: Count | None = None
    """Silence that the recogniser appends."""
    is_manual_cut: Flag = None
    """What was said is complete, whoever cut it: nothing of it is to be held back."""
    is_max_duration_triggered: Flag = None
    """The turn goes on: the node may hold these words back until its next segment."""
    turn_id: str | None = None
    """Segments of one turn are recognised together."""
    speaker_key: str | None = None
    """Extension: the same for all that one session says, for nodes that adapt to a voice."""
    cut_reason: str | None = None
    """Extension: why it was cut, as in `CutReason`."""


class JobEnd(WireMessage):
    """Extension: all audio of a job that was streamed is there; from now on its result is due."""

    type: Literal["job_end"] = "job_end"
    job_id: str
    attempt_id: Annotated[int, Field(ge=1)]
    frames: Count
    """How many came, numbered from 0."""
    duration_ms: Count
    """Length of their audio."""
    padding_ms: Count | None = None
    """Silence that the recogniser appends."""
    cut_reason: str
    """What ended the utterance: `manual`, `endpoint`, `pause`, `max_turn` or `session_close`."""
    is_manual_cut: Flag = None


class JobCancel(WireMessage):
    """The result is no longer wanted. The node may send it all the same."""

    type: Literal["job_cancel"] = "job_cancel"
    job_id: str
    trace_id: str | None = None
    reason: str | None = None


class NodeControl(WireMessage):
    """An instruction to the node as a whole; a node may ignore it."""

    type: Literal["node_control"] = "node_control"
    command: str
    """`drain`: finish what is open, expect nothing more."""
    reason: str | None = None


NodeOutbound = JobAssign | JobEnd | JobCancel | NodeRegisterAck | NodeControl | ErrorMessage
"""Everything a node may hear."""
