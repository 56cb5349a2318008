"""One node's actor between recorders."""

from typing import Any

from actors.directory import Directory
from actors.messages.job import (
    AssignJob,
    Work,
)
from actors.messages.node import (
    NodeAccepted,
    NodeHeartbeatArrived,
    NodeMessageArrived,
    NodeRegistering,
)
from actors.node.actor import NodeActor
from actors.node.options import NodeOptions
from protocol.audio.framing import AudioFormat
from protocol.ids import (
    JobId,
    NodeId,
    NodeJobId,
    SessionId,
    TraceId,
    TurnId,
    node_session_id,
    request_id,
)
from protocol.messages.node_inbound import (
    JobResult,
    LanguageCapabilities,
    NodeHeartbeat,
    NodeRegister,
    ResourceUsage,
)
from protocol.messages.shared import FULL_PIPELINE
from storage.job import JobSpec
from tests.support.recording import HandClock, RecordingOutbox, RecordingRef

SILENCE_MS = 45_000


NAME = node_session_id("turn")
"""What a node takes for the session of the turn."""


ENGLISH_SPANISH = LanguageCapabilities(asr_languages=("en",), semantic_languages=("es",))


class NodeBench:
    """One node's actor between recorders."""

    def __init__(self) -> None:
        self.clock = HandClock(1000.0)
        self.directory = Directory()
        self.dispatcher = RecordingRef("dispatcher")
        self.directory.dispatcher = self.dispatcher
        self.session = RecordingRef("session")
        self.outbox = RecordingOutbox()
        self.node = self.clock.hold(NodeActor(NodeId("n"), self.directory, NodeOptions()))
        self.directory.register_node(NodeId("n"), self.node.actor_ref)

    def tell(self, *messages: Any) -> None:
        for message in messages:
            self.node.on_receive(message)

    def register(self, outbox: RecordingOutbox | None = None, **fields: Any) -> None:
        """Let the node register, without an answer of the store."""
        message = NodeRegister(language_capabilities=ENGLISH_SPANISH, **fields)
        self.tell(NodeRegistering(message, outbox or self.outbox))

    def online(self, epoch: int = 1) -> "NodeBench":
        """Let the node register and be accepted."""
        self.register()
        self.tell(NodeAccepted(epoch))
        self.dispatcher.take()
        self.outbox.take()
        return self

    def beat(self, languages: LanguageCapabilities | None = None, **usage: Any) -> None:
        beat = NodeHeartbeat(
            node_id=NodeId("n"),
            resource_usage=ResourceUsage(**usage),
            language_capabilities=languages,
        )
        self.tell(NodeHeartbeatArrived(beat))

    def assign(self, index: int = 0, attempt: int = 1, **changes: Any) -> None:
        self.tell(assignment(self.session, index, attempt, **changes))

    def say(self, job_id: str, **fields: Any) -> None:
        """Let the node answer a job."""
        content: dict[str, Any] = {
            "success": True,
            "text_asr": "hello",
            "text_translated": "hola",
        } | fields
        self.tell(NodeMessageArrived(JobResult(job_id=NodeJobId(job_id), **content)))


def assignment(session: RecordingRef, index: int, attempt: int, **changes: Any) -> AssignJob:
    spec = JobSpec(
        job_id=JobId(f"job-{index}"),
        request_id=request_id(SessionId("s"), index, "es"),
        session_id=SessionId("s"),
        session_epoch=1,
        utterance_index=index,
        language="es",
        source="en",
        requirement="a:en,s:es",
        preference="",
        turn_id="turn",
        turn_part=0,
        turn_continues=changes.pop("turn_continues", False),
        tenant_id="t",
        trace_id="trace",
        cost_ms=1000,
        deadline_in_ms=100_000,
    )
    work = Work(
        source=changes.pop("source", "en"),
        target=changes.pop("target", "es"),
        audio_format=AudioFormat.OPUS,
        sample_rate_hz=16_000,
        padding_ms=280,
        pipeline=changes.pop("pipeline", FULL_PIPELINE),
        trace_id=TraceId("trace"),
        turn_id=TurnId("turn"),
        **changes,
    )
    return AssignJob(session, spec, work, attempt, b"audio")
