"""Pieces of bytes: nothing is lost by joining them, and many tiny ones are few."""

from protocol.audio.pieces import MOST_APART, compact


def test_pieces_that_are_few_stay_as_they_are() -> None:
    pieces = [b"a"] * (MOST_APART - 1)
    assert compact(pieces, 0) == 0
    assert len(pieces) == MOST_APART - 1


def test_many_tiny_pieces_become_few_and_what_was_joined_is_not_copied_again() -> None:
    pieces: list[bytes] = []
    joined = 0
    for number in range(10 * MOST_APART):
        pieces.append(bytes((number % 256,)))
        joined = compact(pieces, joined)
        assert len(pieces) < MOST_APART + 10
    assert [len(piece) for piece in pieces] == [MOST_APART] * 10
    assert b"".join(pieces) == bytes(range(256)) * (10 * MOST_APART // 256)
