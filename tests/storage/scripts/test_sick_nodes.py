"""Nodes that answer with errors: what counts against them, and who gets their jobs meanwhile."""

from storage.job import JobState
from storage.nodes import NodeRecord
from storage.replies.job import Assigned, GivenUp, Queued
from tests.support.storage_world import World

MOST_SICK_MS = 300_000


def record(world: World, name: str) -> NodeRecord:
    found = world.run(world.member().nodes.get_node(name))  # type: ignore[arg-type]
    assert found is not None
    return found


def error(world: World, job: str, node: str, attempt: int = 1) -> object:
    """Answer a job with an error."""
    return world.failover(job, node, attempt=attempt, reason="processing_error", exclude_node=True)


def fail_at(world: World, node: str, session: str, index: int) -> str:
    """Have the node err in a job of the session, wherever that would go; return the job."""
    world.command("HSET", f"session:{session}", "last", node)
    reply = world.dispatch(session, index)
    assert isinstance(reply, Assigned)
    assert reply.node_id == node
    moved = error(world, reply.job_id, node)
    assert isinstance(moved, Assigned | Queued)
    return reply.job_id


def two_nodes(world: World, slots: int = 4) -> None:
    world.node("bad", slots=slots)
    world.node("good", slots=slots)
    for name in ("s1", "s2", "s3", "s4"):
        world.session(name)


def make_sick(world: World) -> None:
    """Have three sessions err at the one of two nodes at once."""
    two_nodes(world)
    jobs = []
    for name in ("s1", "s2", "s3"):
        world.command("HSET", f"session:{name}", "last", "bad")
        jobs.append(world.dispatch(name, 1).job_id)
    for job in jobs:
        moved = error(world, job, "bad")
        assert isinstance(moved, Assigned)
        assert moved.node_id == "good"
        world.complete(job, "good", attempt=2)
    assert record(world, "bad").health == "sick"


def test_an_error_sends_the_job_to_another_node(world: World) -> None:
    two_nodes(world)
    job = fail_at(world, "bad", "s1", 1)
    assert world.job(job).node_id == "good"
    assert record(world, "bad").health == "erring"
    assert record(world, "bad").errors_in_row == 1


def test_an_error_ends_the_job_where_no_other_node_serves_it(world: World) -> None:
    world.node("bad")
    world.node("other", semantic=["fr"])
    job = world.dispatch("s1", 1).job_id
    reply = error(world, job, "bad")
    assert isinstance(reply, GivenUp)
    assert reply.reason == "processing_error"
    assert world.slots("bad") == {}
    assert isinstance(world.dispatch("s1", 2), Assigned)


def test_errors_with_three_sessions_make_a_node_sick(world: World) -> None:
    make_sick(world)
    for index in range(2, 6):
        for name in ("s1", "s2", "s3"):
            world.dispatch(name, index)
    assert world.slots("bad") == {}


def test_errors_with_one_session_count_when_another_node_has_done_the_job(world: World) -> None:
    world.node("bad", slots=4)
    world.node("good", slots=4)
    world.session("s1")
    jobs = []
    for index in (1, 2, 3):
        world.command("HSET", "session:s1", "last", "bad")
        jobs.append(world.dispatch("s1", index).job_id)
    for job in jobs:
        error(world, job, "bad")
    assert record(world, "bad").health == "erring"
    for job in jobs:
        world.complete(job, "good", attempt=2)
    assert record(world, "bad").health == "sick"


def test_a_job_that_fails_on_two_nodes_counts_against_none(world: World) -> None:
    two_nodes(world)
    for index in (1, 2, 3, 4):
        world.wait(1)
        first = world.dispatch("s1", index)
        again = error(world, first.job_id, first.node_id)
        assert isinstance(again, Assigned)
        assert isinstance(error(world, first.job_id, str(again.node_id), 2), GivenUp)
    assert [record(world, name).errors_in_row for name in ("bad", "good")] == [0, 0]
    assert [record(world, name).health for name in ("bad", "good")] == ["", ""]


def test_a_success_ends_the_row(world: World) -> None:
    two_nodes(world)
    fail_at(world, "bad", "s1", 1)
    world.wait(10_001)
    world.sweep()
    assert record(world, "bad").health == "watched"
    world.command("HSET", "session:s2", "last", "bad")
    job = world.dispatch("s2", 1)
    assert job.node_id == "bad"
    world.complete(job.job_id, "bad")
    assert (record(world, "bad").health, record(world, "bad").errors_in_row) == ("", 0)


def test_timeouts_and_missing_models_do_not_count(world: World) -> None:
    two_nodes(world)
    for index, reason in enumerate(("job_timeout", "model_not_available", "node_lost"), 1):
        world.command("HSET", f"session:s{index}", "last", "bad")
        job = world.dispatch(f"s{index}", 1)
        world.failover(job.job_id, str(job.node_id), reason=reason, exclude_node=True)
    assert record(world, "bad").errors_in_row == 0


def test_nothing_waits_for_a_sick_node_and_nothing_goes_there_while_another_serves(
    world: World,
) -> None:
    make_sick(world)
    for index in range(2, 6):
        reply = world.dispatch("s4", index)
        assert reply.node_id == "good"
    waits = world.dispatch("s4", 9)
    assert isinstance(waits, Queued)
    world.sweep()
    assert world.slots("bad") == {}


