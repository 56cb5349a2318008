"""How a job looks to one node: its ids and the `job_assign` message.

A node remembers every job id and every (session, index) it has seen for as long as it lives, so
each is used once: attempt *n* > 1 carries `~n`, a further language of the same utterance `#lang`.
What it takes for a session is one turn, and the index is that of the segment in the turn: it keeps
quiet about a repeated text of a session, and translates in rising order only. Public ids never
carry a suffix. The id of a session is its client's secret: nodes know the speaker by a key.
"""

from actors.messages.job import AssignJob, Work
from actors.messages.node import Languages
from protocol.encode import Assignment, encode_job_assign
from protocol.ids import JobId, NodeJobId, node_session_id, speaker_key
from protocol.languages import closest

_DIGITS_AT_MOST = 6


def node_suffix(attempt: int, further_language: str | None) -> str:
    """Return what makes an id unique at a node; empty for the first attempt."""
    language = f"#{further_language}" if further_language else ""
    return f"{language}~{attempt}" if attempt > 1 else language


def node_job_id(job_id: JobId, attempt: int, further_language: str | None = None) -> NodeJobId:
    """Return the id under which a node knows this attempt of the job."""
    if attempt == 1 and further_language is None:
        return NodeJobId(job_id)
    return NodeJobId(f"{job_id}{node_suffix(attempt, further_language)}")


def job_of(known_as: NodeJobId) -> tuple[JobId, int]:
    """Return the job and attempt that a node's id stands for, as far as its form says so."""
    name, _, attempt = known_as.partition("~")
    is_later = attempt.isascii() and attempt.isdecimal() and len(attempt) < _DIGITS_AT_MOST
    return JobId(name.partition("#")[0]), int(attempt) if is_later else 1


def job_assign(assignment: AssignJob, known_as: NodeJobId, languages: Languages) -> bytes:
    """Return the message that hands the job to its node; flags are sent only when true.

    Languages go out as the node registered them.
    """
    spec, work = assignment.spec, assignment.work
    written = languages.semantic if work.pipeline.use_nmt else languages.asr
    session_id, further = node_session_id(spec.turn_id), work.further_language
    if assignment.attempt > 1 or further is not None:
        session_id = f"{session_id}{node_suffix(assignment.attempt, further)}"
    retry = f"~{assignment.attempt}" if assignment.attempt > 1 else ""
    return encode_job_assign(
        Assignment(
            job_id=known_as,
            attempt_id=assignment.attempt,
            session_id=session_id,
            utterance_index=spec.turn_part,
            src_lang=_as_registered(work.source, languages.asr),
            tgt_lang=_as_registered(work.target, written),
            dialect=work.dialect,
            features=work.features,
            pipeline=work.pipeline,
            audio=assignment.audio,
            streaming=assignment.streaming,
            audio_format=work.audio_format,
            sample_rate=work.sample_rate_hz,
            mode=work.mode,
            lang_a=work.lang_a and _as_registered(work.lang_a, languages.asr),
            lang_b=work.lang_b and _as_registered(work.lang_b, languages.asr),
            auto_langs=work.auto_langs
            and tuple(_as_registered(tag, languages.asr) for tag in work.auto_langs),
            enable_streaming_asr=work.enable_streaming_asr,
            partial_update_interval_ms=work.partial_update_interval_ms,
            trace_id=work.trace_id,
            group_id=work.group_id,
            part_index=work.part_index,
            context_text=work.context_text,
            hints=work.hints or None,
            voice_id=_known_voice(work, languages),
            traceparent=work.traceparent,
            padding_ms=work.padding_ms,
            is_manual_cut=work.is_manual_cut,
            is_max_duration_triggered=work.is_max_duration_triggered,
            turn_id=f"{spec.turn_id}{retry}",
            speaker_key=speaker_key(spec.session_id),
            cut_reason=work.cut_reason,
        )
    )


def _known_voice(work: Work, languages: Languages) -> str | None:
    """Return the voice that is asked for, where the node has it: others speak in none they lack."""
    if work.voice is None or not languages.voices:
        return None
    voices = dict(languages.voices)
    spoken = closest(work.target, tuple(voices))
    return work.voice if spoken is not None and work.voice in voices[spoken] else None


def _as_registered(wanted: str, registered: tuple[str, ...]) -> str:
    """Return the node's tag for a language; the client's own where the node named none."""
    if wanted in registered:
        return wanted
    return closest(wanted, registered) or wanted
