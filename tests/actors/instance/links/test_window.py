"""The numbers of a link: everything arrives once and in order, or is handed back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.instance.links.window import IncomingLink, LinkBounds, LinkBrokenError, OutgoingLink
from protocol.instances.link import DISPATCHER

WORDS = "abcde"


def sending(words: str = WORDS) -> OutgoingLink:
    link = OutgoingLink()
    for word in words:
        link.add(DISPATCHER, word, 10)
    return link


def words_of(entries: object) -> str:
    return "".join(entry.message for entry in entries)  # type: ignore[attr-defined]


def test_messages_are_numbered_from_one_without_a_gap() -> None:
    link = OutgoingLink()
    assert [link.add(DISPATCHER, word, 1).seq for word in WORDS] == [1, 2, 3, 4, 5]
    assert link.acknowledge(5) == 5
    assert link.add(DISPATCHER, "f", 1).seq == 6


def test_what_has_arrived_is_let_go_of() -> None:
    link = sending()
    assert link.acknowledge(2) == 2
    assert link.acknowledge(2) == 0
    assert link.acknowledge(1) == 0
    assert words_of(link.give_up()) == "cde"
    assert len(link) == 0


def test_after_a_broken_connection_the_rest_is_sent_again() -> None:
    link = sending()
    link.acknowledge(1)
    assert words_of(link.resume(3)) == "de"
    assert words_of(link.give_up()) == "de"


def test_a_receiver_that_has_forgotten_is_another_process() -> None:
    link = sending()
    link.acknowledge(3)
    with pytest.raises(LinkBrokenError):
        link.resume(2)


def test_a_receiver_that_has_had_more_than_was_sent_is_wrong() -> None:
    with pytest.raises(LinkBrokenError):
        sending().acknowledge(6)
    with pytest.raises(LinkBrokenError):
        sending().resume(6)


@pytest.mark.parametrize("bounds", [LinkBounds(max_messages=5), LinkBounds(max_bytes=50)])
def test_a_link_is_full_by_number_or_by_bytes(bounds: LinkBounds) -> None:
    link = OutgoingLink(bounds)
    for word in WORDS:
        assert not link.is_full
        link.add(DISPATCHER, word, 10)
    assert link.is_full
    link.acknowledge(1)
    assert not link.is_full


def test_what_was_had_before_is_not_taken_again() -> None:
    link = IncomingLink("l")
    assert [link.takes(seq) for seq in (1, 2, 2, 1, 3)] == [True, True, False, False, True]


def test_a_gap_is_noticed() -> None:
    link = IncomingLink("l")
    with pytest.raises(LinkBrokenError):
        link.takes(2)


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6), st.booleans()), max_size=20))
def test_through_any_breaks_everything_arrives_once_and_in_order(
    episodes: list[tuple[int, int, bool]],
) -> None:
    """In each: so many are sent, so many of what is on the wire arrive, and the ack may be lost."""
    out, into = OutgoingLink(), IncomingLink("l")
    arrived: list[int] = []
    sent = 0
    for count, reaching, ack_is_lost in episodes:
        wire = list(out.resume(into.received))
        for _ in range(count):
            wire.append(out.add(DISPATCHER, sent, 1))
            sent += 1
        arrived += [entry.message for entry in wire[:reaching] if into.takes(entry.seq)]
        if not ack_is_lost:
            out.acknowledge(into.received)
        left = [entry.message for entry in out.resume(into.received)]
        assert arrived + left == list(range(sent))