def test_a_sick_node_that_alone_serves_is_used_as_ever(world: World) -> None:
    make_sick(world)
    world.offline("good")
    jobs = [world.dispatch("s1", index) for index in range(2, 6)]
    assert [job.node_id for job in jobs] == ["bad"] * 4
    world.complete(jobs[0].job_id, "bad")
    assert record(world, "bad").health == ""


def test_what_waits_goes_to_the_sick_node_when_no_other_is_left(world: World) -> None:
    make_sick(world)
    for index in range(2, 6):
        world.dispatch("s4", index)
    waits = world.dispatch("s4", 9)
    world.offline("good")
    world.sweep()
    assert world.job(waits.job_id).node_id == "bad"


def test_a_trial_is_one_job_and_its_success_ends_it(world: World) -> None:
    make_sick(world)
    for index in range(2, 6):
        world.dispatch("s4", index)
    waits = [world.dispatch("s4", index) for index in (7, 8)]
    world.wait(9_000)
    world.sweep()
    assert world.slots("bad") == {}
    world.wait(1_001)
    world.sweep()
    assert len(world.slots("bad")) == 1
    assert record(world, "bad").health == "trial"
    [trial] = [job for job in waits if world.job(job.job_id).node_id == "bad"]
    world.complete(trial.job_id, "bad", attempt=world.job(trial.job_id).attempt)
    assert record(world, "bad").health == ""
    [other] = [job for job in waits if job is not trial]
    assert world.job(other.job_id).node_id == "bad"


def test_each_trial_that_fails_doubles_the_time_to_the_next(world: World) -> None:
    make_sick(world)
    expected = 10_000
    for index in range(10, 18):
        world.beat(lease_ms=10**9)
        assert record(world, "bad").doubted_until_ms == world.now_ms + expected
        world.wait(expected + 1)
        world.node("good", slots=4) if index == 10 else world.heartbeat("good")
        world.sweep()
        assert record(world, "bad").health == "trial"
        world.session("s1")
        fail_at(world, "bad", "s1", index)
        world.complete(f"job-s1-{index}-es", "good", attempt=2)
        assert record(world, "bad").health == "sick"
        expected = min(MOST_SICK_MS, expected * 2)


def test_an_erring_node_gets_no_more_than_may_fail_before_it_is_sick(world: World) -> None:
    world.node("bad", slots=4)
    world.node("good", slots=1)
    for name in ("s1", "s2"):
        world.session(name)
    world.command("HSET", "session:s1", "last", "good")
    world.dispatch("s1", 1)
    first = world.dispatch("s1", 2)
    assert first.node_id == "bad"
    error(world, first.job_id, "bad")
    given = [world.dispatch("s2", index) for index in range(1, 6)]
    assert sum(isinstance(reply, Assigned) for reply in given) == 2
    assert len(world.slots("bad")) == 2


def test_empty_results_for_speech_of_three_sessions_are_errors(world: World) -> None:
    two_nodes(world)
    for name in ("s1", "s2", "s3"):
        assert record(world, "bad").health in ("", "watched")
        world.command("HSET", f"session:{name}", "last", "bad")
        job = world.dispatch(name, 1)
        world.complete(job.job_id, "bad", state=JobState.EMPTY, reason="silence_detected")
    assert record(world, "bad").health == "sick"


def test_empty_results_for_a_moment_of_sound_are_none(world: World) -> None:
    two_nodes(world)
    for name in ("s1", "s2", "s3"):
        world.command("HSET", f"session:{name}", "last", "bad")
        job = world.dispatch(name, 1, cost_ms=900)
        world.complete(job.job_id, "bad", state=JobState.EMPTY, reason="silence_detected")
    assert record(world, "bad").errors_in_row == 0


def test_with_a_limit_of_zero_no_node_is_doubted(world: World) -> None:
    two_nodes(world)
    world.register("bad", max_jobs=4, error_limit=0)
    world.node_epochs["bad"] = record(world, "bad").epoch
    for index, name in enumerate(("s1", "s2", "s3")):
        fail_at(world, "bad", name, index)
    assert record(world, "bad").health == ""


def test_a_sick_node_that_registers_again_stays_sick_and_one_that_was_gone_gets_a_trial(
    world: World,
) -> None:
    make_sick(world)
    world.node("bad", slots=4)
    assert record(world, "bad").health == "sick"
    world.offline("bad")
    world.node("bad", slots=4)
    assert record(world, "bad").health == "trial"


def test_the_owner_of_a_sick_node_gets_a_note(world: World) -> None:
    make_sick(world)
    notes = [fields for _, fields in world.notes("i1") if fields["kind"] == "node_sick"]
    assert [(note["node"], note["due_ms"]) for note in notes] == [("bad", "10000")]


def test_a_sick_node_can_still_be_asked_for(world: World) -> None:
    make_sick(world)
    atoms = record(world, "bad").atoms
    world.offline("good")
    assert world.run(world.member().nodes.abilities()) == {atoms}
