"""The order of outcomes for one recipient. Times are literal, in ms; a gap may last 5000."""

from dataclasses import dataclass
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.session.downlink.sequencer import Delivery, Sequencer
from actors.session.options import SequencerOptions

GAP_MS = 5000


@pytest.fixture
def sequencer() -> Sequencer[int, str]:
    sequencer: Sequencer[int, str] = Sequencer(SequencerOptions())
    for key in range(1, 6):
        sequencer.expect(key)
    return sequencer


def sent(deliveries: list[Delivery[int, str]] | None) -> list[tuple[int, str, int, bool]]:
    assert deliveries is not None, "the outcome was ignored"
    return [(item.key, item.outcome, item.delivery_seq, item.late) for item in deliveries]


def keys(deliveries: list[Delivery[int, str]] | None) -> list[int]:
    return [key for key, *_ in sent(deliveries)]


def test_outcomes_in_order_go_out_at_once(sequencer: Sequencer[int, str]) -> None:
    assert sent(sequencer.ready(1, "a", 0)) == [(1, "a", 1, False)]
    assert sent(sequencer.ready(2, "b", 1)) == [(2, "b", 2, False)]
    assert sequencer.deadline_ms is None


def test_a_gap_holds_back_what_comes_after_it(sequencer: Sequencer[int, str]) -> None:
    assert keys(sequencer.ready(2, "b", 0)) == []
    assert keys(sequencer.ready(3, "c", 10)) == []
    assert sequencer.deadline_ms == GAP_MS
    assert sent(sequencer.ready(1, "a", 20)) == [
        (1, "a", 1, False),
        (2, "b", 2, False),
        (3, "c", 3, False),
    ]
    assert sequencer.deadline_ms is None


def test_a_gap_holds_back_only_so_long_and_nothing_is_sent_for_it(
    sequencer: Sequencer[int, str],
) -> None:
    sequencer.ready(2, "b", 100)
    sequencer.ready(3, "c", 4000)
    assert sequencer.poll(100 + GAP_MS - 0.1) == []
    assert sent(sequencer.poll(100 + GAP_MS)) == [(2, "b", 1, False), (3, "c", 2, False)]
    assert sequencer.deadline_ms is None


def test_what_arrives_for_a_passed_gap_goes_out_once_and_late(
    sequencer: Sequencer[int, str],
) -> None:
    sequencer.ready(2, "b", 0)
    sequencer.poll(GAP_MS)
    sequencer.ready(4, "d", GAP_MS + 1)
    assert sent(sequencer.ready(1, "a", GAP_MS + 2)) == [(1, "a", 2, True)]
    assert sequencer.ready(1, "a again", GAP_MS + 3) is None
    assert sent(sequencer.ready(3, "c", GAP_MS + 4)) == [(3, "c", 3, False), (4, "d", 4, False)]


def test_all_gaps_before_an_outcome_that_waited_long_enough_are_passed(
    sequencer: Sequencer[int, str],
) -> None:
    sequencer.ready(4, "d", 0)
    sequencer.ready(2, "b", 3000)
    assert keys(sequencer.poll(GAP_MS)) == [2, 4]
    assert sent(sequencer.ready(3, "c", 6000)) == [(3, "c", 3, True)]
    assert sent(sequencer.ready(1, "a", 6001)) == [(1, "a", 4, True)]


def test_each_later_gap_has_its_own_time(sequencer: Sequencer[int, str]) -> None:
    sequencer.ready(2, "b", 0)
    sequencer.ready(4, "d", 1000)
    assert keys(sequencer.poll(GAP_MS)) == [2]
    assert sequencer.deadline_ms == GAP_MS + 1000
    assert keys(sequencer.poll(GAP_MS + 1000)) == [4]


def test_the_time_of_a_gap_runs_from_the_first_outcome_it_holds_back(
    sequencer: Sequencer[int, str],
) -> None:
    sequencer.ready(5, "e", 0)
    sequencer.ready(1, "a", 4000)
    sequencer.ready(2, "b", 4500)
    assert sequencer.deadline_ms == GAP_MS
    assert keys(sequencer.poll(GAP_MS)) == [5]


def test_a_delivered_outcome_leaves_no_deadline_behind(sequencer: Sequencer[int, str]) -> None:
    sequencer.ready(3, "c", 0)
    sequencer.ready(5, "e", 100)
    sequencer.ready(1, "a", 200)
    sequencer.ready(2, "b", 300)
    assert sequencer.deadline_ms == GAP_MS + 100


