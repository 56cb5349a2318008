"""failover_job: another node, another attempt, until there is none left."""

import pytest

from protocol.ids import InstanceId, JobId, NodeId
from storage.job import JobState
from storage.job_limits import JobLimits
from storage.jobs import Failover
from storage.replies.job import Assigned, Duplicate, GivenUp, Gone, Queued, Stale
from tests.support.storage_world import START_MS, World


def test_a_job_moves_to_another_node_with_the_next_attempt(world: World) -> None:
    world.node("n1")
    world.node("n2")
    world.dispatch("s", 1)
    world.wait(500)
    reply = world.failover("job-s-1-es", "n1", exclude_node=True)
    assert reply == Assigned(
        JobId("job-s-1-es"), 2, NodeId("n2"), InstanceId("i1"), START_MS, 30000
    )
    record = world.job("job-s-1-es")
    assert record.excluded_nodes == ("n1",)
    assert [(step.event, step.attempt, step.node_id) for step in record.timeline] == [
        ("created", 1, None),
        ("assigned", 1, "n1"),
        ("node_lost", 1, "n1"),
        ("assigned", 2, "n2"),
    ]
    assert [step.at_ms - START_MS for step in record.timeline] == [0, 0, 500, 500]


def test_a_repeated_failover_moves_the_job_once(world: World) -> None:
    world.node("n1")
    world.node("n2")
    world.node("n3")
    world.dispatch("s", 1)
    world.failover("job-s-1-es", "n1", exclude_node=True)
    again = world.failover("job-s-1-es", "n1", exclude_node=True)
    assert isinstance(again, Duplicate)
    assert (again.attempt, again.node_id, again.state) == (2, "n2", JobState.ASSIGNED)


def test_the_slot_it_leaves_goes_to_a_waiting_job(world: World) -> None:
    world.node("n1")
    world.dispatch("s", 1)
    world.dispatch("s2", 1)
    reply = world.failover("job-s-1-es", "n1", reason="job_timeout", exclude_node=True)
    assert isinstance(reply, Assigned)
    assert reply.node_id == "n1", "no other node is registered at all"
    world.complete("job-s-1-es", "n1", attempt=2)
    world.node("n2")
    third = world.dispatch("s3", 1)
    assert third.node_id == "n2"
    moved = world.failover("job-s2-1-es", "n1", reason="job_timeout", exclude_node=True)
    assert isinstance(moved, Queued)
    assert isinstance(world.dispatch("s4", 1), Assigned)


def test_handovers_come_with_a_failover_that_must_wait(world: World) -> None:
    world.node("n1")
    world.node("n2")
    world.dispatch("s1", 1)
    world.dispatch("s2", 1)
    world.dispatch("s3", 1)
    reply = world.failover("job-s1-1-es", "n1", exclude_node=True)
    assert isinstance(reply, Queued)
    assert [job.job_id for job in reply.handovers] == ["job-s3-1-es"]


def test_a_job_avoids_the_node_that_lost_it_while_another_is_registered(world: World) -> None:
    world.node("n1")
    world.node("n2")
    world.dispatch("s", 1)
    world.dispatch("s2", 1)
    assert isinstance(world.failover("job-s-1-es", "n1", exclude_node=True), Queued)
    assert world.sweep().handovers == ()
    [given] = world.complete("job-s2-1-es", "n2").handovers
    assert given.node_id == "n2"


def test_it_returns_there_when_no_other_node_is_registered_any_more(world: World) -> None:
    world.node("n1")
    world.node("n2")
    world.dispatch("s", 1)
    world.dispatch("s2", 1)
    world.failover("job-s-1-es", "n1", exclude_node=True)
    world.offline("n2")
    [given] = world.sweep().handovers
    assert (given.job_id, given.node_id, given.attempt) == ("job-s-1-es", "n1", 2)


def test_attempts_are_bounded(world: World) -> None:
    for number in range(4):
        world.node(f"n{number}")
    reply = world.dispatch("s", 1, cut=1)
    for attempt in (1, 2):
        reply = world.failover("job-s-1-es", reply.node_id, attempt=attempt, exclude_node=True)
        assert reply.attempt == attempt + 1
    last = world.failover(
        "job-s-1-es", reply.node_id, attempt=3, exclude_node=True, outcome='{"r":1}'
    )
    assert last == GivenUp("node_lost", ())
    record = world.job("job-s-1-es")
    assert (record.state, record.attempt, record.reason) == (JobState.FAILED, 3, "node_lost")
    assert world.command("XLEN", "out:s") == 1
    assert isinstance(world.failover("job-s-1-es", "n3", attempt=3), Duplicate)


def test_past_its_deadline_a_job_is_given_up(world: World) -> None:
    world.node("n1")
    world.node("n2")
    world.dispatch("s", 1, deadline_in_ms=5000)
    world.dispatch("s2", 1)
    world.dispatch("s3", 1)
    world.wait(5000)
    reply = world.failover("job-s-1-es", "n1", reason="job_timeout")
    assert isinstance(reply, GivenUp)
    assert [job.job_id for job in reply.handovers] == ["job-s3-1-es"]


