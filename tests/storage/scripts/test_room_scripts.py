"""Rooms in the store: who is in, for how long, and what a dead instance or lost data leaves."""

from dataclasses import replace

from protocol.ids import InstanceId, SessionId
from storage.replies.job import RoomExpired, RoomFull, RoomGone, RoomState, RoomTaken
from storage.room import Seat
from tests.support.storage_world import LEASE_MS, ROOM_EXPIRY_MS, World

CODE = "123456"
GRACE_MS = 30_000


def look(
    world: World, owner: str = "i1", spoke_ago_ms: int | None = None
) -> RoomState | RoomExpired | RoomGone:
    return world.do(world.member(owner).rooms.look(CODE, GRACE_MS, spoke_ago_ms))


def present(reply: object) -> list[str]:
    assert isinstance(reply, RoomState), reply
    return [seat.session_id for seat in reply.seats]


def test_everything_of_a_seat_comes_back(world: World) -> None:
    seat = Seat(
        SessionId("s1"),
        InstanceId("i1"),
        language="zh-TW",
        joined_at_ms=world.now_ms,
        display_name='Zoë "Z" {名}',
        preferred_lang="zh-TW",
        raw_voice={SessionId("s2"): False},
        is_listening=False,
        wants_pcm16=True,
    )
    reply = world.do(world.member().rooms.create(CODE, "r", seat, ROOM_EXPIRY_MS))
    assert isinstance(reply, RoomState)
    assert reply.seats == (seat,)
    assert (reply.room_id, reply.left_ms) == ("r", ROOM_EXPIRY_MS)


def test_members_are_listed_in_the_order_in_which_they_came(world: World) -> None:
    world.room(CODE, "s5")
    for session in ("s1", "s9"):
        world.wait(1)
        world.do(world.member().rooms.join(CODE, world.seat(session), 32))
    assert present(look(world)) == ["s5", "s1", "s9"]


def test_a_code_in_use_is_not_given_to_another_room(world: World) -> None:
    world.room(CODE, "s1")
    other = world.member().rooms.create(CODE, "r-2", world.seat("s2"), ROOM_EXPIRY_MS)
    assert world.do(other) == RoomTaken()
    assert present(look(world)) == ["s1"]


def test_each_change_raises_the_version_and_a_repetition_does_not(world: World) -> None:
    first = world.room(CODE, "s1")
    seat = world.seat("s2")
    again = [world.do(world.member().rooms.join(CODE, seat, 32)) for _ in range(2)]
    muted = replace(seat, raw_voice={SessionId("s1"): False})
    changed = world.do(world.member().rooms.join(CODE, muted, 32))
    left = world.do(world.member().rooms.leave(CODE, SessionId("s2")))
    versions = [reply.version for reply in (first, *again, changed, left)]  # type: ignore[union-attr]
    assert versions == [1, 2, 2, 3, 4]


def test_who_has_a_seat_may_change_it_in_a_full_room(world: World) -> None:
    world.room(CODE, "s1", "s2")
    rooms = world.member().rooms
    assert world.do(rooms.join(CODE, world.seat("s3"), 2)) == RoomFull()
    reply = world.do(rooms.join(CODE, world.seat("s2", is_listening=False), 2))
    assert present(reply) == ["s1", "s2"]


def test_the_last_one_closes_the_room(world: World) -> None:
    world.room(CODE, "s1", "s2")
    rooms = world.member().rooms
    assert present(world.do(rooms.leave(CODE, SessionId("s1")))) == ["s2"]
    assert present(world.do(rooms.leave(CODE, SessionId("s2")))) == []
    assert world.command("EXISTS", f"room:{CODE}", f"room:{CODE}:seats") == 0
    assert isinstance(look(world), RoomGone)


def test_a_seat_that_moved_to_another_instance_is_not_given_up_by_the_former_one(
    world: World,
) -> None:
    world.beat("i2")
    world.room(CODE, "s1")
    world.do(world.member("i2").rooms.join(CODE, world.seat("s1", "i2"), 32))
    assert present(world.do(world.member().rooms.leave(CODE, SessionId("s1")))) == ["s1"]
    assert present(world.do(world.member("i2").rooms.leave(CODE, SessionId("s1")))) == []


