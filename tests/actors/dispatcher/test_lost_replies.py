"""Answers of the store that are lost: what was done is done once."""

import pytest

from tests.actors.support.dispatch_bench import DispatchBench
from tests.actors.support.job_names import DONE, JOB


@pytest.mark.parametrize("lost", [1, 2, 3])
def test_a_dispatch_whose_answer_is_lost_makes_one_job(bench: DispatchBench, lost: int) -> None:
    bench.session()
    bench.node(slots=2)
    cut = bench.cut()
    bench.store.loses_replies = lost
    bench.tell(cut)
    bench.pass_time(1_000)
    assert bench.assigned() == [(JOB, 1)]
    bench.tell(bench.result(cut))
    assert bench.ends_of() == [(0, DONE, None)]


def test_a_queued_dispatch_whose_answer_is_lost_waits_on(bench: DispatchBench) -> None:
    bench.session()
    bench.store.loses_replies = 1
    bench.tell(bench.cut())
    bench.pass_time(500)
    bench.node()
    assert bench.assigned() == [(JOB, 1)]


def test_a_completion_whose_answer_is_lost_is_one_outcome(bench: DispatchBench) -> None:
    bench.session()
    bench.node()
    cut = bench.cut()
    bench.tell(cut)
    bench.store.loses_replies = 1
    bench.tell(bench.result(cut))
    assert bench.ends_of() == []
    bench.pass_time(250)
    assert bench.ends_of() == [(0, DONE, None)]


def test_a_hand_over_whose_answer_is_lost_is_found(bench: DispatchBench) -> None:
    bench.session()
    bench.node()
    first, second = bench.cut(index=0), bench.cut(index=1)
    bench.tell(first, second)
    bench.store.loses_replies = 1
    bench.tell(bench.result(first))
    bench.pass_time(250)
    assert bench.assigned() == [(JOB, 1), ("job-s-1-es", 1)]


def test_a_move_whose_answer_is_lost_is_made_once(bench: DispatchBench) -> None:
    bench.session()
    bench.node("n")
    cut = bench.cut()
    bench.tell(cut)
    bench.node("other")
    bench.store.loses_replies = 1
    bench.tell(bench.failure(cut, code="MODEL_NOT_AVAILABLE"))
    bench.pass_time(250)
    assert bench.assigned("other") == [(JOB, 2)]
    bench.tell(bench.result(cut, "other", attempt=2))
    assert bench.ends_of() == [(0, DONE, None)]