def test_unknown_and_repeated_keys_are_ignored(sequencer: Sequencer[int, str]) -> None:
    assert sequencer.ready(9, "x", 0) is None
    assert sequencer.ready(2, "b", 0) == []
    assert sequencer.ready(2, "B", 1) is None
    assert sent(sequencer.ready(1, "a", 2)) == [(1, "a", 1, False), (2, "b", 2, False)]
    assert sequencer.ready(2, "b", 3) is None
    assert not sequencer.expect(3)
    assert len(sequencer) == 3
    assert 2 not in sequencer
    assert 3 in sequencer


def test_an_outcome_held_back_may_be_replaced(sequencer: Sequencer[int, str]) -> None:
    assert not sequencer.replace(2, "nothing to replace yet")
    sequencer.ready(2, "", 0)
    assert sequencer.replace(2, "full")
    assert sequencer.deadline_ms == GAP_MS
    assert sent(sequencer.ready(1, "a", 1)) == [(1, "a", 1, False), (2, "full", 2, False)]
    assert not sequencer.replace(2, "too late")


def test_a_delivered_key_may_be_expected_anew(sequencer: Sequencer[int, str]) -> None:
    sequencer.ready(1, "a", 0)
    assert sequencer.expect(1)
    for key in range(2, 6):
        sequencer.ready(key, "", 1)
    assert sent(sequencer.ready(1, "again", 2)) == [(1, "again", 6, False)]


def test_delivery_numbers_go_on_where_another_instance_stopped() -> None:
    sequencer: Sequencer[int, str] = Sequencer(SequencerOptions(), next_delivery_seq=42)
    sequencer.expect(7)
    assert sent(sequencer.ready(7, "a", 0)) == [(7, "a", 42, False)]
    assert sequencer.next_delivery_seq == 43


def test_with_no_patience_for_gaps_a_poll_lets_everything_go() -> None:
    sequencer: Sequencer[int, str] = Sequencer(SequencerOptions(result_gap_ms=0))
    sequencer.expect(1)
    sequencer.expect(2)
    assert sequencer.ready(2, "b", 10) == []
    assert sequencer.deadline_ms == 10
    assert keys(sequencer.poll(10)) == [2]


def test_it_shows_its_state(sequencer: Sequencer[int, str]) -> None:
    sequencer.ready(2, "b", 0)
    assert repr(sequencer) == "<Sequencer 5 expected, 1 held back, next delivery 1>"


@dataclass(frozen=True)
class Event:
    """An outcome's arrival: of which key, how long after the one before, timer on time or not."""

    key: int
    after_ms: int
    timer_late: bool


@st.composite
def arrivals(draw: st.DrawFn) -> tuple[int, list[Event]]:
    """Draw how many keys are expected, and outcomes: one for each, some unknown or repeated."""
    count = draw(st.integers(1, 25))
    order = draw(st.permutations(range(count)))
    repeated = draw(st.lists(st.integers(0, count + 2), max_size=5))
    return count, [
        Event(key, draw(st.sampled_from([0, 1, 900, 5000, 12_000])), draw(st.booleans()))
        for key in draw(st.permutations([*order, *repeated]))
    ]


@given(arrivals())
def test_each_outcome_goes_out_once_in_order_and_without_long_waits(
    drawn: tuple[int, list[Event]],
) -> None:
    count, events = drawn
    sequencer: Sequencer[int, int] = Sequencer(SequencerOptions(result_gap_ms=GAP_MS))
    expected = [key for key in range(count) if sequencer.expect(key)]
    delivered: list[Delivery[int, int]] = []
    ready_at: dict[int, float] = {}
    now_ms = 0.0
    for event in events:
        now_ms += event.after_ms
        while not event.timer_late and (due_ms := sequencer.deadline_ms or now_ms) < now_ms:
            batch = sequencer.poll(due_ms)
            assert batch, "a deadline has something to do"
            assert all(due_ms - ready_at[item.key] <= GAP_MS for item in batch)
            delivered += batch
        ready_at.setdefault(event.key, now_ms)
        delivered += sequencer.ready(event.key, event.key, now_ms) or []
    delivered += sequencer.poll(inf)
    assert sorted(item.key for item in delivered) == expected
    assert all(item.key == item.outcome for item in delivered)
    assert [item.delivery_seq for item in delivered] == list(range(1, count + 1))
    on_time = [item.key for item in delivered if not item.late]
    assert on_time == sorted(on_time)
    for item in delivered:
        went_before = delivered[: item.delivery_seq - 1]
        assert item.late == any(other.key > item.key for other in went_before)
    assert (len(sequencer), sequencer.deadline_ms) == (0, None)


