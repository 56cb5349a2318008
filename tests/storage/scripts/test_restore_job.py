"""restore_job: what the owner still holds comes back after the store lost its data."""

from protocol.ids import NodeId
from storage.job import JobState
from storage.replies.job import Assigned, Completed, Duplicate, Fenced, Queued, Updated
from tests.support.storage_world import World


def after_loss(world: World) -> None:
    world.flush()
    world.beat()
    world.session("s")


def test_a_running_job_stands_where_it_stood(world: World) -> None:
    after_loss(world)
    world.node("n1")
    assert world.restore("s", 1, attempt=2, node="n1", running=True) == Updated()
    record = world.job("job-s-1-es")
    assert (record.state, record.attempt, record.node_id) == (JobState.RUNNING, 2, "n1")
    assert isinstance(world.complete("job-s-1-es", "n1", attempt=2), Completed)


def test_a_job_is_restored_before_its_node_is_back(world: World) -> None:
    after_loss(world)
    assert world.restore("s", 1, node="n1") == Updated()
    world.node("n1", slots=1)
    assert len(world.slots("n1")) == 1
    assert isinstance(world.dispatch("s", 2), Queued)
    assert len(world.complete("job-s-1-es", "n1").handovers) == 1


def test_a_result_completes_a_restored_job_in_the_same_round_trip(world: World) -> None:
    after_loss(world)
    jobs = world.member().jobs
    restore = jobs.restore(world.restoration("s", 1, node="n1"))
    replies = world.do_all([restore, jobs.complete(world.completion("job-s-1-es", "n1"))])
    assert replies == [Updated(), Completed(JobState.DONE, ())]


def test_restoring_may_exceed_the_capacity(world: World) -> None:
    after_loss(world)
    world.node("n1")
    world.dispatch("s", 1)
    world.restore("s", 2, node="n1")
    world.over_capacity.add("n1")
    assert len(world.slots("n1")) == 2


def test_restoring_twice_changes_nothing(world: World) -> None:
    after_loss(world)
    world.node("n1")
    world.restore("s", 1, node="n1")
    again = world.restore("s", 1, node="n1")
    assert isinstance(again, Duplicate)
    assert again.node_id == "n1"


def test_a_waiting_job_is_dispatched_again_at_its_attempt(world: World) -> None:
    after_loss(world)
    waits = world.restore("s", 1, attempt=2, excluded_nodes=(NodeId("n1"),))
    assert isinstance(waits, Queued)
    assert waits.attempt == 2
    assert [job.attempt for job in world.node("n2").handovers] == [2]
    world.node("n1")
    assert isinstance(world.restore("s", 2, excluded_nodes=(NodeId("n1"),)), Queued)
    world.node("n3")


def test_a_waiting_job_may_find_a_node_at_once(world: World) -> None:
    after_loss(world)
    world.node("n1")
    reply = world.restore("s", 1, attempt=3)
    assert isinstance(reply, Assigned)
    assert reply.attempt == 3


def test_a_session_not_claimed_again_is_fenced(world: World) -> None:
    world.session("s")
    world.flush()
    world.beat()
    assert world.restore("s", 1, node="n1") == Fenced()


def test_segments_of_a_turn_come_back_into_one_slot(world: World) -> None:
    after_loss(world)
    world.node("n1")
    turn = {"turn_id": "turn-long", "turn_continues": True}
    world.restore("s", 0, node="n1", **turn, turn_part=0)
    world.restore("s", 1, node="n1", **turn, turn_part=1)
    assert len(world.slots("n1")) == 1
    assert world.segment("s", 2, 2).node_id == "n1"
