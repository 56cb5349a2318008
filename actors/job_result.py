"""What a node's answer means for its job. Pure.

Nodes answer in more ways than "text" and "error": an empty text is silence, a job whose audio
another one absorbed says so, and a long turn's middle segments come with text but without
translation, because the node keeps the words for the segment that ends the turn.
"""

from dataclasses import dataclass
from enum import Enum, auto

from pydantic_core import to_json

from actors.messages import Work
from protocol.errors import ErrorCode, MissingReason
from protocol.node_inbound import JobResult
from storage.job import JobSpec, JobState

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


@dataclass(frozen=True, slots=True)
class Verdict:
    """An answer, judged."""

    follow: Follow
    state: JobState = JobState.DONE
    reason: MissingReason | None = None


def judge(result: JobResult, spec: JobSpec, work: Work) -> Verdict:
    """Return what the answer means for the job."""
    if not result.success:
        code = result.error.code if result.error is not None else None
        if code == ErrorCode.MODEL_NOT_AVAILABLE:
            return Verdict(Follow.MOVE, JobState.FAILED, MissingReason.MODEL_NOT_AVAILABLE)
        return Verdict(Follow.END, JobState.FAILED, MissingReason.PROCESSING_ERROR)
    recognised = bool(result.text_asr and result.text_asr.strip())
    translated = bool(result.text_translated and result.text_translated.strip())
    if (result.extra or {}).get("reason") == _ABSORBED:
        return Verdict(Follow.END, JobState.EMPTY, MissingReason.MERGED)
    if recognised and not translated and spec.turn_continues and work.pipeline.use_nmt:
        return Verdict(Follow.KEEP_OPEN)
    if recognised or translated or result.tts_audio:
        return Verdict(Follow.END, JobState.DONE)
    return Verdict(Follow.END, JobState.EMPTY, MissingReason.SILENCE_DETECTED)


def recorded_outcome(spec: JobSpec, reason: MissingReason | None, result: JobResult | None) -> str:
    """Return the outcome as JSON without speech: what another instance could deliver."""
    outcome: dict[str, object] = {"index": spec.utterance_index, "language": spec.language}
    if reason is not None:
        outcome["reason"] = reason.value
    elif result is not None:
        outcome["text_asr"] = result.text_asr or ""
        outcome["text_translated"] = result.text_translated or ""
    return to_json(outcome).decode()
