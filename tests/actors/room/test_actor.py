"""The copies of one room on two instances, while a member's session moves from one to the other."""

from collections.abc import Iterator
from itertools import permutations

import fakeredis
import pytest

from actors.directory import Directory
from actors.messages.process import StoreEmptied
from actors.messages.room import (
    LeaveSeat,
    ReclaimSeat,
    RoomChanged,
    RoomChangedElsewhere,
    RoomSeen,
    TakeSeat,
    VacateSeat,
)
from actors.ports import Mailbox
from actors.room.actor import RoomActor
from actors.room.options import RoomOptions
from actors.room.setup import RoomSetup
from protocol.ids import InstanceId, NodeId, SessionId
from storage.client.executor import RedisExecutor
from storage.room import Seat
from tests.support.inbox_entry import message_in
from tests.support.recording import RecordingRef
from tests.support.storage_world import World

CODE = "123456"
ANN, BOB = SessionId("ann"), SessionId("bob")
A, B = InstanceId("i1"), InstanceId("i2")


class Remotes:
    """The way to sessions of other instances: who they are is all that is asked."""

    def __init__(self, two: "TwoInstances") -> None:
        self.both = two

    def session(self, instance_id: InstanceId, session_id: SessionId) -> Mailbox | None:
        return self.both.instances[instance_id].directory.sessions.get(session_id)

    def node(self, instance_id: InstanceId, node_id: NodeId) -> None:
        raise NotImplementedError

    def dispatcher(self, instance_id: InstanceId) -> None:
        raise NotImplementedError

    def flush(self, asker: object) -> int:
        raise NotImplementedError


class Instance:
    """One instance's copy of the room, and its sessions."""

    def __init__(self, two: "TwoInstances", instance_id: InstanceId) -> None:
        self.world = two.world
        self.directory = Directory(instance_id, Remotes(two))
        self.setup = RoomSetup(
            directory=self.directory,
            store=self.world.store,
            rooms=self.world.member(instance_id).rooms,
            options=RoomOptions(),
            grace_ms=30_000,
            wall_ms=lambda: 0,
            start=lambda _code: self.actor.actor_ref,
        )
        self.actor = RoomActor(self.setup, CODE)
        self.setup.actors[CODE] = self.actor.actor_ref

    def session(self, name: SessionId) -> RecordingRef:
        """Let a session live here."""
        ref = RecordingRef(name)
        self.directory.register_session(name, ref)
        return ref

    def tell(self, *messages: object) -> None:
        """Have the room's actor handle messages, and what it tells itself."""

        async def handle() -> None:
            for message in messages:
                await self.actor.on_receive(message)  # type: ignore[arg-type]
            while self.actor.actor_inbox.queue:
                message = message_in(self.actor.actor_inbox.get())
                if not isinstance(message, tuple):
                    await self.actor.on_receive(message)

        self.world.run(handle())

    def hear_of_changes(self) -> None:
        """Let sessions here tell the room what they were told of other instances."""
        for ref in list(self.directory.sessions.values()):
            assert isinstance(ref, RecordingRef)
            for changed in ref.of(RoomChanged):
                ref.messages.remove(changed)
                self.tell(RoomChangedElsewhere(changed.version))


class TwoInstances:
    """Two instances on one store."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.instances: dict[InstanceId, Instance] = {}
        for name in (A, B):
            world.beat(name)
            self.instances[name] = Instance(self, name)
        self.a, self.b = self.instances[A], self.instances[B]

    def enter(self, instance: Instance, name: SessionId) -> RecordingRef:
        """Let a session into the room."""
        ref = instance.session(name)
        seat = Seat(name, instance.directory.instance_id, "en", 1, resumes=True)
        instance.tell(TakeSeat(seat))
        return ref


@pytest.fixture
def two() -> Iterator[TwoInstances]:
    client = fakeredis.FakeAsyncRedis(server=fakeredis.FakeServer(), decode_responses=True)
    world = World.on_empty_store(RedisExecutor(client))
    world.do(world.member(A).rooms.create(CODE, "r", Seat(SessionId("host"), A, "en", 0), 60_000))
    yield TwoInstances(world)
    world.close()


def seats(ref: RecordingRef) -> dict[SessionId, InstanceId]:
    """Return where a member sees the others, and itself."""
    view = ref.of(RoomSeen)[-1].view
    return {seat.session_id: seat.instance_id for seat in view.seats}


@pytest.mark.parametrize("order", list(permutations(["released", "reclaimed", "heard"])))
def test_a_member_that_moves_is_seen_by_those_who_stay(
    two: TwoInstances, order: tuple[str, ...]
) -> None:
    ann, bob = two.enter(two.a, ANN), two.enter(two.a, BOB)
    ann.messages.clear()
    two.b.session(BOB)
    for step in order:
        match step:
            case "released":
                two.a.directory.remove_session(BOB, bob)
                two.a.tell(VacateSeat(BOB))
            case "reclaimed":
                two.b.tell(ReclaimSeat(BOB, epoch=7))
            case "heard":
                two.a.hear_of_changes()
    two.a.hear_of_changes()
    assert seats(ann)[BOB] == B
    assert all(BOB in {one.session_id for one in seen.view.seats} for seen in ann.of(RoomSeen))


def test_a_member_that_leaves_is_gone_everywhere(two: TwoInstances) -> None:
    ann, _bob = two.enter(two.a, ANN), two.enter(two.a, BOB)
    two.a.tell(LeaveSeat(BOB))  # its session goes on, outside of the room
    assert BOB not in seats(ann)
    two.a.tell(StoreEmptied())  # it looks again
    assert BOB not in seats(ann)


def test_a_member_that_comes_back_is_seen_where_it_is(two: TwoInstances) -> None:
    ann, bob = two.enter(two.a, ANN), two.enter(two.a, BOB)
    there = two.b.session(BOB)
    two.a.directory.remove_session(BOB, bob)
    two.a.tell(VacateSeat(BOB))
    two.b.tell(ReclaimSeat(BOB, epoch=7))
    two.a.hear_of_changes()
    two.a.session(BOB)
    two.b.directory.remove_session(BOB, there)
    two.b.tell(VacateSeat(BOB))
    two.a.tell(ReclaimSeat(BOB, epoch=8))
    assert seats(ann)[BOB] == A
