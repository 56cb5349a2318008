"""A long turn: its segments stay at one node, in one slot, and move together."""

from protocol.ids import JobId
from storage.job import JobState
from storage.replies.job import Assigned, Duplicate, Queued
from tests.support.storage_world import START_MS, World


def test_segments_of_a_turn_share_one_slot(world: World) -> None:
    world.node("n1", slots=2)
    world.node("n2", slots=2)
    assert [world.segment("s", index, index).node_id for index in range(3)] == ["n1"] * 3
    assert world.slots("n1") == {"s|turn-long|es": "job-s-0-es job-s-1-es job-s-2-es"}


def test_the_slot_is_freed_with_the_last_open_segment(world: World) -> None:
    world.node("n1")
    world.segment("s", 0, 0)
    world.segment("s", 1, 1, turn_continues=False)
    world.dispatch("s2", 1)
    assert world.complete("job-s-0-es", "n1").handovers == ()
    assert world.slots("n1") == {"s|turn-long|es": "job-s-1-es"}
    [given] = world.complete("job-s-1-es", "n1").handovers
    assert given.job_id == "job-s2-1-es"


def test_a_segment_joins_its_turn_at_a_full_node(world: World) -> None:
    world.node("n1")
    world.node("n2")
    world.segment("s", 0, 0)
    assert world.segment("s", 1, 1).node_id == "n1"


def test_a_turn_leaves_a_node_that_has_dropped_its_languages(world: World) -> None:
    world.node("n1", slots=2)
    world.node("n2", slots=2)
    world.segment("s", 0, 0)
    world.update("n1", atoms=("a:en", "s:fr"))
    assert world.segment("s", 1, 1).node_id == "n2"
    assert world.segment("s", 2, 2, turn_continues=False).node_id == "n2"


def test_what_the_turn_has_open_follows_it_from_such_a_node_into_one_slot(world: World) -> None:
    world.node("n1", slots=2)
    world.node("n2")
    world.segment("s", 0, 0)
    world.segment("s", 1, 1)
    world.update("n1", atoms=("a:en", "s:fr"))
    world.segment("s", 2, 2)
    moved = [world.failover(f"job-s-{part}-es", "n1", reason="turn_moved") for part in range(2)]
    assert [(job.node_id, job.attempt) for job in moved] == [("n2", 2)] * 2
    assert world.slots("n1") == {}
    assert world.slots("n2") == {"s|turn-long|es": "job-s-2-es job-s-0-es job-s-1-es"}
    last = world.failover("job-s-2-es", "n2", reason="overtaken")
    assert (last.node_id, last.attempt) == ("n2", 2)
    for part in range(3):
        world.complete(f"job-s-{part}-es", "n2", attempt=2)
    assert world.slots("n2") == {}


def test_a_segment_joins_its_turn_at_a_draining_node(world: World) -> None:
    world.node("n1")
    world.node("n2")
    world.segment("s", 0, 0)
    world.update("n1", draining=True)
    assert world.segment("s", 1, 1).node_id == "n1"


def test_a_segment_returns_to_its_turns_node_when_the_slot_was_given_back(world: World) -> None:
    world.node("n1", slots=2)
    world.node("n2", slots=2)
    world.segment("s", 0, 0)
    world.wait(1)
    world.complete("job-s-0-es", "n1")
    world.dispatch("s2", 1)
    world.dispatch("s2", 2)
    world.heartbeat("n1", overloaded=True)
    assert world.segment("s", 1, 1).node_id == "n1"


def test_a_segment_whose_node_is_full_waits_for_it_first(world: World) -> None:
    world.node("n1")
    world.segment("s", 0, 0)
    world.complete("job-s-0-es", "n1")
    world.dispatch("other", 1)
    world.node("n2")
    reply = world.segment("s", 1, 1)
    assert reply == Queued(JobId("job-s-1-es"), 1, 0, 2000, 2000)
    assert world.sweep().due == ()


def test_the_waiting_segment_goes_before_all_others(world: World) -> None:
    world.node("n1")
    world.segment("s", 0, 0)
    world.complete("job-s-0-es", "n1")
    world.dispatch("other", 1)
    world.dispatch("other", 2)
    world.wait(100)
    world.segment("s", 1, 1)
    world.segment("s", 2, 2)
    given = world.complete("job-other-1-es", "n1").handovers
    assert [job.job_id for job in given] == ["job-s-1-es", "job-s-2-es"]
    assert world.slots("n1") == {"s|turn-long|es": "job-s-1-es job-s-2-es"}


def test_a_node_that_lost_the_language_does_not_get_the_segment_that_waits_for_it(
    world: World,
) -> None:
    world.node("n1")
    world.segment("s", 0, 0)
    world.complete("job-s-0-es", "n1")
    world.dispatch("other", 1)
    world.segment("s", 1, 1)
    world.update("n1", atoms=("a:en", "s:fr"))
    assert world.complete("job-other-1-es", "n1").handovers == ()
    [given] = world.update("n1", atoms=("a:en", "s:es")).handovers
    assert given.job_id == "job-s-1-es"


def test_after_its_wait_the_turn_moves_with_all_its_waiting_segments(world: World) -> None:
    world.node("n1")
    world.segment("s", 0, 0)
    world.complete("job-s-0-es", "n1")
    world.dispatch("other", 1)
    world.segment("s", 1, 1)
    world.segment("s", 2, 2)
    world.node("n2")
    world.wait(2000)
    due = world.sweep().due
    assert [(job.job_id, job.cause) for job in due] == [
        ("job-s-1-es", "turn_wait"),
        ("job-s-2-es", "turn_wait"),
    ]
    moved = world.failover("job-s-1-es", None, reason="turn_wait")
    assert (moved.node_id, moved.attempt) == ("n2", 1)
    assert [(job.job_id, job.node_id) for job in moved.handovers] == [("job-s-2-es", "n2")]
    second = world.failover("job-s-2-es", None, reason="turn_wait")
    assert isinstance(second, Duplicate)
    assert second.node_id == "n2"
    assert world.segment("s", 3, 3).node_id == "n2"


