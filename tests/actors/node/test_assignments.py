"""The jobs of one node: how they are written, named, answered, withdrawn and given back."""

import pytest

from actors.messages.job import (
    JobAccepted,
    JobUndelivered,
    PartialArrived,
    ResultArrived,
    WithdrawJob,
)
from actors.messages.node import (
    NodeMessageArrived,
)
from actors.node.actor import NodeActor
from actors.node.options import NodeOptions
from protocol.ids import (
    JobId,
    NodeId,
    NodeJobId,
    SessionId,
    speaker_key,
)
from protocol.messages.node_inbound import (
    JobAck,
    JobStarted,
    NodeAsrPartial,
    NodeError,
)
from protocol.messages.node_outbound import JobAssign, JobCancel
from tests.actors.support.node_bench import NAME, NodeBench, assignment


def test_a_job_is_written_with_all_it_needs(bench: NodeBench) -> None:
    bench.online()
    bench.assign(4, is_manual_cut=True, dialect="us", cut_reason="pause")
    [job] = bench.outbox.of(JobAssign)
    assert (job.job_id, job.attempt_id, job.session_id) == ("job-4", 1, NAME)
    assert (job.utterance_index, job.turn_id, job.audio) == (0, "turn", b"audio")
    assert (job.speaker_key, job.cut_reason) == (speaker_key(SessionId("s")), "pause")
    assert (job.src_lang, job.tgt_lang, job.dialect, job.padding_ms) == ("en", "es", "us", 280)
    assert (job.is_manual_cut, job.is_max_duration_triggered) == (True, None)
    assert bench.node.open_jobs == 1


def test_each_attempt_and_language_has_ids_of_its_own(bench: NodeBench) -> None:
    bench.online()
    bench.assign(0, attempt=1)
    bench.assign(0, attempt=2)
    bench.assign(0, attempt=1, further_language="fr")
    bench.assign(0, attempt=3, further_language="fr")
    sent = [(job.job_id, job.session_id, job.turn_id) for job in bench.outbox.of(JobAssign)]
    assert sent == [
        ("job-0", NAME, "turn"),
        ("job-0~2", f"{NAME}~2", "turn~2"),
        ("job-0#fr", f"{NAME}#fr", "turn"),
        ("job-0#fr~3", f"{NAME}#fr~3", "turn~3"),
    ]


def test_an_assignment_that_is_repeated_is_not_sent_twice(bench: NodeBench) -> None:
    bench.online()
    bench.assign()
    bench.assign()
    assert len(bench.outbox.of(JobAssign)) == 1
    assert bench.dispatcher.messages == []


def test_an_assignment_that_was_answered_is_not_sent_again(bench: NodeBench) -> None:
    """A node refuses an id it has seen; where the answer went nobody knows, so others try."""
    bench.online()
    bench.assign()
    bench.say("job-0")
    bench.assign()
    assert len(bench.outbox.of(JobAssign)) == 1
    assert [type(message) for message in bench.dispatcher.messages] == [
        ResultArrived,
        JobUndelivered,
    ]


@pytest.mark.parametrize("reason", ["job_timeout", None], ids=["cancelled", "merged"])
def test_an_assignment_that_was_withdrawn_is_not_sent_again(
    bench: NodeBench, reason: str | None
) -> None:
    """The same place may be told twice when the answer of a script was lost."""
    bench.online()
    bench.assign()
    bench.tell(WithdrawJob(JobId("job-0"), 1, reason))
    bench.assign()
    assert len(bench.outbox.of(JobAssign)) == 1
    assert bench.node.open_jobs == 0
    bench.dispatcher.only(JobUndelivered)


def test_results_are_matched_by_the_id_that_the_node_was_given(bench: NodeBench) -> None:
    bench.online()
    bench.assign(0, attempt=2)
    bench.say("job-0", attempt_id=1)  # its public id is not what this node knows it by
    assert bench.dispatcher.messages == []
    bench.say("job-0~2", attempt_id=1, session_id="other", utterance_index=99, node_id="liar")
    arrived = bench.dispatcher.only(ResultArrived)
    assert (arrived.job_id, arrived.attempt, arrived.node_id) == ("job-0", 2, "n")


