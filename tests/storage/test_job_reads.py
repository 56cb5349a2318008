"""JobRepository's reads: by id, by state, by session, by owner, all from indexes."""

from protocol.ids import JobId
from storage.job import JobState
from tests.support.storage_world import World


def test_an_unknown_job_reads_as_nothing(world: World) -> None:
    assert world.run(world.member().jobs.get_job(JobId("nothing"))) is None


def test_a_job_reads_back_as_it_was_dispatched(world: World) -> None:
    world.node("n1")
    spec = world.spec("s", 7)
    world.do(world.member().jobs.dispatch(spec))
    record = world.job(spec.job_id)
    assert record.request_id == spec.request_id
    assert (record.session_id, record.utterance_index) == ("s", 7)
    assert (record.language, record.source) == ("es", "en")
    assert (record.requirement, record.turn_id, record.turn_part) == ("a:en,s:es", "turn-7", 0)
    assert (record.tenant_id, record.trace_id) == ("t1", "trace")
    assert (record.owner_instance, record.reason, record.replaced) == ("i1", None, False)


def test_jobs_are_listed_by_state_latest_first(world: World) -> None:
    world.node("n1", slots=2)
    for index in (1, 2, 3):
        world.dispatch("s", index)
        world.wait(1)
    jobs = world.member().jobs
    listed = world.run(jobs.jobs_in_state(JobState.ASSIGNED))
    assert [job.utterance_index for job in listed] == [2, 1]
    assert len(world.run(jobs.jobs_in_state(JobState.ASSIGNED, limit=1))) == 1
    assert [job.utterance_index for job in world.run(jobs.jobs_in_state(JobState.QUEUED))] == [3]
    world.complete("job-s-1-es", "n1")
    assert [job.utterance_index for job in world.run(jobs.jobs_in_state(JobState.DONE))] == [1]
    assert world.run(jobs.counts()) == {
        JobState.QUEUED: 0,
        JobState.ASSIGNED: 2,
        JobState.RUNNING: 0,
    }


def test_the_whole_story_of_a_job_reads_as_a_timeline(world: World) -> None:
    world.dispatch("s", 1)
    world.wait(100)
    world.node("n1")
    world.progress("job-s-1-es", "n1", "accepted")
    world.progress("job-s-1-es", "n1", "running")
    world.wait(900)
    world.complete("job-s-1-es", "n1")
    timeline = world.job("job-s-1-es").timeline
    assert [step.event for step in timeline] == [
        "created",
        "queued",
        "assigned",
        "accepted",
        "running",
        "done",
    ]
    assert timeline[-1].at_ms - timeline[0].at_ms == 1000


def test_what_waits_is_told_by_pair_of_languages(world: World) -> None:
    nothing = world.run(world.member().jobs.waiting())
    assert (nothing.jobs, nothing.pairs) == (0, ())
    world.dispatch("s1", 1)
    world.wait(300)
    world.dispatch("s2", 1)
    world.dispatch("s1", 2, language="fr", requirement="a:en,s:fr")
    world.wait(50)
    waiting = world.run(world.member().jobs.waiting())
    assert (waiting.jobs, waiting.looked_at) == (3, 3)
    found = [(one.source, one.language, one.jobs, one.oldest_ms) for one in waiting.pairs]
    assert found == [("en", "es", 2, 350), ("en", "fr", 1, 50)]


def test_of_much_that_waits_the_longest_waiting_are_looked_at(world: World) -> None:
    for number in range(5):
        world.dispatch(f"s{number}", 1)
        world.wait(10)
    reply = world.do(world.member().jobs.list_waiting(limit=2))
    assert (reply.jobs, reply.looked_at) == (5, 2)
    assert [(pair.jobs, pair.oldest_ms) for pair in reply.pairs] == [(2, 50)]
