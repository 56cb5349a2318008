"""Under which names members of a room hear of each other."""

import re

import pytest

from actors.messages.room import RoomView
from actors.session.member import aliases as module
from actors.session.member.aliases import Aliases, alias_of
from protocol.ids import NO_INSTANCE, MemberAlias, SessionId, new_session_id
from storage.room import Seat

ME, ANN, BOB = SessionId("s-me"), SessionId("s-ann"), SessionId("s-bob")


def room(*members: SessionId, code: str = "123456") -> RoomView:
    seats = (Seat(one, NO_INSTANCE, "en", joined_at_ms=n) for n, one in enumerate(members))
    return RoomView(code, "r", 1, tuple(seats))


def seen(*members: SessionId, code: str = "123456") -> Aliases:
    names = Aliases(ME)
    names.seen(room(*members, code=code))
    return names


def test_an_alias_is_p_and_eight_digits_and_nothing_of_the_id() -> None:
    for _ in range(100):
        session_id = new_session_id()
        alias = alias_of("123456", session_id)
        assert re.fullmatch(r"p-[0-9a-f]{8}", alias)
        assert alias.removeprefix("p-") not in session_id


def test_every_member_hears_the_same_name_and_its_own_id() -> None:
    mine, anns = seen(ME, ANN, BOB), Aliases(ANN)
    anns.seen(room(ME, ANN, BOB))
    assert mine.of(BOB, "123456") == anns.of(BOB, "123456") != BOB
    assert mine.of(ME, "123456") == ME
    assert anns.of(ANN, "123456") == ANN


def test_a_name_leads_back_to_its_member_and_an_id_does_not() -> None:
    names = seen(ME, ANN)
    assert names.session(names.of(ANN, "123456")) == ANN
    assert names.session(ME) == ME
    assert names.session(ANN) is None
    assert names.session(alias_of("123456", BOB)) is None


def test_a_name_stays_while_others_come_and_go() -> None:
    names = seen(ME, ANN)
    before = names.of(ANN, "123456")
    names.seen(room(ME, ANN, BOB))
    names.seen(room(ANN, ME))
    assert names.of(ANN, "123456") == before
    assert names.session(alias_of("123456", BOB)) is None


def test_who_left_has_the_same_name_in_what_is_still_heard_of_it() -> None:
    names = seen(ME, ANN)
    before = names.of(ANN, "123456")
    names.seen(room(ME))
    assert names.of(ANN, "123456") == before


def test_in_another_room_everybody_has_another_name() -> None:
    names = seen(ME, ANN)
    before = names.of(ANN, "123456")
    names.seen(room(ME, ANN, code="654321"))
    assert names.of(ANN, "654321") != before
    assert names.session(before) is None


def test_two_who_would_be_called_alike_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    def alike(_code: str, _session_id: SessionId, further: int = 0) -> MemberAlias:
        return MemberAlias(f"p-{further:08x}")

    monkeypatch.setattr(module, "alias_of", alike)
    names = seen(ANN, BOB, ME)
    assert [names.of(one, "123456") for one in (ANN, BOB)] == ["p-00000000", "p-00000001"]
    assert names.session("p-00000001") == BOB
    names.seen(room(BOB, ME))
    assert names.of(BOB, "123456") == "p-00000001"
