"""dispatch_task: one job per request, on the right node, or in the queue."""

import pytest

from protocol.ids import InstanceId, JobId, NodeId
from storage.capability import preference, requirement
from storage.job import JobState
from storage.job_limits import JobLimits
from storage.replies.job import Assigned, Busy, Duplicate, Fenced, Queued
from tests.support.storage_world import START_MS, World


def test_a_job_goes_to_a_node_that_can_serve_it(world: World) -> None:
    world.node("french", semantic=["fr"])
    world.node("spanish")
    reply = world.dispatch("s", 1)
    assert reply == Assigned(
        JobId("job-s-1-es"), 1, NodeId("spanish"), InstanceId("i1"), START_MS, 30000
    )
    record = world.job("job-s-1-es")
    assert (record.state, record.node_id, record.attempt) == (JobState.ASSIGNED, "spanish", 1)
    assert (record.deadline_at_ms, record.due_at_ms) == (START_MS + 100_000, START_MS + 30_000)


def test_a_repeated_request_keeps_its_first_job(world: World) -> None:
    world.node("n1", slots=2)
    world.dispatch("s", 1)
    world.wait(1000)
    again = world.dispatch("s", 1, job_id=JobId("another"))
    assert again == Duplicate(
        JobId("job-s-1-es"), JobState.ASSIGNED, 1, NodeId("n1"), InstanceId("i1"), START_MS, 29000
    )
    assert len(world.slots("n1")) == 1


def test_a_repeated_request_of_a_finished_job_says_how_it_ended(world: World) -> None:
    world.node("n1")
    world.dispatch("s", 1)
    world.complete("job-s-1-es", "n1")
    again = world.dispatch("s", 1)
    assert isinstance(again, Duplicate)
    assert (again.state, again.due_in_ms) == (JobState.DONE, 0)


def test_without_a_capable_node_the_job_waits(world: World) -> None:
    world.node("n1", semantic=["fr"])
    reply = world.dispatch("s", 1)
    assert reply == Queued(JobId("job-s-1-es"), 1, 0, 10000, 10000)
    assert world.job("job-s-1-es").state is JobState.QUEUED


def test_without_a_free_slot_jobs_wait_in_order(world: World) -> None:
    world.node("n1")
    world.dispatch("s", 1)
    assert [world.dispatch("s", index).position for index in (2, 3, 4)] == [0, 1, 2]


def test_capacity_is_never_exceeded(world: World) -> None:
    world.node("n1", slots=4)
    replies = world.do_all(
        [world.member().jobs.dispatch(world.spec(f"s{n}", 1)) for n in range(50)]
    )
    assert sum(isinstance(reply, Assigned) for reply in replies) == 4
    assert len(world.slots("n1")) == 4


def test_the_least_loaded_node_is_chosen_then_the_least_recently_used(world: World) -> None:
    chosen = []
    for name, slots in (("big", 4), ("small", 2), ("other", 2)):
        world.node(name, slots=slots)
        world.wait(1)
    for number in range(8):
        chosen.append(world.dispatch(f"s{number}", 1).node_id)
        world.wait(1)
    assert chosen == ["big", "small", "other", "big", "small", "other", "big", "big"]


def test_a_session_returns_to_its_last_node_while_it_has_a_free_slot(world: World) -> None:
    world.node("n1", slots=2)
    world.node("n2", slots=2)
    assert world.dispatch("s", 1).node_id == "n1"
    assert world.dispatch("s", 2).node_id == "n1"
    assert world.dispatch("s", 3).node_id == "n2"


def test_a_preference_decides_before_load(world: World) -> None:
    world.node("mute", slots=4, tts=[])
    world.node("speaks", slots=4)
    chosen = [world.dispatch(f"s{n}", 1).node_id for n in range(5)]
    assert chosen == ["speaks"] * 4 + ["mute"]


def test_the_closest_tags_decide_before_load_and_after_speech(world: World) -> None:
    world.node("british", slots=9, asr=["en-GB"], semantic=["zh-TW"], tts=[])
    world.wait(1)
    world.node("bare", slots=1, asr=["en"], semantic=["zh"], tts=[])
    world.node("exact", slots=1, asr=["en-US"], semantic=["zh-TW"], tts=[])
    world.node("speaks", slots=1, asr=["en-AU"], semantic=["zh-HK"], tts=["zh"])
    asked = {
        "requirement": requirement("en_US", "zh-Hant-TW", use_nmt=True),
        "preference": preference("en_US", "zh-Hant-TW", use_nmt=True, use_tts=True),
    }
    chosen = [world.dispatch(f"s{n}", 1, **asked).node_id for n in range(2)]
    assert chosen[0] == "speaks"
    silent = asked | {"preference": preference("en_US", "zh-TW", use_nmt=True, use_tts=False)}
    chosen = [world.dispatch(f"t{n}", 1, **silent).node_id for n in range(3)]
    assert chosen == ["exact", "bare", "british"]