def test_an_answer_may_be_followed_by_another(bench: NodeBench) -> None:
    bench.online()
    bench.assign()
    bench.say("job-0", text_asr="", text_translated="")
    bench.say("job-0")
    assert len(bench.dispatcher.of(ResultArrived)) == 2
    assert bench.node.open_jobs == 0


def test_answered_jobs_are_remembered_for_a_while_without_their_session(bench: NodeBench) -> None:
    bench.online()
    for index in range(500):
        bench.assign(index)
        bench.say(f"job-{index}")
    bench.say("job-0")
    assert len(bench.dispatcher.of(ResultArrived)) == 500


def test_a_segment_whose_turn_goes_on_stays_in_hand(bench: NodeBench) -> None:
    bench.online()
    bench.assign(0, turn_continues=True)
    bench.say("job-0", text_translated="")
    assert bench.node.open_jobs == 1
    bench.tell(WithdrawJob(JobId("job-0"), 1, None))  # merged: nothing is owed any more
    assert bench.node.open_jobs == 0
    assert bench.outbox.of(JobCancel) == []


def test_a_withdrawn_job_is_cancelled_at_the_node_under_its_name_there(bench: NodeBench) -> None:
    bench.online()
    bench.assign(0, attempt=2)
    bench.tell(WithdrawJob(JobId("job-0"), 1, "job_timeout"))  # another attempt
    assert bench.outbox.of(JobCancel) == []
    bench.tell(WithdrawJob(JobId("job-0"), 2, "job_timeout"))
    [cancel] = bench.outbox.of(JobCancel)
    assert (cancel.job_id, cancel.reason) == ("job-0~2", "job_timeout")
    bench.say("job-0~2")
    assert bench.dispatcher.messages == []


def test_progress_goes_where_it_belongs(bench: NodeBench) -> None:
    bench.online()
    bench.assign()
    known, unknown = NodeJobId("job-0"), NodeJobId("job-x")
    for job_id in (known, unknown):
        partial = NodeAsrPartial(job_id=job_id, text="hel", is_final=False)
        bench.tell(NodeMessageArrived(partial), NodeMessageArrived(JobAck(job_id=job_id)))
        bench.tell(NodeMessageArrived(JobStarted(job_id=job_id)))
    bench.tell(NodeMessageArrived(NodeError(code="GPU_ON_FIRE")))
    assert bench.session.only(PartialArrived).text == "hel"
    assert [accepted.started for accepted in bench.dispatcher.of(JobAccepted)] == [False, True]


def test_a_partial_text_for_a_session_that_is_gone_harms_nobody(bench: NodeBench) -> None:
    bench.online()
    gone = NodeActor(NodeId("x"), bench.directory, NodeOptions())
    gone.actor_ref.actor_stopped.set()
    bench.tell(assignment(gone.actor_ref, 0, 1))  # type: ignore[arg-type]  # a dead ref
    bench.tell(
        NodeMessageArrived(NodeAsrPartial(job_id=NodeJobId("job-0"), text="a", is_final=False))
    )
    assert bench.node.open_jobs == 1


def test_a_message_that_nobody_sends_is_a_bug(bench: NodeBench) -> None:
    with pytest.raises(AssertionError, match="unreachable"):
        bench.tell("hello")


def test_what_a_node_says_again_is_told_once(bench: NodeBench) -> None:
    bench.online()
    bench.assign()
    ack, started = JobAck(job_id=NodeJobId("job-0")), JobStarted(job_id=NodeJobId("job-0"))
    for message in (ack, ack, started, started, ack):
        bench.tell(NodeMessageArrived(message))
    assert [one.started for one in bench.dispatcher.of(JobAccepted)] == [False, True]
    for _ in range(3):
        bench.say("job-0", text_asr="", text_translated="")
    for _ in range(3):
        bench.say("job-0")
    assert [one.result.text_asr for one in bench.dispatcher.of(ResultArrived)] == ["", "hello"]
