"""A store that lost its data: open jobs are put back, and none is lost."""

from actors.messages.job import JobQueued
from actors.messages.process import StoreEmptied
from storage.job import JobState
from tests.actors.support.dispatch_bench import DispatchBench
from tests.actors.support.empty_store import flush
from tests.actors.support.job_names import DONE, FAILED, JOB


def test_open_jobs_are_put_back_where_they_were(any_bench: DispatchBench) -> None:
    bench = any_bench
    bench.session()
    bench.node()
    running, waiting = bench.cut(index=0), bench.cut(index=1)
    bench.tell(running, waiting)
    flush(bench)
    bench.pass_time(1_000)
    assert bench.state_of(running) is JobState.ASSIGNED
    assert bench.state_of(waiting) is JobState.QUEUED
    assert bench.assigned() == [(JOB, 1)]
    bench.tell(bench.result(running))
    assert bench.assigned() == [(JOB, 1), ("job-s-1-es", 1)]
    bench.tell(bench.result(waiting))
    assert bench.ends_of() == [(0, DONE, None), (1, DONE, None)]


def test_a_job_whose_node_left_meanwhile_goes_to_another(bench: DispatchBench) -> None:
    bench.session()
    bench.node("n")
    bench.tell(bench.cut())
    bench.leave("n")
    bench.node("other")
    flush(bench)
    bench.pass_time(1_000)
    assert bench.assigned("other") == [(JOB, 2)]


def test_a_result_for_a_job_that_the_store_forgot_is_delivered(bench: DispatchBench) -> None:
    bench.session()
    bench.node()
    cut = bench.cut()
    bench.tell(cut)
    bench.world.run(bench.world.store.read([("FLUSHALL",)]))
    bench.tell(bench.result(cut))
    assert bench.ends_of() == [(0, DONE, None)]


def test_a_job_that_had_to_move_when_the_store_forgot_it_is_not_lost(bench: DispatchBench) -> None:
    bench.session()
    bench.node("n")
    cut = bench.cut()
    bench.tell(cut)
    bench.world.run(bench.world.store.read([("FLUSHALL",)]))
    bench.world.beat()
    bench.node("other")
    bench.tell(bench.failure(cut, code="MODEL_NOT_AVAILABLE"))
    assert bench.assigned("other") == [(JOB, 2)]


def test_a_job_that_was_ended_over_our_head_gets_its_outcome(bench: DispatchBench) -> None:
    """Another instance took this one for dead and cleared up after it."""
    session = bench.session()
    bench.tell(bench.cut())
    assert session.of(JobQueued)
    bench.world.beat("i2")
    bench.world.wait(10_000)
    bench.world.beat("i2")
    bench.world.do(bench.world.member("i2").instances.reap(bench.world.member("i1").id))
    bench.world.beat("i1")
    bench.tell(bench.opened("s"), StoreEmptied())
    bench.pass_time(1_000)
    assert bench.ends_of() == [(0, FAILED, "instance_lost")]
