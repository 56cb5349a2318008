"""A job as it crosses between instances."""

from actors.messages.job import Work
from protocol.audio.framing import AudioFormat
from protocol.ids import JobId, SessionId, TraceId, TurnId, request_id
from protocol.messages.shared import FULL_PIPELINE
from storage.job import JobSpec

WORK = Work(
    source="en",
    target="es",
    audio_format=AudioFormat.PCM16,
    sample_rate_hz=16_000,
    padding_ms=280,
    pipeline=FULL_PIPELINE,
    trace_id=TraceId("trace"),
    turn_id=TurnId("turn-1"),
    is_manual_cut=True,
    auto_langs=("en", "fr"),
    group_id="g",
    part_index=2,
    context_text="was sagten Sie?",
)

SPEC = JobSpec(
    job_id=JobId("job-1"),
    request_id=request_id(SessionId("s-1"), 0, "es"),
    session_id=SessionId("s-1"),
    session_epoch=5,
    utterance_index=0,
    language="es",
    source="en",
    requirement="a:en,s:es",
    preference="t:es",
    turn_id="turn-1",
    turn_part=0,
    turn_continues=False,
    tenant_id="t",
    trace_id="trace",
    cost_ms=1200,
    deadline_in_ms=100_000,
)
