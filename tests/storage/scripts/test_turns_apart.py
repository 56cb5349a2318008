"""At a node that does not put turns together each segment of one is a job of its own."""

from collections.abc import Callable

from storage.job import JobState
from storage.job_limits import JobLimits
from storage.replies.job import Assigned, Duplicate, Queued
from storage.tenant_share import TenantShare
from tests.support.storage_world import World


def apart(world: World, *names: str, slots: int = 1) -> None:
    for name in names:
        world.node(name, slots=slots, joins=False)


def test_each_segment_has_a_slot_of_its_own(world: World) -> None:
    apart(world, "n1", slots=3)
    replies = [world.segment("s", part, part) for part in range(3)]
    assert [(reply.node_id, reply.stays_in_turn) for reply in replies] == [("n1", False)] * 3
    assert world.slots("n1") == {f"s|turn-long.{part}|es": f"job-s-{part}-es" for part in range(3)}
    world.complete("job-s-1-es", "n1")
    assert len(world.slots("n1")) == 2


def test_a_turn_keeps_no_node(world: World) -> None:
    """A segment goes where there is room at once, and nobody waits for a certain node."""
    apart(world, "n1")
    world.segment("s", 0, 0)
    apart(world, "n2")
    reply = world.segment("s", 1, 1)
    assert (reply.node_id, reply.attempt) == ("n2", 1)


def test_the_slot_is_free_for_others_between_two_segments(world: World) -> None:
    apart(world, "n1")
    world.segment("s", 0, 0)
    assert isinstance(world.dispatch("other", 1), Queued)
    [given] = world.complete("job-s-0-es", "n1").handovers
    assert (given.job_id, given.stays_in_turn) == ("job-other-1-es", False)
    reply = world.segment("s", 1, 1)
    assert isinstance(reply, Queued)
    assert reply.due_in_ms == 10_000  # it waits like any other, for no node in particular


def test_segments_that_waited_are_handed_over_one_by_one(world: World) -> None:
    apart(world, "n1")
    world.dispatch("other", 1)
    for part in range(3):
        assert isinstance(world.segment("s", part, part), Queued)
    [first] = world.complete("job-other-1-es", "n1").handovers
    assert (first.job_id, first.stays_in_turn) == ("job-s-0-es", False)
    assert world.slots("n1") == {"s|turn-long.0|es": "job-s-0-es"}
    [second] = world.complete("job-s-0-es", "n1").handovers
    assert second.job_id == "job-s-1-es"


def test_the_node_of_the_first_segment_decides_for_all(world: World) -> None:
    apart(world, "n1")
    world.segment("s", 0, 0)
    world.node("joins", slots=3)
    replies = [world.segment("s", part, part) for part in (1, 2)]
    assert [(reply.node_id, reply.stays_in_turn) for reply in replies] == [("joins", False)] * 2
    assert len(world.slots("joins")) == 2


def test_a_turn_stays_together_at_a_node_that_joins_it_beside_one_that_does_not(
    world: World,
) -> None:
    world.node("joins", slots=1)
    world.segment("s", 0, 0)
    apart(world, "n1", slots=3)
    reply = world.segment("s", 1, 1)
    assert (reply.node_id, reply.stays_in_turn) == ("joins", True)


def test_a_turn_that_loses_its_node_is_taken_apart_where_nobody_joins_it(world: World) -> None:
    world.node("joins")
    world.segment("s", 0, 0)
    world.segment("s", 1, 1)
    apart(world, "n1", slots=3)
    world.offline("joins")
    moved = [world.failover(f"job-s-{part}-es", "joins") for part in range(2)]
    assert [(one.node_id, one.attempt, one.stays_in_turn) for one in moved] == [
        ("n1", 2, False)
    ] * 2
    assert world.slots("n1") == {f"s|turn-long.{part}|es": f"job-s-{part}-es" for part in range(2)}


def test_what_waited_for_a_turns_node_is_a_job_of_its_own_elsewhere(world: World) -> None:
    world.node("joins")
    world.segment("s", 0, 0)
    world.complete("job-s-0-es", "joins")
    world.dispatch("other", 1)
    world.segment("s", 1, 1)
    world.segment("s", 2, 2)
    apart(world, "n1")
    world.wait(2000)
    moved = [world.failover(f"job-s-{part}-es", None, reason="turn_wait") for part in (1, 2)]
    assert isinstance(moved[0], Assigned)
    assert (moved[0].node_id, moved[0].stays_in_turn, moved[0].handovers) == ("n1", False, ())
    assert isinstance(moved[1], Queued)
    given = world.complete("job-s-1-es", "n1").handovers
    assert [job.job_id for job in given] == ["job-s-2-es"]


def test_a_request_that_is_repeated_hears_that_its_segment_is_on_its_own(world: World) -> None:
    apart(world, "n1")
    world.segment("s", 0, 0)
    again = world.segment("s", 0, 0)
    assert isinstance(again, Duplicate)
    assert (again.state, again.node_id, again.stays_in_turn) == (JobState.ASSIGNED, "n1", False)


def test_an_instance_that_takes_over_hears_which_segments_are_on_their_own(world: World) -> None:
    world.resumable("s")
    apart(world, "n1", slots=2)
    world.segment("s", 0, 0)
    world.node("joins", slots=2)
    world.segment("s", 0, 0, turn_id="turn-other", language="es")
    world.beat("i2")
    taken = world.take_over("s", "i2")
    assert {job.job_id: job.stays_in_turn for job in taken.jobs} == {"job-s-0-es": False}


def test_a_tenants_bound_counts_each_segment_that_is_on_its_own(
    server: str, open_world: Callable[..., World]
) -> None:
    world = open_world(server, JobLimits(shares={"t1": TenantShare(slots=2)}))
    apart(world, "n1", slots=4)
    spoken = [world.segment("s", part, part) for part in range(3)]
    assert [type(reply) for reply in spoken] == [Assigned, Assigned, Queued]
    [given] = world.complete("job-s-0-es", "n1").handovers
    assert given.job_id == "job-s-2-es"


def test_a_restored_segment_stands_as_it_stood(world: World) -> None:
    apart(world, "n1", slots=2)
    world.restore("s", 0, node="n1", turn_id="turn-long.0")
    assert world.slots("n1") == {"s|turn-long.0|es": "job-s-0-es"}
    assert world.segment("s", 1, 1).node_id == "n1"
    assert len(world.slots("n1")) == 2


def test_what_waited_with_its_turn_is_on_its_own_at_a_node_that_joins_turns_too(
    world: World,
) -> None:
    apart(world, "n1")
    world.dispatch("other", 1)
    world.segment("s", 0, 0)
    world.segment("s", 1, 1)
    [first] = world.complete("job-other-1-es", "n1").handovers
    assert (first.job_id, first.stays_in_turn) == ("job-s-0-es", False)
    reply = world.node("joins")
    [second] = reply.handovers
    assert (second.job_id, second.stays_in_turn) == ("job-s-1-es", False)


def test_a_node_that_joins_no_turns_any_more_gets_no_more_than_it_has_slots_for(
    world: World,
) -> None:
    world.node("n1")
    world.segment("s", 0, 0)
    world.node("n1", joins=False)
    reply = world.segment("s", 1, 1)
    assert isinstance(reply, Queued)
    assert len(world.slots("n1")) == 1
