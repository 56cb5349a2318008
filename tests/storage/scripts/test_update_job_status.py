"""update_job_status: what a node says of a job before its result."""

from storage.job import JobState
from storage.replies.job import Duplicate, Gone, Stale, Updated
from tests.support.storage_world import World


def test_acceptance_is_noted_in_the_timeline(world: World) -> None:
    world.node("n1")
    world.dispatch("s", 1)
    world.wait(50)
    assert world.progress("job-s-1-es", "n1", "accepted") == Updated()
    record = world.job("job-s-1-es")
    assert record.state is JobState.ASSIGNED
    assert [step.event for step in record.timeline] == ["created", "assigned", "accepted"]


def test_a_started_job_is_running(world: World) -> None:
    world.node("n1")
    world.dispatch("s", 1)
    assert world.progress("job-s-1-es", "n1", "running") == Updated()
    assert world.job("job-s-1-es").state is JobState.RUNNING
    assert world.complete("job-s-1-es", "n1").state is JobState.DONE


def test_a_repetition_changes_nothing(world: World) -> None:
    world.node("n1")
    world.dispatch("s", 1)
    world.progress("job-s-1-es", "n1", "running")
    assert isinstance(world.progress("job-s-1-es", "n1", "running"), Duplicate)
    assert world.progress("job-s-1-es", "n1", "accepted") == Updated()
    world.complete("job-s-1-es", "n1")
    late = world.progress("job-s-1-es", "n1", "accepted")
    assert isinstance(late, Duplicate)
    assert late.state is JobState.DONE


def test_another_node_or_attempt_is_stale(world: World) -> None:
    world.node("n1")
    world.node("n2")
    world.dispatch("s", 1)
    assert world.progress("job-s-1-es", "n2", "running") == Stale(1)
    world.failover("job-s-1-es", "n1", exclude_node=True)
    assert world.progress("job-s-1-es", "n1", "running") == Stale(2)


def test_progress_of_an_earlier_attempt_does_not_count_for_the_next(world: World) -> None:
    world.node("n1")
    world.node("n2")
    world.dispatch("s", 1)
    world.progress("job-s-1-es", "n1", "running")
    world.failover("job-s-1-es", "n1", exclude_node=True)
    assert world.job("job-s-1-es").state is JobState.ASSIGNED
    assert world.progress("job-s-1-es", "n2", "running", attempt=2) == Updated()


def test_an_unknown_job_is_gone(world: World) -> None:
    assert world.progress("nothing", "n1", "running") == Gone()
