"""Jobs that go on elsewhere: lost nodes, time-outs, missing models, turns that move as one."""

from typing import Any

from actors.messages.job import (
    AssignJob,
    EndJob,
    JobDispatched,
    JobQueued,
    WithdrawJob,
)
from actors.messages.node import (
    Languages,
    NodeAccepted,
    NodeBeat,
    NodeChanged,
    NodeLost,
    NodeUnknown,
)
from actors.messages.session import SessionClaimed
from protocol.errors import MissingReason
from protocol.ids import NodeId, SessionId
from storage.job import JobState
from tests.actors.support.dispatch_bench import DispatchBench
from tests.actors.support.job_names import DONE, FAILED, JOB
from tests.actors.support.lost_nodes import first_and_other, lose

# ---- lost nodes -----------------------------------------------------------------------------


def test_the_jobs_of_a_lost_node_go_to_another_in_order(any_bench: DispatchBench) -> None:
    bench = any_bench
    bench.session()
    bench.node("n", slots=3)
    cuts = [bench.cut(index=index) for index in range(3)]
    bench.tell(*cuts)
    bench.node("other", slots=3)
    bench.tell(lose(bench, "n"))
    assert bench.assigned("other") == [(cut.spec.job_id, 2) for cut in cuts]
    bench.tell(*(bench.result(cut, "other", attempt=2) for cut in cuts))
    assert bench.ends_of() == [(index, DONE, None) for index in range(3)]


def test_results_of_the_node_that_was_lost_reach_nobody(bench: DispatchBench) -> None:
    bench.session()
    bench.node("n")
    cut = bench.cut()
    bench.tell(cut)
    bench.node("other")
    bench.tell(lose(bench, "n"))
    bench.tell(bench.result(cut, "n", attempt=1, text_asr="too late"))
    assert bench.ends_of() == []
    bench.tell(bench.result(cut, "other", attempt=2))
    assert bench.ends_of() == [(0, DONE, None)]


def test_without_another_node_the_job_waits_for_one(bench: DispatchBench) -> None:
    session = bench.session()
    bench.node("n")
    cut = bench.cut()
    bench.tell(cut)
    bench.tell(lose(bench, "n"))
    assert session.only(JobQueued).job_id == JOB
    bench.node("other")
    assert bench.assigned("other") == [(JOB, 2)]


def test_attempts_are_exhausted_after_the_last_node(bench: DispatchBench) -> None:
    bench.session()
    cut = bench.cut()
    for name in ("a", "b", "c"):
        bench.node(name)
    bench.tell(cut)
    for _ in range(3):
        [holder] = [name for name in bench.nodes if bench.world.slots(name)]
        bench.tell(lose(bench, holder))
    assert bench.ends_of() == [(0, FAILED, "node_lost")]
    assert len(bench.ends.open_jobs) == 0


def test_a_loss_that_crosses_the_way_back_in_the_same_batch(bench: DispatchBench) -> None:
    session = bench.session()
    node = bench.node("n")
    cut = bench.cut()
    bench.tell(cut)
    lost = NodeLost(NodeId("n"), node.only(NodeAccepted).epoch)
    bench.tell(lost, bench.arrived("n"))
    assert bench.assigned("n") == [(JOB, 1), (JOB, 2)]
    bench.tell(bench.result(cut, attempt=2))
    assert bench.ends_of() == [(0, DONE, None)]
    assert len(session.of(JobDispatched)) == 2


def test_the_late_loss_of_a_replaced_connection_removes_nothing(bench: DispatchBench) -> None:
    bench.session()
    node = bench.node("n")
    cut = bench.cut()
    bench.tell(cut)
    old = NodeLost(NodeId("n"), node.only(NodeAccepted).epoch)
    bench.tell(bench.arrived("n"))
    bench.tell(old)
    assert bench.assigned("n") == [(JOB, 1)]
    bench.tell(bench.result(cut))
    assert bench.ends_of() == [(0, DONE, None)]


