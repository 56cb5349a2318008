"""Which numbers were taken."""

from hypothesis import given
from hypothesis import strategies as st

from actors.session.uplink.runs import Runs

MAX_RUNS = 64


def taken(*seqs: int) -> Runs:
    numbers = Runs(MAX_RUNS)
    for seq in seqs:
        assert numbers.add(seq)
    return numbers


def test_a_number_is_taken_once() -> None:
    numbers = taken(0, 1, 2)
    assert [numbers.add(seq) for seq in (0, 2, 3, 3)] == [False, False, True, False]


def test_the_first_missing_is_the_lowest_gap() -> None:
    assert Runs(MAX_RUNS).first_missing == 0
    assert taken(0, 1, 2).first_missing == 3
    assert taken(0, 1, 3, 5).first_missing == 2
    assert taken(4, 5).first_missing == 0
    assert taken(0, 2, 1).first_missing == 3


def test_the_gap_below_a_number_begins_where_the_run_before_it_ends() -> None:
    numbers = taken(0, 1, 4, 5, 9)
    assert numbers.gap_below(9) == 6
    assert numbers.gap_below(4) == 2
    assert numbers.gap_below(5) == 5
    assert numbers.gap_below(0) == 0
    assert taken(7).gap_below(7) == 0


def test_a_client_that_leaves_ever_more_gaps_does_not_grow_the_record() -> None:
    numbers = taken(*range(0, 100_000, 2))
    assert len(numbers._starts) == MAX_RUNS
    assert numbers.end == 99_999
    assert numbers.add(99_997)
    assert not numbers.add(1)  # given up


@given(st.lists(st.integers(0, 40)))
def test_it_is_a_set_of_numbers(seqs: list[int]) -> None:
    numbers, model = Runs(MAX_RUNS), set[int]()
    for seq in seqs:
        assert numbers.add(seq) == (seq not in model)
        model.add(seq)
        assert numbers.first_missing == next(n for n in range(42) if n not in model)
        assert numbers.end == max(model) + 1
        assert numbers._starts == sorted(n for n in model if n - 1 not in model)
        assert numbers._ends == sorted(n + 1 for n in model if n + 1 not in model)
