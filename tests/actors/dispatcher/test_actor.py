"""From a cut to a node and back, through the real scripts."""

from actors.messages.job import (
    AssignJob,
    JobAccepted,
    JobDispatched,
    JobEnded,
    JobProgressed,
    JobQueued,
    JobUndelivered,
    ResultReplaced,
    WithdrawJob,
)
from actors.messages.session import SessionClaimed, SessionEnded
from protocol.ids import JobId, NodeId, SessionId
from storage.job import JobState
from storage.job_limits import JobLimits
from tests.actors.conftest import OpenBench
from tests.actors.support.dispatch_bench import DispatchBench
from tests.actors.support.job_names import DONE, EMPTY, FAILED


def test_a_cut_goes_to_a_node_and_its_result_to_the_session(any_bench: DispatchBench) -> None:
    bench = any_bench
    session, node = bench.session(), bench.node()
    cut = bench.cut()
    bench.tell(cut)
    told = node.only(AssignJob)
    assert (told.spec.job_id, told.attempt, told.audio) == (cut.spec.job_id, 1, cut.audio)
    assert session.only(JobDispatched).node_id == "n"
    bench.tell(bench.result(cut))
    end = session.only(JobEnded)
    assert (end.state, end.reason, end.attempt, end.node_id) == (DONE, None, 1, "n")
    assert end.result is not None
    assert end.result.text_translated == "hola"
    assert bench.state_of(cut) is DONE
    assert len(bench.ends.open_jobs) == 0


def test_what_waits_in_the_mailbox_is_one_round_trip(bench: DispatchBench) -> None:
    bench.session()
    bench.node(slots=5)
    bench.store.round_trips.clear()
    bench.tell(*(bench.cut(index=index) for index in range(5)))
    assert bench.store.round_trips == [["dispatch_task"] * 5]


def test_first_words_in_the_same_batch_as_the_session_are_dispatched_in_order(
    bench: DispatchBench,
) -> None:
    bench.node(slots=3)
    session = bench.session(open_it=False)
    bench.tell(bench.opened("s"), *(bench.cut(index=index) for index in range(3)))
    assert [job for job, _ in bench.assigned()] == [f"job-s-{index}-es" for index in range(3)]
    assert session.only(SessionClaimed).epoch > 0


def test_words_behind_a_claim_that_runs_in_the_same_batch_keep_their_order(
    bench: DispatchBench,
) -> None:
    """A session that opens again (the store was emptied) gets another epoch meanwhile."""
    session = bench.session()
    bench.node(slots=4)
    first, second, third = (bench.segment(part) for part in range(3))
    bench.tell(first, bench.opened("s"), second, third)
    assert [job for job, _ in bench.assigned()] == [
        cut.spec.job_id for cut in (first, second, third)
    ]
    assert len(session.of(JobEnded)) == 0


def test_without_a_free_node_the_job_waits_and_the_session_knows_how_long(
    any_bench: DispatchBench,
) -> None:
    bench = any_bench
    session = bench.session()
    bench.node()
    first, second = bench.cut(index=0), bench.cut(index=1)
    bench.tell(first, second)
    assert session.only(JobQueued).job_id == second.spec.job_id
    assert session.only(JobQueued).wait_ms_estimate <= 10_000
    bench.tell(bench.result(first))
    assert bench.assigned() == [(first.spec.job_id, 1), (second.spec.job_id, 1)]
    bench.tell(bench.result(second))
    assert bench.ends_of() == [(0, DONE, None), (1, DONE, None)]


def test_a_job_that_waits_too_long_ends_at_its_time(bench: DispatchBench) -> None:
    session = bench.session()
    cut = bench.cut()
    bench.tell(cut)
    bench.pass_time(9_990)
    assert session.of(JobEnded) == []
    bench.pass_time(30)
    assert bench.ends_of() == [(0, FAILED, "no_available_node")]
    assert len(bench.ends.open_jobs) == 0