def test_a_node_that_left_before_it_knew_its_epoch_leaves_the_choice(bench: DispatchBench) -> None:
    """Its actor was told too late, so that its own word carries an epoch that never was."""
    bench.session()
    bench.node("n")
    bench.leave("n")
    bench.tell(NodeLost(NodeId("n"), 0))
    assert bench.world.online_nodes() == []
    assert bench.parts.nodes.epochs == {}


def test_a_node_that_left_while_its_registration_was_under_way_is_taken_off(
    bench: DispatchBench,
) -> None:
    bench.node("n")
    bench.tell(lose(bench, "n"))
    bench.tell(bench.arrived("n"))
    assert bench.world.online_nodes() == []


def test_a_node_that_is_gone_does_not_get_its_job_back(bench: DispatchBench) -> None:
    """The actor has ended, and what it told is behind this batch."""
    session = bench.session()
    bench.node("n")
    lost = lose(bench, "n")
    bench.tell(bench.cut())
    assert session.only(JobQueued).job_id == JOB
    bench.tell(lost)
    bench.node("other")
    assert bench.assigned("other") == [(JOB, 2)]


# ---- nodes that say something ---------------------------------------------------------------


def test_other_languages_count_at_once(bench: DispatchBench) -> None:
    session, node = bench.session(), bench.node("n")
    epoch = node.only(NodeAccepted).epoch
    bench.tell(NodeChanged(NodeId("n"), epoch, Languages(asr=("de",), semantic=("es",))))
    bench.tell(bench.cut())
    assert session.only(JobQueued).job_id == JOB
    both = Languages(asr=("de", "en"), semantic=("es",))
    bench.tell(NodeChanged(NodeId("n"), epoch, both))
    assert bench.assigned("n") == [(JOB, 1)]


def test_a_node_that_the_store_does_not_know_is_told_so(bench: DispatchBench) -> None:
    node = bench.node("n")
    epoch = node.only(NodeAccepted).epoch
    bench.tell(NodeBeat(NodeId("n"), epoch - 1, overloaded=False))
    bench.tell(NodeChanged(NodeId("n"), epoch - 1, Languages()))
    assert [told.epoch for told in node.of(NodeUnknown)] == [epoch - 1, epoch - 1]


def test_many_beats_are_one_script(bench: DispatchBench) -> None:
    epochs = {name: bench.node(name).only(NodeAccepted).epoch for name in "abc"}
    bench.tell(*(NodeBeat(NodeId(name), epochs[name], overloaded=True) for name in "abc" * 2))
    assert bench.store.count("heartbeat") == 1


# ---- what the owner ends --------------------------------------------------------------------


def test_a_job_that_is_ended_by_its_session_is_withdrawn(bench: DispatchBench) -> None:
    session, node = bench.session(), bench.node()
    cut = bench.cut()
    bench.tell(cut)
    bench.tell(EndJob(cut.spec.job_id, JobState.CANCELLED, MissingReason.SESSION_CLOSED))
    assert bench.ends_of() == [(0, JobState.CANCELLED, "session_closed")]
    assert node.only(WithdrawJob).reason == "session_closed"
    bench.tell(bench.result(cut))
    assert len(bench.ends_of()) == 1
    assert session.of(SessionClaimed)


def test_an_end_that_crosses_a_move_is_not_lost(bench: DispatchBench) -> None:
    """The move runs first: the job has another attempt when its end is tried."""
    bench.session()
    bench.node("n")
    cut = bench.cut()
    bench.tell(cut)
    bench.node("other")
    bench.sessions["s"].answers = False
    end = EndJob(cut.spec.job_id, JobState.CANCELLED, MissingReason.SESSION_CLOSED)
    bench.tell(bench.failure(cut, code="MODEL_NOT_AVAILABLE"), end)
    assert bench.ends_of() == [(0, JobState.CANCELLED, "session_closed")]
    assert bench.state_of(cut) is JobState.CANCELLED
    assert len(bench.ends.open_jobs) == 0


