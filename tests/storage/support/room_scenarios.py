"""For each word of the scripts about rooms: how to get there."""

from typing import Any

from protocol.ids import SessionId
from storage.call import Call
from tests.storage.support.scenario_table import scenario
from tests.support.storage_world import ROOM_EXPIRY_MS, World


@scenario("create_room", "OK")
def _create_room_ok(world: World) -> Call[Any]:
    return world.member().rooms.create("123456", "r-1", world.seat("s1"), ROOM_EXPIRY_MS)


@scenario("create_room", "TAKEN")
def _create_room_taken(world: World) -> Call[Any]:
    world.room("123456", "s1")
    return world.member().rooms.create("123456", "r-2", world.seat("s2"), ROOM_EXPIRY_MS)


@scenario("join_room", "OK")
def _join_room_ok(world: World) -> Call[Any]:
    world.room("123456", "s1")
    return world.member().rooms.join("123456", world.seat("s2"), 2)


@scenario("join_room", "FULL")
def _join_room_full(world: World) -> Call[Any]:
    world.room("123456", "s1")
    return world.member().rooms.join("123456", world.seat("s2"), 1)


@scenario("join_room", "GONE")
def _join_room_gone(world: World) -> Call[Any]:
    return world.member().rooms.join("123456", world.seat("s2"), 2)


@scenario("leave_room", "OK")
def _leave_room_ok(world: World) -> Call[Any]:
    world.room("123456", "s1", "s2")
    return world.member().rooms.leave("123456", SessionId("s1"))


@scenario("leave_room", "GONE")
def _leave_room_gone(world: World) -> Call[Any]:
    return world.member().rooms.leave("123456", SessionId("s1"))


@scenario("look_room", "OK")
def _look_room_ok(world: World) -> Call[Any]:
    world.room("123456", "s1")
    world.wait(1000)
    return world.member().rooms.look("123456", 30_000, spoke_ago_ms=500)


@scenario("look_room", "EXPIRED")
def _look_room_expired(world: World) -> Call[Any]:
    world.room("123456", "s1")
    world.wait(ROOM_EXPIRY_MS)
    return world.member().rooms.look("123456", 30_000)


@scenario("look_room", "GONE")
def _look_room_gone(world: World) -> Call[Any]:
    return world.member().rooms.look("123456", 30_000, spoke_ago_ms=0)
