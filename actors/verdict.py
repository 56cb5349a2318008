"""What a node's answer means for its job. Pure.

Nodes answer in more ways than "text" and "error": an empty text is silence, a job whose audio
another one absorbed says so, and a long turn's middle segments come with text but without
translation, because the node keeps the words for the segment that ends the turn.
"""

from enum import Enum, auto

from pydantic_core import to_json

from actors.messages.job import Work
from protocol.beginning import OUTCOME_MAX_BYTES, beginnings
from protocol.errors import ErrorCode, MissingReason
from protocol.messages.node_inbound import JobResult
from protocol.value import value
from storage.job import JobSpec, JobState

RECORDED = (
    "text_asr",
    "text_translated",
    "tts_format",
    "asr_quality_level",
    "reason_codes",
    "quality_score",
    "rerun_count",
)
"""What of an answer is recorded where it says something: what its listener needs, no speech."""

_TEXTS = ("text_asr", "text_translated")

_ABSORBED = "NO_TEXT_ASSIGNED"
"""`extra.reason` of a job whose audio was processed together with another one's."""


class Follow(Enum):
    """What the dispatcher does with an answer."""

    END = auto()
    """The job is final."""
    KEEP_OPEN = auto()
    """Recognised text of a turn that goes on: shown as a partial, the job stays open."""
    MOVE = auto()
    """This node cannot do it: another one shall."""


@value
class Verdict:
    """An answer, judged."""

    follow: Follow
    state: JobState = JobState.DONE
    reason: MissingReason | None = None

    def corrects(self, earlier: "Verdict") -> bool:
        """Return whether a node may give this answer after that one: a full one after an empty."""
        return earlier.state is JobState.EMPTY and self.state is JobState.DONE


_DONE = Verdict(Follow.END, JobState.DONE)
_MERGED = Verdict(Follow.END, JobState.EMPTY, MissingReason.MERGED)
_SILENT = Verdict(Follow.END, JobState.EMPTY, MissingReason.SILENCE_DETECTED)


def goes_on(result: JobResult) -> bool:
    """Return whether the answer to a segment of a turn that goes on is its words so far."""
    return (
        result.success
        and _says_something(result.text_asr)
        and not _says_something(result.text_translated)
        and not _is_absorbed(result)
    )


def judge(result: JobResult, spec: JobSpec, work: Work) -> Verdict:
    """Return what the answer means for the job."""
    if not result.success:
        code = result.error.code if result.error is not None else None
        if code == ErrorCode.MODEL_NOT_AVAILABLE:
            return Verdict(Follow.MOVE, JobState.FAILED, MissingReason.MODEL_NOT_AVAILABLE)
        return Verdict(Follow.MOVE, JobState.FAILED, MissingReason.PROCESSING_ERROR)
    if result.extra is not None and result.extra.get("reason") == _ABSORBED:
        return _MERGED
    if spec.turn_continues and work.pipeline.use_nmt and goes_on(result):
        return Verdict(Follow.KEEP_OPEN)
    if result.text_asr.strip() or result.text_translated.strip() or result.tts_audio:
        return _DONE
    return _SILENT


def _says_something(text: str) -> bool:
    return bool(text.strip())


def _is_absorbed(result: JobResult) -> bool:
    return (result.extra or {}).get("reason") == _ABSORBED


def judge_orphan(result: JobResult) -> tuple[JobState, MissingReason | None]:
    """Return what an answer means for a job that nobody drives any more."""
    if not result.success:
        return JobState.FAILED, MissingReason.PROCESSING_ERROR
    if _says_something(result.text_asr) or _says_something(result.text_translated):
        return JobState.DONE, None
    return JobState.EMPTY, MissingReason.SILENCE_DETECTED


def is_full(result: JobResult) -> bool:
    """Return whether the answer may take the place of an empty one of the same attempt."""
    return judge_orphan(result)[0] is JobState.DONE


def recorded_outcome(
    trace_id: str,
    reason: MissingReason | None,
    result: JobResult | None,
    max_bytes: int = OUTCOME_MAX_BYTES,
    lies_at_ms: tuple[int, int] | None = None,
) -> str:
    """Return the outcome as JSON without speech: what another instance could deliver.

    Of one that is longer than `max_bytes`, the beginning. `lies_at_ms`: where the utterance begins
    and ends in the audio of its session.
    """
    outcome: dict[str, object] = {"trace_id": trace_id}
    if lies_at_ms is not None:
        outcome["speech_start_ms"], outcome["speech_end_ms"] = lies_at_ms
    if reason is not None:
        outcome["reason"] = reason.value
    elif result is not None:
        values = {name: getattr(result, name) for name in RECORDED}
        outcome |= {
            name: value for name, value in values.items() if value is not None and value != ""
        }
        outcome["spoken"] = bool(result.tts_audio)
    recorded = to_json(outcome)
    if len(recorded) > max_bytes:
        texts = {name: str(outcome[name]) for name in _TEXTS if name in outcome}
        rest = {name: value for name, value in outcome.items() if name not in texts}
        rest["truncated"] = True
        if len(to_json(rest)) > max_bytes // 2:
            rest.pop("reason_codes", None)
        recorded = to_json(rest | beginnings(texts, max_bytes - len(to_json(rest))))
    return recorded.decode()
