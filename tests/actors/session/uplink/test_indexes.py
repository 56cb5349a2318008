"""Which utterance index means what, whoever brought it."""

from hypothesis import given
from hypothesis import strategies as st

from actors.session.uplink.indexes import MAX_RUNS, IndexUse, UsedIndexes

FRESH, REPEATED, TAKEN = IndexUse.FRESH, IndexUse.REPEATED, IndexUse.TAKEN


def test_the_server_counts_from_zero() -> None:
    indexes = UsedIndexes()
    assert [indexes.take_next() for _ in range(3)] == [0, 1, 2]


def test_the_server_counts_on_above_the_highest_index_seen() -> None:
    indexes = UsedIndexes()
    assert indexes.take(5) is FRESH
    assert indexes.take(2) is FRESH
    assert indexes.take_next() == 6


def test_an_index_that_the_client_used_is_a_repetition() -> None:
    indexes = UsedIndexes()
    indexes.take(3)
    assert indexes.take(3) is REPEATED


def test_an_index_that_the_server_used_is_taken() -> None:
    indexes = UsedIndexes()
    indexes.take_next()
    assert indexes.take(0) is TAKEN
    assert indexes.take(1) is FRESH


def test_counting_up_takes_no_room_however_long() -> None:
    indexes = UsedIndexes()
    for index in range(0, 10_000, 2):
        assert indexes.take(index) is FRESH
        assert indexes.take_next() == index + 1
    alone = UsedIndexes()
    for index in range(10_000):
        assert alone.take(index) is FRESH
    assert repr(alone) == "<UsedIndexes next=10000, 1 runs>"


def test_gaps_beyond_so_many_take_no_room_and_the_oldest_cannot_be_filled() -> None:
    indexes = UsedIndexes()
    for index in range(0, 20 * MAX_RUNS, 2):
        assert indexes.take(index) is FRESH
    assert repr(indexes).endswith(f" {MAX_RUNS} runs>")
    assert indexes.take(1) is REPEATED
    assert indexes.take(20 * MAX_RUNS - 3) is FRESH


@given(st.lists(st.one_of(st.none(), st.integers(0, 30)), max_size=60))
def test_it_agrees_with_two_plain_sets(steps: list[int | None]) -> None:
    indexes, client, server = UsedIndexes(), set[int](), set[int]()
    for index in steps:
        if index is None:
            taken = indexes.take_next()
            assert taken == max(client | server, default=-1) + 1
            server.add(taken)
        else:
            expected = REPEATED if index in client else TAKEN if index in server else FRESH
            assert indexes.take(index) is expected
            if expected is FRESH:
                client.add(index)