def test_a_waiting_job_past_its_deadline_is_given_up_too(world: World) -> None:
    world.dispatch("s", 1, deadline_in_ms=5000)
    world.wait(5000)
    assert world.failover("job-s-1-es", None) == GivenUp("node_lost", ())


def test_a_job_that_must_wait_again_waits_no_longer_than_its_deadline(world: World) -> None:
    world.node("n1")
    world.dispatch("s", 1, deadline_in_ms=12_000)
    world.offline("n1")
    world.wait(5000)
    assert world.failover("job-s-1-es", "n1").due_in_ms == 7000


def test_a_requeued_job_keeps_its_place_in_fairness(world: World) -> None:
    world.node("n1")
    world.dispatch("s", 1)
    world.wait(100)
    world.dispatch("s2", 1)
    world.offline("n1")
    assert world.failover("job-s-1-es", "n1", exclude_node=True).position == 0


def test_a_missing_model_keeps_its_node_from_that_pair_for_a_while(world: World) -> None:
    world.node("n1", semantic=["es", "fr"], slots=4)
    world.dispatch("s", 1)
    waits = world.failover(
        "job-s-1-es", "n1", reason="model_not_available", exclude_node=False, penalty_ms=60_000
    )
    assert isinstance(waits, Queued)
    assert isinstance(world.dispatch("s2", 1), Queued)
    other = world.dispatch("s3", 1, language="fr", requirement="a:en,s:fr", preference="t:fr")
    assert other.node_id == "n1"
    world.wait(60_000)
    world.beat()
    assert [job.job_id for job in world.sweep().handovers] == ["job-s-1-es", "job-s2-1-es"]


def test_a_lapsed_penalty_is_noticed_by_a_heartbeat(world: World) -> None:
    world.node("n1")
    world.dispatch("s", 1)
    world.failover("job-s-1-es", "n1", reason="model_not_available", penalty_ms=5000)
    world.wait(4999)
    assert world.heartbeat("n1").handovers == ()
    world.wait(1)
    assert [job.job_id for job in world.heartbeat("n1").handovers] == ["job-s-1-es"]


def test_an_older_attempt_is_stale(world: World) -> None:
    for number in range(4):
        world.node(f"n{number}")
    reply = world.dispatch("s", 1)
    for attempt in (1, 2):
        reply = world.failover("job-s-1-es", reply.node_id, attempt=attempt, exclude_node=True)
    assert world.failover("job-s-1-es", "n0", attempt=1) == Stale(3)


def test_only_the_owner_drives_a_job(world: World) -> None:
    world.beat("i2")
    world.node("n1")
    world.dispatch("s", 1)
    assert world.failover("job-s-1-es", "n1", owner="i2") == Stale(1)


def test_an_unknown_job_is_gone(world: World) -> None:
    assert world.failover("nothing", "n1") == Gone()


def test_a_late_failover_of_a_job_that_waits_by_now_changes_nothing(world: World) -> None:
    world.dispatch("s", 1)
    reply = world.failover("job-s-1-es", "n1")
    assert isinstance(reply, Duplicate)
    assert reply.state is JobState.QUEUED


@pytest.mark.parametrize("max_attempts", [1, 2])
def test_the_callers_bound_counts(world: World, max_attempts: int) -> None:
    world.node("n1")
    world.node("n2")
    world.dispatch("s", 1)
    jobs = world.member("i1", JobLimits(max_attempts=max_attempts)).jobs
    reply = world.do(
        jobs.failover(
            Failover(JobId("job-s-1-es"), 1, NodeId("n1"), "node_lost", exclude_node=True)
        )
    )
    assert isinstance(reply, GivenUp) == (max_attempts == 1)


def test_an_overtaken_job_may_stay_where_it_is_with_the_next_attempt(world: World) -> None:
    world.node("n1")
    world.dispatch("s", 1)
    reply = world.failover("job-s-1-es", "n1", reason="overtaken")
    assert isinstance(reply, Assigned)
    assert (reply.attempt, reply.node_id) == (2, "n1")
    assert world.job("job-s-1-es").excluded_nodes == ()
    assert len(world.slots("n1")) == 1


def test_an_overtaken_turn_stays_together_in_its_order(world: World) -> None:
    world.node("n1", slots=1)
    for part in range(2):
        world.segment("s", part, part)
    replies = [world.failover(f"job-s-{part}-es", "n1", reason="overtaken") for part in range(2)]
    assert [(reply.attempt, reply.node_id) for reply in replies] == [(2, "n1"), (2, "n1")]
    assert len(world.slots("n1")) == 1


def test_a_later_segment_takes_the_attempt_of_what_came_to_its_turn(world: World) -> None:
    """The turn's beginning was given its next attempt beside an end that had gone ahead."""
    world.node("n1")
    for part in range(2):
        world.segment("s", part, part)
    world.failover("job-s-0-es", "n1", reason="overtaken")
    reply = world.failover("job-s-1-es", "n1", reason="overtaken")
    assert (reply.attempt, world.job("job-s-0-es").attempt) == (2, 2)
