"""Whenever members of a room move, each hears what the others say once, and in its own order."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.actors.support.room_world import RoomWorld

MOVES = ("crash", "part", "drain")
NAMES = ("ann", "bob", "cyd")


def world() -> RoomWorld:
    return RoomWorld(ann="en", bob="fr", cyd="de")


def check(room: RoomWorld) -> None:
    """Everybody has heard what everybody else said, once."""
    for member in room.members.values():
        said = enumerate(room.expected)
        others = {(sid, str(number)) for number, sid in said if sid != member.session_id}
        heard = [(sid, text) for _, sid, text in member.heard]
        assert len(set(heard)) == len(heard), f"twice: {member.heard}"
        assert set(heard) == others
        assert [seq for seq, *_ in member.heard] == [*range(1, len(heard) + 1)]
        assert member.session_id in room.seats
        for spoken in (member.life.actor._room.member.speaking,):  # type: ignore[union-attr]
            assert not len(spoken), "words are kept that everybody has"


@dataclass(frozen=True)
class Moment:
    """Something that happens to one member."""

    who: str
    what: str


moments = st.builds(
    Moment,
    st.sampled_from(NAMES),
    st.sampled_from(
        ["say"] * 3 + ["answer"] * 3 + ["told"] * 6 + ["store"] * 5 + ["room"] * 2
        + ["listen"] * 3 + ["crash", "part", "drain"]
    ),
)  # fmt: skip


@given(st.lists(moments, max_size=60))
def test_whenever_members_move_each_hears_each_word_once(script: list[Moment]) -> None:
    room = world()
    for moment in script:
        if moment.what in {"told", "store", "room"}:
            room.carry(moment.who, moment.what)
        else:
            getattr(room, moment.what)(moment.who)
    room.finish()
    check(room)


@pytest.mark.parametrize("move", MOVES)
def test_words_that_were_open_when_a_listener_moved_are_heard(move: str) -> None:
    room = world()
    room.say("ann")
    room.settle()
    getattr(room, move)("bob")
    room.finish()
    assert [text for *_, text in room.members["bob"].heard] == ["0"]
    check(room)


@pytest.mark.parametrize("move", MOVES)
def test_what_became_of_words_while_a_listener_was_on_its_way_is_heard(move: str) -> None:
    room = world()
    room.say("ann")
    room.settle()
    getattr(room, move)("bob")
    room.answer("ann")
    room.carry("ann", "told")
    room.finish()
    assert [text for *_, text in room.members["bob"].heard] == ["0"]
    check(room)


@pytest.mark.parametrize("move", MOVES)
def test_words_that_were_open_when_their_speaker_moved_are_heard(move: str) -> None:
    room = world()
    room.say("ann")
    room.settle()
    getattr(room, move)("ann")
    room.finish()
    for name in ("bob", "cyd"):
        assert [text for *_, text in room.members[name].heard] == ["0"]
    check(room)


def test_a_listener_and_its_speaker_may_move_at_once() -> None:
    room = world()
    room.say("ann")
    room.settle()
    room.crash("ann")
    room.crash("bob")
    room.finish()
    assert [text for *_, text in room.members["bob"].heard] == ["0"]
    check(room)
