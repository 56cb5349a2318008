"""sweep: what is due for one instance, and wake-ups that were lost."""

import pytest

from protocol.ids import JobId
from storage.job import JobState
from storage.replies.job import DueJob, Queued, Swept
from tests.support.storage_world import START_MS, World


def test_nothing_open_means_nothing_due(world: World) -> None:
    assert world.sweep() == Swept((), (), None)


def test_it_says_when_the_next_job_is_due(world: World) -> None:
    world.node("n1")
    world.dispatch("s", 1)
    world.dispatch("s", 2)
    world.wait(400)
    assert world.sweep().next_due_in_ms == 9600


def test_each_cause_has_its_name(world: World) -> None:
    world.node("n1", slots=2)
    world.segment("turn", 0, 0)
    world.complete("job-turn-0-es", "n1")
    world.dispatch("short", 1, deadline_in_ms=1500)
    world.dispatch("s", 1)
    world.segment("turn", 1, 1)
    world.dispatch("s", 2)
    world.wait(30_000)
    world.beat()
    assert {job.job_id: job.cause for job in world.sweep().due} == {
        "job-s-1-es": "job_timeout",
        "job-s-2-es": "pending",
        "job-short-1-es": "deadline",
        "job-turn-1-es": "turn_wait",
    }


def test_a_running_job_times_out_like_an_assigned_one(world: World) -> None:
    world.node("n1")
    world.dispatch("s", 1)
    world.progress("job-s-1-es", "n1", "running")
    world.wait(30_000)
    assert world.sweep().due == (DueJob(JobId("job-s-1-es"), JobState.RUNNING, 1, "job_timeout"),)


def test_at_most_so_many_are_reported_and_again_until_they_are_driven_on(world: World) -> None:
    for index in range(5):
        world.dispatch(f"s{index}", 1)
    world.wait(10_000)
    first = world.sweep(limit=2)
    assert len(first.due) == 2
    assert first.next_due_in_ms == 0
    assert world.sweep(limit=2).due == first.due
    assert len(world.sweep().due) == 5


def test_only_ones_own_jobs_are_reported(world: World) -> None:
    world.beat("i2")
    world.session("s2", owner="i2")
    world.dispatch("s2", 1, owner="i2")
    world.wait(10_000)
    assert world.sweep().due == ()
    assert len(world.sweep("i2").due) == 1


def test_an_index_entry_without_a_record_is_dropped(world: World) -> None:
    world.dispatch("s", 1)
    world.forget_job("job-s-1-es")
    world.command("SREM", "session:s:jobs", "job-s-1-es")
    world.wait(10_000)
    assert world.sweep().due == ()
    assert world.command("EXISTS", "inst:i1:jobs", "jobs:queued") == 0
    assert world.node("n1").handovers == ()
    assert world.command("EXISTS", "qs", "session:s:queued") == 0


def test_a_lost_wake_up_is_repaired(world: World) -> None:
    """As after a hand-over that was bounded: a free slot and a waiting job exist side by side."""
    world.dispatch("s", 1)
    world.command("DEL", "qs")
    world.node("n1")
    world.command("ZADD", "qs", START_MS, "a:en")
    world.command("EXPIRE", "qs", 3600)
    assert [job.job_id for job in world.sweep().handovers] == ["job-s-1-es"]


def test_segments_of_a_turn_are_due_in_the_order_of_their_cuts(world: World) -> None:
    world.node("n1")
    for part, index in enumerate((8, 9, 10)):
        world.segment("s", index, part)
    world.wait(30_000)
    world.beat()
    assert [job.job_id for job in world.sweep().due] == [f"job-s-{n}-es" for n in (8, 9, 10)]


def test_it_says_when_the_next_mark_or_penalty_lapses(world: World) -> None:
    """Who waits for that node is served at that time, not up to a second later."""
    world.node("n1")
    world.dispatch("s", 1)
    world.failover("job-s-1-es", "n1", reason="model_not_available", penalty_ms=700)
    world.wait(100)
    assert world.sweep().next_due_in_ms == 600
    world.wait(600)
    assert [job.job_id for job in world.sweep().handovers] == ["job-s-1-es"]
    world.heartbeat("n1", overloaded=True, hold_ms=500)
    assert world.sweep().next_due_in_ms == 500


def test_a_slot_whose_job_has_lost_its_record_is_given_back(world: World) -> None:
    world.node("n1", slots=2)
    world.dispatch("s", 1)
    world.segment("t", 0, 0)
    world.segment("t", 1, 1)
    world.dispatch("waits", 1)
    for job, session in (("job-s-1-es", "s"), ("job-t-0-es", "t")):
        world.forget_job(job)
        world.command("ZREM", "inst:i1:jobs", job)
        world.command("SREM", f"session:{session}:jobs", job)
    assert [job.job_id for job in world.sweep().handovers] == ["job-waits-1-es"]
    assert world.slots("n1") == {
        "t|turn-long|es": "job-t-1-es",
        "waits|turn-1|es": "job-waits-1-es",
    }


@pytest.mark.parametrize("is_known", [True, False])
def test_a_group_that_has_lost_its_identity_is_left_all_the_same(
    world: World, *, is_known: bool
) -> None:
    world.node("n1", slots=2)
    world.command("DEL", f"grp:{world.command('HGET', 'node:n1', 'group')}:identity")
    if not is_known:
        world.command("DEL", "groups")
    world.update("n1", atoms=("a:de", "s:fr"))
    world.dispatch("s", 1, requirement="a:de,s:fr", preference="")
    assert isinstance(world.dispatch("s", 2), Queued)
    world.update("n1", atoms=("a:en", "s:es"))
    world.offline("n1")
    assert world.command("EXISTS", "cap:a:en", "cap:s:fr", "groups") == 0