def test_a_room_without_speech_is_over(world: World) -> None:
    world.room(CODE, "s1")
    world.wait(ROOM_EXPIRY_MS - 1)
    assert present(look(world)) == ["s1"]
    world.wait(1)
    joined = world.do(world.member().rooms.join(CODE, world.seat("s2"), 32))
    assert isinstance(joined, RoomGone), "nobody comes into a room that is over"
    assert look(world) == RoomExpired()
    assert isinstance(look(world), RoomGone)


def test_joining_is_no_speech(world: World) -> None:
    world.room(CODE, "s1")
    world.wait(ROOM_EXPIRY_MS // 2)
    reply = world.do(world.member().rooms.join(CODE, world.seat("s2"), 32))
    assert isinstance(reply, RoomState)
    assert reply.left_ms == ROOM_EXPIRY_MS // 2


def test_speech_keeps_a_room_from_the_moment_of_the_speech(world: World) -> None:
    world.room(CODE, "s1")
    world.wait(ROOM_EXPIRY_MS - 1)
    reply = look(world, spoke_ago_ms=1000)
    assert isinstance(reply, RoomState)
    assert reply.left_ms == ROOM_EXPIRY_MS - 1000
    later = look(world, spoke_ago_ms=5000)
    assert isinstance(later, RoomState)
    assert later.left_ms == ROOM_EXPIRY_MS - 1000, "earlier speech takes no time away"


def test_speech_in_the_last_moment_counts_even_when_the_word_of_it_is_late(world: World) -> None:
    world.room(CODE, "s1")
    world.wait(ROOM_EXPIRY_MS + 500)
    assert present(look(world, spoke_ago_ms=600)) == ["s1"]


def test_members_of_a_dead_instance_leave_when_their_grace_is_over(world: World) -> None:
    world.beat("i2")
    world.room(CODE, "s1", "s2")
    world.do(world.member("i2").rooms.join(CODE, world.seat("s3", "i2"), 32))
    world.wait(LEASE_MS)
    world.beat()
    world.reap("i2")
    assert present(look(world)) == ["s1", "s2", "s3"]
    world.wait(GRACE_MS - 1)
    assert present(look(world)) == ["s1", "s2", "s3"]
    world.wait(1)
    assert present(look(world)) == ["s1", "s2"]


def test_who_comes_back_elsewhere_within_the_grace_keeps_the_seat(world: World) -> None:
    world.beat("i2")
    world.room(CODE, "s1")
    world.do(world.member("i2").rooms.join(CODE, world.seat("s2", "i2"), 32))
    world.wait(LEASE_MS)
    world.beat()
    world.reap("i2")
    look(world)
    world.do(world.member().rooms.join(CODE, world.seat("s2"), 32))
    world.wait(GRACE_MS)
    assert present(look(world)) == ["s1", "s2"]


def test_an_instance_that_lives_again_keeps_its_members(world: World) -> None:
    world.beat("i2")
    world.room(CODE, "s1")
    world.do(world.member("i2").rooms.join(CODE, world.seat("s2", "i2"), 32))
    world.command("DEL", "inst:i2")
    look(world)
    world.beat("i2")
    look(world)
    world.command("DEL", "inst:i2")
    world.wait(GRACE_MS - 1)
    look(world)
    world.wait(GRACE_MS - 1)
    assert present(look(world)) == ["s1", "s2"]


def test_a_lost_room_is_put_back_by_those_who_were_in_it(world: World) -> None:
    state = world.room(CODE, "s1", "s2")
    world.flush()
    world.beat()
    gone = look(world)
    assert isinstance(gone, RoomGone)
    assert gone.data_id != state.data_id
    rooms = world.member().rooms
    for session in ("s1", "s2"):
        restored = (state.room_id, ROOM_EXPIRY_MS)
        world.do(rooms.join(CODE, world.seat(session), 32, restored))
    assert present(look(world)) == ["s1", "s2"]
    other = rooms.join(CODE, world.seat("s3"), 32, ("another", ROOM_EXPIRY_MS))
    assert isinstance(world.do(other), RoomGone), "its code belongs to another room by now"
