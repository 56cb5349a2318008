"""complete_task: a job ends once, and its slot goes to who waited longest in fairness."""

from protocol.ids import InstanceId, JobId, NodeId
from storage.job import JobState
from storage.job_limits import JobLimits
from storage.replies.job import Assigned, Completed, Duplicate, Gone, Queued, Stale
from tests.support.storage_world import START_MS, World


def test_a_finished_job_frees_its_slot(world: World) -> None:
    world.node("n1")
    world.dispatch("s", 1)
    assert world.complete("job-s-1-es", "n1", processing_ms=420) == Completed(JobState.DONE, ())
    assert world.slots("n1") == {}
    record = world.job("job-s-1-es")
    assert (record.state, record.due_at_ms) == (JobState.DONE, 0)
    assert isinstance(world.dispatch("s", 2), Assigned)


def test_an_end_is_told_once(world: World) -> None:
    world.node("n1")
    world.dispatch("s", 1)
    world.complete("job-s-1-es", "n1")
    again = world.complete("job-s-1-es", "n1", state=JobState.FAILED, reason="processing_error")
    assert isinstance(again, Duplicate)
    assert again.state is JobState.DONE
    assert world.job("job-s-1-es").reason is None


def test_a_reason_is_kept(world: World) -> None:
    world.node("n1")
    world.dispatch("s", 1)
    world.complete("job-s-1-es", "n1", state=JobState.EMPTY, reason="silence_detected")
    assert world.job("job-s-1-es").reason == "silence_detected"


def test_a_result_of_another_attempt_or_node_is_stale(world: World) -> None:
    world.node("n1")
    world.node("n2")
    world.dispatch("s", 1)
    world.failover("job-s-1-es", "n1", exclude_node=True)
    assert world.complete("job-s-1-es", "n1", attempt=1) == Stale(2)
    assert world.complete("job-s-1-es", "n1", attempt=2) == Stale(2)
    assert isinstance(world.complete("job-s-1-es", "n2", attempt=2), Completed)


def test_a_result_by_another_instance_than_the_owner_is_stale(world: World) -> None:
    world.beat("i2")
    world.node("n1")
    world.dispatch("s", 1)
    assert world.complete("job-s-1-es", "n1", owner="i2") == Stale(1)


def test_an_unknown_job_is_gone(world: World) -> None:
    assert world.complete("nothing", "n1") == Gone()


def test_the_owner_ends_a_job_wherever_it_is(world: World) -> None:
    world.node("n1")
    world.dispatch("s", 1)
    world.dispatch("s", 2)
    cancelled = {"state": JobState.CANCELLED, "reason": "session_closed"}
    assert world.complete("job-s-2-es", None, **cancelled) == Completed(JobState.CANCELLED, ())
    assert world.complete("job-s-1-es", None, **cancelled) == Completed(JobState.CANCELLED, ())
    assert world.slots("n1") == {}


def test_a_full_result_after_an_empty_one_marks_the_record(world: World) -> None:
    world.node("n1")
    world.dispatch("s", 1)
    world.complete("job-s-1-es", "n1", state=JobState.EMPTY)
    assert world.complete("job-s-1-es", "n1").state is JobState.EMPTY
    record = world.job("job-s-1-es")
    assert (record.state, record.replaced) == (JobState.EMPTY, True)


def test_the_slot_goes_to_a_waiting_job_in_the_same_step(world: World) -> None:
    world.node("n1")
    world.dispatch("s", 1)
    world.dispatch("s2", 1)
    world.wait(5000)
    reply = world.complete("job-s-1-es", "n1")
    assert reply.handovers == (
        Assigned(JobId("job-s2-1-es"), 1, NodeId("n1"), InstanceId("i1"), START_MS, 30000),
    )
    assert world.job("job-s2-1-es").state is JobState.ASSIGNED


def test_the_fairest_of_all_queues_that_the_node_can_serve_gets_the_slot(world: World) -> None:
    world.node("n1", asr=["en", "de"], semantic=["es"])
    world.dispatch("s", 1)
    world.dispatch("x", 1, requirement="a:fr,s:es")
    world.wait(10)
    world.dispatch("g", 1, requirement="a:de,s:es")
    world.wait(10)
    world.dispatch("e", 1)
    [first] = world.complete("job-s-1-es", "n1").handovers
    [second] = world.complete(first.job_id, "n1").handovers
    assert [first.job_id, second.job_id] == ["job-g-1-es", "job-e-1-es"]
    assert world.complete(second.job_id, "n1").handovers == ()