def test_without_any_free_node_the_moving_turn_waits_on_for_anyone(world: World) -> None:
    world.node("n1")
    world.segment("s", 0, 0)
    world.complete("job-s-0-es", "n1")
    world.dispatch("other", 1)
    world.segment("s", 1, 1)
    world.wait(2000)
    moved = world.failover("job-s-1-es", None, reason="turn_wait")
    assert (moved.due_in_ms, moved.position) == (10000, 0)
    assert isinstance(world.failover("job-s-1-es", None, reason="turn_wait"), Duplicate)
    joined = world.node("n2")
    assert [job.job_id for job in joined.handovers] == ["job-s-1-es"]


def test_a_later_segment_waits_behind_its_earlier_ones(world: World) -> None:
    world.segment("s", 0, 0)
    world.segment("s", 1, 1)
    given = world.node("n1").handovers
    assert [job.job_id for job in given] == ["job-s-0-es", "job-s-1-es"]
    assert len(world.slots("n1")) == 1


def test_open_segments_of_a_lost_node_follow_the_first_one(world: World) -> None:
    world.node("n1", slots=4)
    for index in range(3):
        world.segment("s", index, index)
    world.node("n2")
    lost = world.offline("n1")
    assert [job.job_id for job in lost.jobs] == [f"job-s-{n}-es" for n in range(3)]
    moved = [world.failover(job.job_id, "n1", exclude_node=True) for job in lost.jobs]
    assert [(job.node_id, job.attempt) for job in moved] == [("n2", 2)] * 3
    assert world.slots("n2") == {"s|turn-long|es": "job-s-0-es job-s-1-es job-s-2-es"}
    assert world.slots("n1") == {}


def test_a_turn_avoids_the_node_that_one_of_its_segments_left(world: World) -> None:
    world.node("n1", slots=4)
    world.segment("s", 0, 0)
    world.node("n2")
    world.failover("job-s-0-es", "n1", reason="model_not_available", exclude_node=True)
    assert world.segment("s", 1, 1).node_id == "n2"
    world.complete("job-s-0-es", "n2", attempt=2)
    world.complete("job-s-1-es", "n2")
    assert world.segment("s", 2, 2).node_id == "n2"


def test_waiting_segments_share_what_their_turn_avoids(world: World) -> None:
    """A sibling that did not fail itself is not handed to the node that failed the turn."""
    world.node("n1", slots=1)
    world.node("n2", slots=1)
    world.segment("s", 0, 0)
    world.dispatch("other", 1)
    waits = world.failover("job-s-0-es", "n1", reason="job_timeout", exclude_node=True)
    assert isinstance(waits, Queued)
    assert isinstance(world.segment("s", 1, 1), Queued)
    assert world.sweep().handovers == ()
    given = world.complete("job-other-1-es", "n2").handovers
    assert [(job.job_id, job.node_id) for job in given] == [
        ("job-s-0-es", "n2"),
        ("job-s-1-es", "n2"),
    ]


def test_the_latest_segment_extends_the_life_of_the_open_ones(world: World) -> None:
    world.node("n1")
    world.segment("s", 0, 0)
    world.wait(9000)
    world.segment("s", 1, 1)
    first = world.job("job-s-0-es")
    assert first.due_at_ms == START_MS + 39_000
    assert first.deadline_at_ms == START_MS + 109_000
    assert first.state is JobState.ASSIGNED


def test_a_single_utterance_leaves_no_record_of_its_turn(world: World) -> None:
    world.node("n1")
    assert isinstance(world.dispatch("s", 1), Assigned)
    assert world.command("EXISTS", "turn:s|turn-1|es") == 0


def test_each_language_of_a_turn_has_its_own_slot(world: World) -> None:
    world.node("n1", semantic=["es", "fr"], slots=4)
    world.segment("s", 0, 0)
    world.segment("s", 0, 0, language="fr", requirement="a:en,s:fr", preference="t:fr")
    assert set(world.slots("n1")) == {"s|turn-long|es", "s|turn-long|fr"}


def test_a_segment_begins_in_the_attempt_that_its_turn_has_reached(world: World) -> None:
    """The node knows the moved turn by another name, and puts only equal names together."""
    world.node("n1")
    world.segment("s", 0, 0)
    world.node("n2")
    world.failover("job-s-0-es", "n1", exclude_node=True)
    joined = world.segment("s", 1, 1)
    assert (joined.node_id, joined.attempt) == ("n2", 2)
    again = world.segment("s", 1, 1)
    assert isinstance(again, Duplicate)
    assert again.attempt == 2


def test_a_segment_that_waited_begins_in_the_attempt_of_its_turn(world: World) -> None:
    world.node("n1")
    world.segment("s", 0, 0)
    world.offline("n1")
    moved = world.failover("job-s-0-es", "n1")
    assert (type(moved), moved.attempt) == (Queued, 2)
    waiting = world.segment("s", 1, 1)
    assert (type(waiting), waiting.attempt) == (Queued, 1)
    given = world.node("n2").handovers
    assert [(job.job_id, job.attempt) for job in given] == [("job-s-0-es", 2), ("job-s-1-es", 2)]
