"""Ids: each is new, none can be foreseen, none holds a session's id."""

import re
from collections.abc import Callable

import pytest

from protocol.ids import (
    SessionId,
    could_be_session_id,
    new_group_id,
    new_job_id,
    new_node_id,
    new_session_id,
    new_trace_id,
    new_turn_id,
    place_of_job,
    place_of_session,
    session_ref,
)

SESSION = SessionId("s-0123456789abcdef0123456789abcdef")


@pytest.mark.parametrize(
    ("make", "digits"),
    [
        (new_session_id, 32),
        (lambda: new_job_id(place_of_session(SESSION))[8:], 32),
        (new_turn_id, 32),
        (new_group_id, 32),
        (new_trace_id, 32),
        (new_node_id, 16),
    ],
)
def test_each_id_is_new_and_of_random_digits(make: Callable[[], str], digits: int) -> None:
    made = [make() for _ in range(3000)]
    parts = [re.fullmatch(rf"(?:[a-z]+-)?([0-9a-f]{{{digits}}})", one) for one in made]
    assert all(parts)
    found = {part[1] for part in parts if part}
    assert len(found) == 3000
    for position in range(digits):
        assert len({one[position] for one in found}) == 16
    halves = {one[start : start + 16] for one in found for start in range(0, digits, 16)}
    assert len(halves) == 3000 * digits // 16, "a part of one id comes again in another"


def test_no_id_of_another_kind_holds_the_id_of_its_session() -> None:
    secret = SESSION.removeprefix("s-")
    for made in (
        new_job_id(place_of_session(SESSION)),
        new_turn_id(),
        new_group_id(),
        session_ref(SESSION),
    ):
        assert secret[:8] not in made


def test_a_job_carries_the_place_of_its_session() -> None:
    session_id = new_session_id()
    assert place_of_job(new_job_id(place_of_session(session_id))) == place_of_session(session_id)


def test_a_session_is_known_by_the_first_digits_of_its_hash() -> None:
    assert session_ref(SessionId("s-1")) == "6a840baf5d8c3ff2"
    assert session_ref(new_session_id()) != session_ref(new_session_id())
    assert could_be_session_id(new_session_id())
