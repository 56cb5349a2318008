"""Jobs that take too long: deadlines in time, absolute, and never a busy loop."""

from actors.messages.job import (
    WithdrawJob,
)
from storage.job_limits import JobLimits
from tests.actors.conftest import OpenBench
from tests.actors.support.dispatch_bench import DispatchBench
from tests.actors.support.job_names import FAILED, JOB
from tests.actors.support.lost_nodes import first_and_other


def test_a_job_that_takes_too_long_is_withdrawn_and_moved(bench: DispatchBench) -> None:
    bench.session()
    bench.node("n")
    bench.node("other")
    cut = bench.cut()
    bench.tell(cut)
    first, other = first_and_other(bench)
    bench.pass_time(29_990)
    assert bench.assigned(other) == []
    bench.pass_time(30)
    assert bench.assigned(other) == [(JOB, 2)]
    withdrawn = bench.nodes[first].only(WithdrawJob)
    assert (withdrawn.job_id, withdrawn.attempt, withdrawn.reason) == (JOB, 1, "job_timeout")
    bench.tell(bench.result(cut, first, attempt=1))
    assert bench.ends_of() == []


def test_a_job_that_no_node_finishes_ends_as_timed_out(bench: DispatchBench) -> None:
    bench.session()
    bench.node("n")
    bench.tell(bench.cut())
    bench.pass_time(90_050)
    assert bench.assigned("n") == [(JOB, 1), (JOB, 2), (JOB, 3)]
    assert bench.ends_of() == [(0, FAILED, "job_timeout")]


def test_nothing_extends_the_absolute_deadline(open_bench: OpenBench) -> None:
    bench = open_bench(limits=JobLimits(max_attempts=100))
    bench.session()
    bench.node("n")
    bench.tell(bench.cut())
    bench.pass_time(99_990)
    assert bench.ends_of() == []
    bench.pass_time(30)
    assert bench.ends_of() == [(0, FAILED, "job_timeout")]


def test_deadlines_come_in_time_however_many_there_are(bench: DispatchBench) -> None:
    """A sweep reports twenty at most; the next one follows soon, but not in a loop."""
    for number in range(6):
        bench.session(f"s{number}")
    cuts = [bench.cut(f"s{number}", index) for number in range(6) for index in range(18)]
    bench.tell(*cuts)
    bench.pass_time(9_990)
    assert bench.metrics.outcomes == []
    wakes = bench.wakes
    bench.pass_time(60)
    assert bench.metrics.outcomes == ["no_available_node"] * 108
    assert bench.wakes - wakes < 15


def test_an_idle_dispatcher_asks_once_a_second(bench: DispatchBench) -> None:
    bench.pass_time(10_500)
    assert bench.store.count("sweep") == 10


def test_what_stays_due_does_not_make_it_spin(bench: DispatchBench) -> None:
    """Whatever keeps jobs due in the store, it is asked at a bounded pace."""
    bench.session()
    for index in range(20):
        bench.tell(bench.cut(index=index))
    bench.session("s2")
    bench.tell(*(bench.cut("s2", index) for index in range(5)))
    bench.pass_time(9_000)
    bench.deaf_to_deadlines()
    before = bench.store.count("sweep")
    bench.pass_time(2_000)
    assert bench.store.count("sweep") - before <= 2_000 / 5
