"""What the dispatcher is sent of an utterance: its job's specification."""

from typing import NamedTuple

from actors.messages.job import Work
from actors.session.cut import Cut
from actors.session.profile.profile import SessionProfile
from actors.session.profile.request import Request
from protocol.ids import JobId, request_id
from storage.capability import preference, requirement, with_format
from storage.job import JobSpec


def work_of(request: Request, cut: Cut, further_language: str | None = None) -> Work:
    """Return what a node is sent of the cut, apart from ids and audio."""
    return Work(
        source=request.source,
        target=request.target,
        audio_format=cut.audio_format,
        sample_rate_hz=cut.sample_rate_hz,
        padding_ms=cut.padding_ms,
        pipeline=request.pipeline,
        trace_id=request.trace_id,
        turn_id=cut.turn_id,
        is_manual_cut=cut.ends_turn,
        is_max_duration_triggered=not cut.ends_turn,
        cut_reason=cut.reason,
        is_closing=cut.closing,
        dialect=request.dialect,
        features=request.features,
        mode=request.mode,
        lang_a=request.lang_a,
        lang_b=request.lang_b,
        auto_langs=request.auto_langs,
        hints=request.hints,
        voice=request.voice,
        traceparent=request.traceparent,
        further_language=further_language,
    )


class Numbers(NamedTuple):
    """By what a cut is known."""

    job_id: JobId
    utterance_index: int
    session_epoch: int
    cut: int = 0
    """From 1 within its session; 0 where nobody can resume the session."""


def spec_of(
    profile: SessionProfile,
    request: Request,
    cut: Cut,
    numbers: Numbers,
    deadline_in_ms: int,
) -> JobSpec:
    """Return what the store is sent of the cut."""
    job_id, index, epoch, _ = numbers
    return JobSpec(
        job_id=job_id,
        request_id=request_id(profile.session_id, index, request.target),
        session_id=profile.session_id,
        session_epoch=epoch,
        utterance_index=index,
        language=request.target,
        source=request.source,
        requirement=with_format(
            requirement(
                request.source,
                request.target,
                request.lang_a,
                request.lang_b,
                use_nmt=request.pipeline.use_nmt,
            ),
            cut.audio_format,
        ),
        preference=preference(
            request.source,
            request.target,
            use_nmt=request.pipeline.use_nmt,
            use_tts=request.pipeline.use_tts,
        ),
        turn_id=cut.turn_id,
        turn_part=cut.turn_part,
        turn_continues=not cut.ends_turn,
        tenant_id=profile.tenant_id,
        trace_id=request.trace_id,
        cost_ms=max(1, round(cut.duration_ms)),
        deadline_in_ms=deadline_in_ms,
        cut=numbers.cut,
        start_ms=cut.start_ms,
    )