# ---- lanes --------------------------------------------------------------------------------------


def lanes(*expected: tuple[str, str | None]) -> Sequencer[str, str]:
    sequencer: Sequencer[str, str] = Sequencer(SequencerOptions(result_gap_ms=1000))
    for key, lane in expected:
        assert sequencer.expect(key, lane)
    return sequencer


def keys_of(deliveries: list[Delivery[str, str]] | None) -> list[str]:
    assert deliveries is not None
    return [delivery.key for delivery in deliveries]


def test_lanes_do_not_wait_for_each_other() -> None:
    order = lanes(("0 de", "de"), ("0 fr", "fr"), ("1 de", "de"), ("1 fr", "fr"))
    assert keys_of(order.ready("0 fr", "x", 0)) == ["0 fr"]
    assert keys_of(order.ready("1 de", "x", 0)) == []
    assert keys_of(order.ready("1 fr", "x", 0)) == ["1 fr"]
    released = order.ready("0 de", "x", 0)
    assert keys_of(released) == ["0 de", "1 de"]
    assert [one.late for one in released or ()] == [False, False]
    assert order.deadline_ms is None


def test_what_is_in_no_lane_waits_for_all_and_all_wait_for_it() -> None:
    order = lanes(("de", "de"), ("fr", "fr"), ("all", None), ("it", "it"))
    assert keys_of(order.ready("it", "x", 0)) == []
    assert keys_of(order.ready("all", "x", 0)) == []
    assert keys_of(order.ready("fr", "x", 0)) == ["fr"]
    assert keys_of(order.ready("de", "x", 0)) == ["de", "all", "it"]


def test_a_gap_lets_go_of_its_own_lane_alone() -> None:
    order = lanes(("0 de", "de"), ("0 fr", "fr"), ("1 de", "de"), ("1 fr", "fr"))
    assert keys_of(order.ready("1 de", "x", 0)) == []
    assert keys_of(order.ready("1 fr", "x", 500)) == []
    assert keys_of(order.poll(1000)) == ["1 de"]
    assert order.passed == ["0 de"]
    assert keys_of(order.ready("0 fr", "x", 1100)) == ["0 fr", "1 fr"]
    late = order.ready("0 de", "x", 1200) or []
    assert [(one.key, one.late) for one in late] == [("0 de", True)]


def test_a_gap_that_is_waited_for_by_way_of_another_is_passed_with_it() -> None:
    order = lanes(("it", "it"), ("de", "de"), ("all", None), ("fr", "fr"))
    assert keys_of(order.ready("fr", "x", 0)) == []
    assert keys_of(order.ready("all", "x", 10)) == []
    assert keys_of(order.poll(1000)) == ["all", "fr"]
    assert order.passed == ["it", "de"]


@given(
    st.lists(st.sampled_from([None, "a", "b", "c"]), min_size=1, max_size=8),
    st.data(),
)
def test_each_lane_keeps_its_order_and_nothing_waits_for_ever(
    given: list[str | None], data: st.DataObject
) -> None:
    keys = [(str(at), lane) for at, lane in enumerate(given)]
    order, seen = lanes(*keys), list[Delivery[str, str]]()
    now_ms = 0.0
    for key, _ in data.draw(st.permutations(keys)):
        now_ms += data.draw(st.sampled_from([0, 400, 1100]))
        seen += order.poll(now_ms)
        seen += order.ready(key, "x", now_ms) or []
    seen += order.poll(now_ms + 1000)
    assert sorted(int(one.key) for one in seen) == list(range(len(keys)))
    assert [one.delivery_seq for one in seen] == list(range(1, len(keys) + 1))
    by_time = [(int(one.key), given[int(one.key)], one.late) for one in seen]
    for place, (number, lane, is_late) in enumerate(by_time):
        overtaken = [
            earlier
            for earlier, other, was_late in by_time[:place]
            if earlier > number and not was_late and (lane in (None, other) or other is None)
        ]
        assert bool(overtaken) <= is_late, f"{number} came behind {overtaken}"
    assert order.deadline_ms is None