def test_a_job_of_another_instance_gets_its_slot_by_mailbox(world: World) -> None:
    world.beat("i2")
    world.node("n1")
    world.dispatch("s", 1)
    world.session("s2", owner="i2")
    world.dispatch("s2", 1, owner="i2")
    assert world.complete("job-s-1-es", "n1").handovers == ()
    [[_, note]] = world.notes("i2")
    assert note == {
        "kind": "assigned",
        "job": "job-s2-1-es",
        "attempt": "1",
        "node": "n1",
        "instance": "i1",
        "epoch": str(START_MS),
        "due_ms": "30000",
        "turned": "0",
    }


def test_a_job_whose_instance_has_lost_its_lease_is_passed_over(world: World) -> None:
    world.beat("i2", lease_ms=1000)
    world.node("n1")
    world.dispatch("s", 1)
    world.session("s2", owner="i2")
    world.dispatch("s2", 1, owner="i2")
    world.wait(2000)
    world.dispatch("s", 2)
    [given] = world.complete("job-s-1-es", "n1").handovers
    assert given.job_id == "job-s-2-es"


def test_a_waiting_job_past_its_deadline_gets_no_slot(world: World) -> None:
    world.node("n1")
    world.dispatch("s", 1)
    world.dispatch("s2", 1, deadline_in_ms=1000)
    world.wait(1000)
    assert world.complete("job-s-1-es", "n1").handovers == ()


def test_expired_records_do_not_stop_a_queue(world: World) -> None:
    world.node("n1")
    world.dispatch("s", 1)
    world.dispatch("s", 2)
    world.dispatch("s", 3)
    world.forget_job("job-s-2-es")
    [given] = world.complete("job-s-1-es", "n1").handovers
    assert given.job_id == "job-s-3-es"
    assert world.complete("job-s-3-es", "n1").handovers == ()
    world.command("SREM", "session:s:jobs", "job-s-2-es")
    world.command("SREM", "session:s:queued", "job-s-2-es")
    world.command("ZREM", "inst:i1:jobs", "job-s-2-es")
    world.command("ZREM", "jobs:queued", "job-s-2-es")


def test_a_draining_node_gets_nothing_from_the_queue(world: World) -> None:
    world.node("n1")
    world.dispatch("s", 1)
    world.dispatch("s", 2)
    world.update("n1", draining=True)
    assert world.complete("job-s-1-es", "n1").handovers == ()
    assert isinstance(world.dispatch("s", 3), Queued)


def test_an_outcome_is_recorded_with_the_end(world: World) -> None:

    world.node("n1")
    world.dispatch("s", 1, cut=1)
    world.complete("job-s-1-es", "n1", outcome='{"text":"hola"}')
    [[_, entry]] = world.stream("out:s")
    assert entry == {
        "job": "job-s-1-es",
        "index": "1",
        "language": "es",
        "cut": "1",
        "outcome": '{"text":"hola"}',
    }
    assert 0 < world.command("PTTL", "out:s") <= JobLimits().record_outcomes_ttl_ms


def test_at_most_200_outcomes_are_kept(world: World) -> None:
    world.node("n1")
    for index in range(205):
        world.dispatch("s", index, cut=index + 1)
        world.complete(f"job-s-{index}-es", "n1", outcome="{}")
    assert world.command("XLEN", "out:s") == 200


def test_no_outcome_is_recorded_for_a_session_that_nobody_can_resume(world: World) -> None:
    world.node("n1")
    world.dispatch("s", 1)
    world.complete("job-s-1-es", "n1", outcome="{}")
    assert world.command("EXISTS", "out:s") == 0


def test_a_suspect_node_is_trusted_again_when_it_finishes_something(world: World) -> None:
    world.node("hung", slots=2)
    world.wait(1)
    world.node("fine", slots=2)
    world.dispatch("s", 1)
    world.failover("job-s-1-es", "hung", reason="job_timeout", exclude_node=True)
    assert [world.dispatch(f"s{n}", 1).node_id for n in range(2)] == ["fine", "hung"]
    world.complete("job-s1-1-es", "hung")
    assert world.dispatch("s9", 1).node_id == "hung"