def test_an_end_for_an_unknown_job_is_nothing(bench: DispatchBench) -> None:
    bench.session()
    cut = bench.cut()
    bench.tell(EndJob(cut.spec.job_id, JobState.CANCELLED, MissingReason.SESSION_CLOSED))
    assert bench.ends_of() == []


# ---- missing models -------------------------------------------------------------------------


def test_a_missing_model_moves_the_job_and_spares_the_node(bench: DispatchBench) -> None:
    bench.session()
    bench.node("n")
    bench.node("other", slots=2)
    cut = bench.cut()
    bench.tell(cut)
    first, other = first_and_other(bench)
    bench.tell(bench.failure(cut, first, code="MODEL_NOT_AVAILABLE"))
    assert bench.assigned(other) == [(JOB, 2)]
    bench.tell(bench.failure(cut, first, code="MODEL_NOT_AVAILABLE"))  # repeated
    bench.tell(bench.result(cut, other, attempt=2))
    assert bench.ends_of() == [(0, DONE, None)]


def test_a_model_that_no_node_has_is_the_outcome(bench: DispatchBench) -> None:
    bench.session()
    cut = bench.cut()
    for name in ("a", "b", "c"):
        bench.node(name)
    bench.tell(cut)
    for attempt in (1, 2, 3):
        [holder] = [name for name in bench.nodes if bench.world.slots(name)]
        refusal = bench.failure(cut, holder, attempt, code="MODEL_NOT_AVAILABLE")
        bench.tell(refusal)
    assert bench.ends_of() == [(0, FAILED, "model_not_available")]


# ---- turns ----------------------------------------------------------------------------------


def test_the_audio_goes_with_each_attempt(bench: DispatchBench) -> None:
    bench.session()
    bench.node("n")
    cut = bench.cut()
    bench.tell(cut)
    other = bench.node("other")
    bench.tell(lose(bench, "n"))
    assert other.only(AssignJob).audio == cut.audio


def test_audio_that_comes_too_late_reaches_no_node(bench: DispatchBench) -> None:
    session = bench.session()
    bench.node("n")
    cut = bench.cut()
    bench.tell(cut)
    other = bench.node("other")
    session.answers = False
    bench.tell(lose(bench, "n"))
    bench.tell(EndJob(cut.spec.job_id, JobState.CANCELLED, MissingReason.SESSION_CLOSED))
    session.answers = True
    bench.tell(NodeBeat(NodeId("other"), other.only(NodeAccepted).epoch, overloaded=False))
    assert other.of(AssignJob) == []
    assert bench.claims.epoch(SessionId("s")) > 0


def test_words_that_got_a_slot_are_not_overtaken_while_their_audio_is_on_its_way(
    any_bench: DispatchBench,
) -> None:
    """A node takes a session's utterances in their order only."""
    bench = any_bench
    bench.session()
    bench.session("other")
    bench.node("n", slots=1)
    busy = bench.cut("other")
    first = bench.cut(index=0, turn_id="turn", turn_part=0, turn_continues=True)
    second = bench.cut(index=1, turn_id="turn", turn_part=1)
    bench.tell(busy)
    bench.tell(first)
    bench.tell(bench.result(busy), second)  # the slot goes to the first, the second joins it
    assert bench.assigned() == [(cut.spec.job_id, 1) for cut in (busy, first, second)]


def test_a_job_whose_session_is_gone_leaves_its_line_here(
    bench: DispatchBench, log_records: list[dict[str, Any]]
) -> None:
    session = bench.session()
    bench.node()
    cut = bench.cut()
    bench.tell(cut)
    session.is_dead = True
    bench.tell(EndJob(cut.spec.job_id, FAILED, MissingReason.PROCESSING_ERROR))
    lines = [one for one in log_records if one["message"].startswith("utterance ends without")]
    [line] = lines
    said = line["extra"]
    assert (said["job_id"], said["node_id"], said["reason"]) == (JOB, "n", "processing_error")
    assert (said["waited_for"], line["level"].name) == (cut.spec.requirement, "INFO")