def test_a_full_queue_refuses_at_once(open_bench: OpenBench) -> None:
    bench = open_bench(limits=JobLimits(max_queued_per_session=2))
    bench.session()
    bench.tell(*(bench.cut(index=index) for index in range(3)))
    assert bench.ends_of() == [(2, FAILED, "queue_full")]


def test_an_empty_result_is_silence(bench: DispatchBench) -> None:
    bench.session()
    bench.node()
    cut = bench.cut()
    bench.tell(cut)
    bench.tell(bench.empty(cut))
    assert bench.ends_of() == [(0, EMPTY, "silence_detected")]
    assert bench.state_of(cut) is EMPTY


def test_a_failure_of_the_node_is_an_outcome(bench: DispatchBench) -> None:
    bench.session()
    bench.node()
    cut = bench.cut()
    bench.tell(cut)
    bench.tell(bench.failure(cut))
    assert bench.ends_of() == [(0, FAILED, "processing_error")]


def test_results_that_do_not_count_change_nothing(bench: DispatchBench) -> None:
    session, _, _ = bench.session(), bench.node("n"), bench.node("other")
    cut = bench.cut()
    bench.tell(cut)
    wrong_node = bench.result(cut, "other" if bench.assigned("n") else "n")
    right_node = "n" if bench.assigned("n") else "other"
    bench.tell(wrong_node, bench.result(cut, right_node, attempt=2))
    assert session.of(JobEnded) == []
    bench.tell(bench.result(cut, right_node), bench.result(cut, right_node))
    bench.tell(bench.result(cut, right_node))
    assert bench.ends_of() == [(0, DONE, None)]
    assert bench.metrics.stale_results == 4


def test_a_result_for_an_unknown_job_changes_nothing(bench: DispatchBench) -> None:
    bench.session()
    bench.tell(bench.result(bench.cut()))
    assert bench.metrics.stale_results == 1


def test_a_full_result_behind_an_empty_one_replaces_it(bench: DispatchBench) -> None:
    session = bench.session()
    bench.node(slots=2)
    one, two = bench.cut(index=0), bench.cut(index=1)
    bench.tell(one, two)
    bench.tell(bench.empty(one), bench.result(one))  # in the same batch
    bench.tell(bench.empty(two))
    bench.tell(bench.result(two), bench.result(two))  # later, and then repeated
    assert [told.job_id for told in session.of(ResultReplaced)] == [
        one.spec.job_id,
        two.spec.job_id,
    ]
    assert bench.metrics.stale_results == 1


def test_an_empty_result_behind_a_full_one_replaces_nothing(bench: DispatchBench) -> None:
    session = bench.session()
    bench.node()
    cut = bench.cut()
    bench.tell(cut)
    bench.tell(bench.result(cut), bench.empty(cut))
    assert bench.ends_of() == [(0, DONE, None)]
    assert session.of(ResultReplaced) == []


def test_the_session_hears_that_its_node_took_the_job_once(bench: DispatchBench) -> None:
    session = bench.session()
    bench.node()
    cut = bench.cut()
    bench.tell(cut)
    ack = JobAccepted(cut.spec.job_id, 1, NodeId("n"), started=False)
    bench.tell(ack, ack)
    bench.tell(JobAccepted(cut.spec.job_id, 1, NodeId("n"), started=True))
    assert len(session.of(JobProgressed)) == 1
    assert bench.state_of(cut) is JobState.RUNNING


def test_an_ack_of_another_node_or_attempt_is_nothing(bench: DispatchBench) -> None:
    session = bench.session()
    bench.node()
    cut = bench.cut()
    bench.tell(cut)
    bench.tell(
        JobAccepted(cut.spec.job_id, 2, NodeId("n"), started=False),
        JobAccepted(cut.spec.job_id, 1, NodeId("x"), started=False),
        JobAccepted(JobId("unknown"), 1, NodeId("n"), started=False),
    )
    assert session.of(JobProgressed) == []


