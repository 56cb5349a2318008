"""Which empty outcomes may still be replaced, and by what."""

from actors.dispatcher.job_ends import RecentEmpty
from actors.messages.job import JobEnded
from protocol.errors import MissingReason
from protocol.ids import JobId, NodeId, NodeJobId
from protocol.messages.node_inbound import JobResult
from storage.job import JobState
from tests.support.recording import RecordingRef

FULL = JobResult(job_id=NodeJobId("x"), success=True, text_asr="words")
NOTHING = JobResult(job_id=NodeJobId("x"), success=True)
SESSION = RecordingRef("session")
NODE = NodeId("n")


def ended(name: str, attempt: int = 1) -> JobEnded:
    reason = MissingReason.SILENCE_DETECTED
    return JobEnded(JobId(name), JobState.EMPTY, reason, NOTHING, attempt, NODE)


def test_a_full_answer_of_the_same_attempt_and_node_is_taken_once() -> None:
    recent = RecentEmpty()
    recent.add(ended("a"), SESSION)
    assert recent.take(JobId("a"), 1, NODE, FULL) is SESSION
    assert recent.take(JobId("a"), 1, NODE, FULL) is None


def test_nothing_else_is_taken() -> None:
    recent = RecentEmpty()
    recent.add(ended("a", attempt=2), SESSION)
    assert recent.take(JobId("a"), 1, NODE, FULL) is None
    assert recent.take(JobId("a"), 2, NodeId("other"), FULL) is None
    assert recent.take(JobId("a"), 2, NODE, NOTHING) is None
    assert recent.take(JobId("a"), 2, NODE, None) is None
    assert recent.take(JobId("b"), 2, NODE, FULL) is None
    assert recent.take(JobId("a"), 2, NODE, FULL) is SESSION


def test_it_remembers_a_bounded_number() -> None:
    recent = RecentEmpty()
    for number in range(1_000):
        recent.add(ended(str(number)), SESSION)
    assert len(recent._jobs) == 256
    assert recent.take(JobId("0"), 1, NODE, FULL) is None
    assert recent.take(JobId("999"), 1, NODE, FULL) is SESSION
