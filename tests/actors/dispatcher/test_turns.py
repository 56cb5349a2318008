"""The segments of one turn: together at one node, merged, moved in order."""

from typing import Any

import pytest

from actors.messages.job import (
    JobUndelivered,
    PartialArrived,
    WithdrawJob,
)
from protocol.ids import NodeId
from tests.actors.support.dispatch_bench import DispatchBench
from tests.actors.support.job_names import DONE, EMPTY
from tests.actors.support.lost_nodes import lose


def test_words_without_translation_are_shown_and_the_segment_stays_open(
    bench: DispatchBench,
) -> None:
    session = bench.session()
    bench.node()
    part = bench.segment(0)
    bench.tell(part)
    bench.tell(bench.result(part, text_translated=""))
    assert session.only(PartialArrived).text == "hello"
    assert bench.ends_of() == []


def test_a_later_segment_closes_the_earlier_ones_before_itself(bench: DispatchBench) -> None:
    bench.session()
    node = bench.node()
    one, two, last = bench.segment(0), bench.segment(1), bench.segment(2, ends=True)
    bench.tell(one, two, last)
    bench.tell(bench.result(two, text_translated=""))
    bench.tell(bench.result(last, text_asr="all of it", text_translated="todo"))
    assert bench.ends_of() == [(0, EMPTY, "merged"), (1, EMPTY, "merged"), (2, DONE, None)]
    told = [(one.job_id, one.reason) for one in node.of(WithdrawJob)]
    assert told == [(one.spec.job_id, None), (two.spec.job_id, None)]
    assert bench.world.slots("n") == {}


def test_a_merged_segment_is_not_replaced_by_its_own_late_words(bench: DispatchBench) -> None:
    """Its words were delivered with the later segment's: nobody wants them twice."""
    session = bench.session()
    bench.node()
    one, last = bench.segment(0), bench.segment(1, ends=True)
    bench.tell(one, last)
    bench.tell(bench.result(last), bench.result(one))
    bench.tell(bench.result(one))
    assert bench.ends_of() == [(0, EMPTY, "merged"), (1, DONE, None)]
    assert [type(told).__name__ for told in session.messages].count("ResultReplaced") == 0


def test_an_absorbed_segment_is_merged_and_closes_nothing(bench: DispatchBench) -> None:
    bench.session()
    bench.node()
    one, two = bench.segment(0), bench.segment(1)
    bench.tell(one, two)
    nothing: dict[str, Any] = {
        "text_asr": "",
        "text_translated": "",
        "extra": {"reason": "NO_TEXT_ASSIGNED"},
    }
    bench.tell(bench.result(two, **nothing))
    assert bench.ends_of() == [(1, EMPTY, "merged")]


@pytest.mark.parametrize("why", ["lost", "model", "undelivered", "timeout"])
def test_the_open_segments_of_a_turn_move_together_in_order(bench: DispatchBench, why: str) -> None:
    bench.session()
    bench.node("n")
    one, two = bench.segment(0), bench.segment(1)
    bench.tell(one, two)
    bench.node("other")
    match why:
        case "lost":
            bench.tell(lose(bench, "n"))
        case "model":
            bench.tell(bench.failure(two, code="MODEL_NOT_AVAILABLE"))
        case "undelivered":
            bench.tell(JobUndelivered(two.spec.job_id, 1, NodeId("n")))
        case _:
            bench.pass_time(30_010)
    assert bench.assigned("other") == [(one.spec.job_id, 2), (two.spec.job_id, 2)]
    assert bench.world.slots("n") == {}


def test_a_turn_waits_for_its_node_and_then_moves(bench: DispatchBench) -> None:
    bench.session()
    bench.session("rival")
    bench.node("n")
    one = bench.segment(0)
    bench.tell(one)
    bench.tell(bench.result(one))
    rival = bench.cut("rival")
    bench.tell(rival)
    bench.node("other")
    two = bench.segment(1)
    bench.tell(two)
    assert bench.assigned("other") == []
    bench.pass_time(2_010)
    assert [job for job, _ in bench.assigned("other")] == [two.spec.job_id]
