"""What a node says.

Only what the scheduler uses is typed; what it passes on or shows to an operator stays as the node
wrote it. Nodes are believed by the job id they were given, so the ids they echo are optional.
"""

from typing import Annotated, Literal

from pydantic import Field

from protocol.audio.framing import AudioFormat
from protocol.ids import NodeId, NodeJobId
from protocol.messages.shared import Features, ServiceTimings
from protocol.wire import (
    Count,
    JsonObject,
    JsonObjects,
    Label,
    Labels,
    LanguageCodes,
    Text,
    TimestampMs,
    Voices,
    WireMessage,
    WireModel,
)

NodeName = Annotated[NodeId, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
"""A node's id; without what would split a key of the store."""

_NO_TEXT_REASONS = frozenset({"ASR_EMPTY", "NO_TEXT_ASSIGNED"})
"""Nothing was recognised; or another job of the turn took this one's words."""


class LanguageCapabilities(WireModel):
    """The languages of a node's running services; absent lists are empty."""

    asr_languages: LanguageCodes | None = None
    """Recognises these."""
    semantic_languages: LanguageCodes | None = None
    """Translates into these."""
    tts_languages: LanguageCodes | None = None
    """Speaks these."""
    semantic_core_ready: bool | None = None


class ResourceUsage(WireModel):
    """A node's load."""

    cpu_percent: float | None = None
    gpu_percent: float | None = None
    """0 where it is not known."""
    gpu_mem_percent: float | None = None
    mem_percent: float | None = None
    running_jobs: Count | None = None
    gpu_queue_length: Count | None = None
    """Above 0: the node asks for no new work."""


class NodeRegister(WireMessage):
    """A node's first message on a connection; always answered by `node_register_ack`."""

    type: Literal["node_register"] = "node_register"
    node_id: NodeName | None = None
    """Absent: the node takes the id of the ack."""
    version: Label = ""
    capability_schema_version: Label | None = None
    platform: Label = ""
    hardware: JsonObject | None = None
    """`{cpu_cores, memory_gb, gpus[]}`."""
    installed_models: JsonObjects | None = None
    installed_services: JsonObjects | None = None
    capability_by_type: JsonObjects | None = None
    features_supported: Features | None = None
    accept_public_jobs: bool | None = None
    language_capabilities: LanguageCapabilities | None = None
    tts_voices: Voices | None = None
    """Extension: the voices that may be asked for, by language."""
    audio_formats: Annotated[tuple[AudioFormat, ...], Field(max_length=8)] | None = None
    """Extension: the formats of audio that the node reads; absent: all of them."""
    max_concurrent_jobs: Annotated[int, Field(ge=1, le=10_000)] | None = None
    """Extension: how many jobs the node works on at a time; turns, where it joins them."""
    streaming: bool | None = None
    """Extension: the node takes a job while its utterance is being spoken, in binary frames."""
    joins_turns: bool | None = None
    """Extension: it puts the segments of a turn together. Else each comes as a whole."""


class NodeHeartbeat(WireMessage):
    """Sign of life with load and languages. No reply. May come before `node_register`."""

    type: Literal["node_heartbeat"] = "node_heartbeat"
    node_id: NodeName
    timestamp: TimestampMs | None = None
    resource_usage: ResourceUsage | None = None
    installed_models: JsonObjects | None = None
    installed_services: JsonObjects | None = None
    capability_by_type: JsonObjects | None = None
    language_capabilities: LanguageCapabilities | None = None
    rerun_metrics: JsonObject | None = None
    processing_metrics: JsonObject | None = None


class NodeAsrPartial(WireMessage):
    """Text recognised so far of a job in hand; most nodes never send it."""

    type: Literal["asr_partial"] = "asr_partial"
    job_id: NodeJobId
    node_id: Label | None = None
    session_id: Label | None = None
    utterance_index: Count | None = None
    text: str
    text_translated: str | None = None
    """Extension: the translation so far."""
    stable_chars: Count | None = None
    """Extension: how much of `text` will not change any more, in characters from its beginning."""
    is_final: bool
    trace_id: Label | None = None


class JobError(WireModel):
    """Why a node could not do a job."""

    code: Label
    """MODEL_NOT_AVAILABLE, PROCESSING_ERROR, or a code of the node's own."""
    message: Text = ""
    details: JsonObject | None = None


class JobResult(WireMessage):
    """The end of a job at a node. A node may also answer an assignment with nothing at all."""

    type: Literal["job_result"] = "job_result"
    job_id: NodeJobId
    success: bool
    attempt_id: Count | None = None
    """Echoed, sometimes from another job: never used to match."""
    node_id: Label | None = None
    session_id: Label | None = None
    utterance_index: Count | None = None
    text_asr: Text = ""
    text_translated: Text = ""
    tts_audio: Text = ""
    """Base64 speech; passed on unparsed."""
    tts_format: Text = ""
    extra: JsonObject | None = None
    """Diagnostics of the node; passed on as they are."""
    processing_time_ms: float | None = None
    trace_id: Label | None = None
    asr_quality_level: Label | None = None
    reason_codes: Labels | None = None
    quality_score: float | None = None
    rerun_count: Count | None = None
    segments_meta: JsonObject | None = None
    group_id: Label | None = None
    part_index: Count | None = None
    node_completed_at_ms: TimestampMs | None = None
    error: JobError | None = None
    """With `success` false."""

    @property
    def is_empty(self) -> bool:
        """Whether the node found no words: nothing was said, or another job has them."""
        reason = self.extra.get("reason") if self.extra else None
        if isinstance(reason, str) and reason in _NO_TEXT_REASONS:
            return True
        return not self.text_asr.strip()

    def service_timings(self) -> ServiceTimings:
        """Return what the node reports about its stages, and its own total."""
        timings = self.extra.get("service_timings") if self.extra else None
        return ServiceTimings.pick(
            timings if isinstance(timings, dict) else {}, self.processing_time_ms
        )


class _JobNotice(WireMessage):
    """What `job_ack` and `job_started` have in common."""

    job_id: NodeJobId
    attempt_id: Count | None = None
    node_id: Label | None = None
    session_id: Label | None = None
    trace_id: Label | None = None


class JobAck(_JobNotice):
    """The node took the job. Optional: most nodes never send it."""

    type: Literal["job_ack"] = "job_ack"


class JobStarted(_JobNotice):
    """The node began with the job. Optional."""

    type: Literal["job_started"] = "job_started"


class NodeError(WireMessage):
    """Something is wrong at the node that belongs to no job."""

    type: Literal["node_error"] = "node_error"
    node_id: Label | None = None
    code: Label
    message: Text = ""
    details: JsonObject | None = None


NodeInbound = (
    JobResult | NodeHeartbeat | NodeAsrPartial | JobAck | JobStarted | NodeRegister | NodeError
)
"""Everything a node may say."""