def test_another_script_is_not_served(world: World) -> None:
    world.node("traditional", semantic=["zh-TW"])
    asked = requirement("en", "zh-CN", use_nmt=True)
    assert isinstance(world.dispatch("s", 1, requirement=asked), Queued)
    simplified = world.node("simplified", semantic=["zh"])
    assert [job.job_id for job in simplified.handovers] == ["job-s-1-es"]


def test_an_overloaded_node_is_chosen_only_when_nothing_else_is_free(world: World) -> None:
    world.node("tired", slots=4)
    world.node("mute", slots=1, tts=[])
    world.heartbeat("tired", overloaded=True)
    assert [world.dispatch(f"s{n}", 1).node_id for n in range(2)] == ["mute", "tired"]


def test_a_session_leaves_its_last_node_when_that_is_overloaded(world: World) -> None:
    world.node("n1", slots=2)
    world.node("n2", slots=2)
    world.dispatch("s", 1)
    world.heartbeat("n1", overloaded=True)
    assert world.dispatch("s", 2).node_id == "n2"


def test_two_way_speech_needs_both_languages_both_ways(world: World) -> None:
    both = requirement("auto", "es", "en", "es", use_nmt=True)
    world.node("one-way")
    assert isinstance(world.dispatch("s", 1, requirement=both), Queued)
    joined = world.node("two-way", asr=["en", "es"], semantic=["es", "en"])
    assert [job.job_id for job in joined.handovers] == ["job-s-1-es"]


def test_a_queue_bound_refuses_and_leaves_nothing(world: World) -> None:
    limits = JobLimits(max_queued_jobs=3, max_queued_per_session=2)
    jobs = world.member("i1", limits).jobs
    specs = [world.spec("s", index) for index in (1, 2, 3)]
    assert isinstance(world.do_all([jobs.dispatch(spec) for spec in specs])[2], Busy)
    other = [world.spec("s2", 1), world.spec("s3", 1)]
    assert isinstance(world.do_all([jobs.dispatch(spec) for spec in other])[1], Busy)
    assert world.command("EXISTS", "job:job-s-3-es") == 0
    assert world.command("EXISTS", f"req:{world.request('s', 3)}") == 0


def test_a_stale_session_epoch_is_fenced(world: World) -> None:
    world.node("n1")
    epoch = world.session("s")
    world.session("s")
    assert world.dispatch("s", 1, session_epoch=epoch) == Fenced()


def test_an_unknown_session_is_fenced(world: World) -> None:
    world.node("n1")
    spec = world.spec("s", 1)
    world.do(world.member().sessions.close(spec.session_id, spec.session_epoch))
    assert world.dispatch("s", 1) == Fenced()


def test_an_instance_without_a_lease_is_fenced(world: World) -> None:
    world.session("s")
    world.command("DEL", "inst:i1")
    assert world.dispatch("s", 1) == Fenced()


def test_waiting_is_fair_between_sessions(world: World) -> None:
    """One session's burst does not keep another's utterance back."""
    world.node("n1")
    world.dispatch("busy", 0)
    for index in range(1, 6):
        world.dispatch("busy", index)
    world.wait(1)
    world.dispatch("quiet", 1)
    order, current = [], "job-busy-0-es"
    for _ in range(4):
        [given] = world.complete(current, "n1").handovers
        current = given.job_id
        order.append(current)
    assert order == ["job-busy-1-es", "job-quiet-1-es", "job-busy-2-es", "job-busy-3-es"]


def test_the_wait_is_estimated_from_the_pace_of_the_queue(world: World) -> None:
    world.node("n1")
    for index in range(4):
        world.dispatch("s", index)
    for index in range(2):
        world.wait(800)
        world.complete(f"job-s-{index}-es", "n1")
    waiting = world.dispatch("s", 9)
    assert (waiting.position, waiting.wait_ms_estimate) == (1, 1600)


def test_a_clock_that_is_set_back_stops_no_hand_over(world: World) -> None:
    world.node("n1")
    for index in range(4):
        world.dispatch("s", index)
    for index in range(3):
        world.complete(f"job-s-{index}-es", "n1")
        assert world.job(f"job-s-{index + 1}-es").node_id == "n1"
        world.wait(-30_000)


def test_a_job_never_outlives_its_deadline(world: World) -> None:
    world.node("n1")
    assert world.dispatch("s", 1, deadline_in_ms=5000).due_in_ms == 5000
    assert world.dispatch("s", 2, deadline_in_ms=4000).due_in_ms == 4000


@pytest.mark.parametrize("groups", [3, 70])
def test_a_node_is_found_among_many_kinds_of_nodes(world: World, groups: int) -> None:
    for number in range(groups):
        world.node(f"other-{number}", asr=["en", f"x{number}"], semantic=["fr"])
        world.node(f"more-{number}", asr=["de"], semantic=["es", f"x{number}"])
    world.node("it")
    assert world.dispatch("s", 1).node_id == "it"