def test_an_assignment_that_was_not_written_goes_elsewhere(bench: DispatchBench) -> None:
    bench.session()
    bench.node("n")
    bench.node("other")
    cut = bench.cut()
    bench.tell(cut)
    first, second = ("n", "other") if bench.assigned("n") else ("other", "n")
    bench.tell(JobUndelivered(cut.spec.job_id, 1, NodeId(first)))
    assert bench.assigned(second) == [(cut.spec.job_id, 2)]
    bench.tell(JobUndelivered(cut.spec.job_id, 1, NodeId(first)))  # known by now
    assert bench.assigned(second) == [(cut.spec.job_id, 2)]
    bench.tell(bench.result(cut, second, attempt=2))
    assert bench.ends_of() == [(0, DONE, None)]


def test_a_node_whose_actor_is_gone_costs_an_attempt_not_the_words(bench: DispatchBench) -> None:
    bench.session()
    bench.node("n")
    bench.leave("n")
    bench.tell(bench.cut())
    assert bench.ends_of() == []
    bench.node("other")
    assert bench.assigned("other") == [("job-s-0-es", 2)]


def test_a_job_whose_session_died_is_cancelled(bench: DispatchBench) -> None:
    session, node = bench.session(), bench.node()
    cut = bench.cut()
    session.is_dead = True
    bench.tell(cut)
    assert bench.state_of(cut) is JobState.CANCELLED
    assert node.only(WithdrawJob).reason == "session_closed"
    assert len(bench.ends.open_jobs) == 0


def test_waiting_jobs_of_a_session_that_died_leave_the_queue(bench: DispatchBench) -> None:
    session = bench.session()
    cut = bench.cut()
    session.is_dead = True
    bench.tell(cut)
    assert bench.state_of(cut) is JobState.CANCELLED
    bench.node()
    assert bench.assigned() == []


def test_a_session_that_is_over_leaves_nothing(any_bench: DispatchBench) -> None:
    bench = any_bench
    bench.session()
    bench.tell(SessionEnded(SessionId("s")))
    assert bench.world.command("EXISTS", "session:s") == 0
    assert len(bench.claims) == 0


def test_a_session_that_opens_and_ends_in_one_batch_leaves_nothing(bench: DispatchBench) -> None:
    """Its record would be kept alive with the instance's beat, for ever."""
    bench.session(open_it=False)
    bench.tell(bench.opened("s"), SessionEnded(SessionId("s")))
    assert bench.world.command("EXISTS", "session:s") == 0
    assert bench.world.command("ZCARD", "inst:i1:sessions") == 0
    assert bench.claims.epoch(SessionId("s")) == 0


def test_words_of_a_session_that_is_over_do_not_reach_a_node(bench: DispatchBench) -> None:
    node = bench.node()
    bench.session()
    bench.tell(SessionEnded(SessionId("s")))
    bench.directory.remove_session(SessionId("s"), bench.sessions["s"])
    bench.tell(bench.cut())
    assert bench.ends_of() == [(0, JobState.CANCELLED, "session_closed")]
    assert node.of(AssignJob) == []


def test_outcomes_of_a_session_that_nobody_can_resume_are_not_recorded(
    bench: DispatchBench,
) -> None:
    bench.session()
    bench.node()
    for index, number in enumerate((1, 0)):
        cut = bench.cut(index=index, cut=number)
        bench.tell(cut)
        bench.tell(bench.result(cut))
    assert len(bench.world.stream("out:s")) == 1


def test_a_node_with_many_slots_gets_all_that_waits_in_a_moment(bench: DispatchBench) -> None:
    """One script hands over a bounded number; a node with 1,000 slots got that much a second."""
    names = [f"s{number}" for number in range(20)]
    for name in names:
        bench.session(name)
    bench.tell(*(bench.cut(name, index) for name in names for index in range(15)))
    bench.node(slots=1000)
    bench.pass_time(100)
    assert len(bench.assigned()) == 20 * 15
    sweeps = bench.store.count("sweep")
    bench.pass_time(500)
    assert bench.store.count("sweep") <= sweeps + 1, "it asks only while there is something"
