"""The lease of this process, and what it notices while it renews it."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, cast

import pytest

from actors.directory import Directory
from actors.instance.actor import InstanceActor
from actors.instance.options import InstanceOptions
from actors.lease import Lease
from actors.messages.node import NodeLost
from actors.messages.process import InstanceExpired, InstanceReaped, PeerSuspected, StoreEmptied
from actors.runtime.actor import tell
from protocol.ids import InstanceId, NodeId, SessionId
from storage.cells import Cell
from storage.instances import InstanceRepository
from storage.replies.job import Alive, Updated
from storage.store import StorageUnavailable
from tests.actors.support.dispatch_bench import DispatchBench
from tests.support.recording import RecordingRef
from tests.support.storage_world import World
from tests.support.virtual_time import run_virtual, settle, stop_actors

ALIVE = Alive(data_id="d1", expired_instances=(), expired_nodes=(), secret="shown to others")


class Beats:
    """A store that answers beats as the test says."""

    def __init__(self) -> None:
        self.answer: Alive | None = ALIVE
        self.count = 0
        self.calls: list[str] = []

    async def run(self, calls: Any) -> list[Any]:
        self.count += 1
        self.calls = [call.script.name for call in calls]
        if self.answer is None:
            raise StorageUnavailable("away")
        return [self.answer if name == "beat" else Updated() for name in self.calls]


@pytest.fixture
def any_world(bench: DispatchBench) -> World:
    return bench.world


class Bench:
    def __init__(self, world: World) -> None:
        self.beats = Beats()
        self.directory = Directory()
        self.dispatcher, self.node, self.session = (RecordingRef() for _ in range(3))
        self.directory.dispatcher = self.dispatcher
        self.directory.register_node(NodeId("n"), self.node)
        self.directory.register_session(SessionId("s"), self.session)
        self.lease = Lease()
        self._instances = InstanceRepository(world.store, InstanceId("i1"))
        self.start()

    def start(self, data_ids: Mapping[Cell, str] | None = None) -> None:
        """Start the actor, or its successor."""
        self.ref = InstanceActor.start(
            self.beats,
            self._instances,
            self.directory,
            InstanceOptions(),
            self.lease,
            data_ids=data_ids,
        )

    @property
    def actor(self) -> InstanceActor:
        return cast("InstanceActor", vars(self.ref)["_actor_weakref"]())

    def sent(self) -> list[Any]:
        return [*self.node.take(), *self.session.take(), *self.dispatcher.take()]


def run(test: Callable[[Bench], Any], any_world: World) -> None:
    async def main() -> None:
        bench = Bench(any_world)
        await settle()
        await test(bench)
        await stop_actors()

    run_virtual(main())


async def pass_time(seconds: float) -> None:
    await asyncio.sleep(seconds)
    await settle()


def test_it_beats_three_times_in_a_lease_also_while_the_store_is_away(any_world: World) -> None:
    async def test(bench: Bench) -> None:
        await pass_time(3)
        assert bench.beats.count == 4
        bench.beats.answer = None
        await pass_time(3)
        assert not bench.actor.is_present
        bench.beats.answer = ALIVE
        await pass_time(1)
        assert bench.actor.is_present
        assert bench.sent() == []

    run(test, any_world)


def test_other_data_in_the_store_is_told_to_nodes_before_sessions_and_jobs(
    any_world: World,
) -> None:
    async def test(bench: Bench) -> None:
        bench.beats.answer = replace(ALIVE, data_id="d2")
        await pass_time(1)
        assert bench.sent() == [StoreEmptied()] * 3
        await pass_time(1)
        assert bench.sent() == []

    run(test, any_world)


def test_a_lost_lease_is_as_bad_as_lost_data(any_world: World) -> None:
    async def test(bench: Bench) -> None:
        bench.beats.answer = replace(ALIVE, revived=True)
        await pass_time(1)
        assert bench.sent() == [InstanceReaped(), *[StoreEmptied()] * 3]

    run(test, any_world)


def test_who_has_expired_is_cleared_up_after(any_world: World) -> None:
    async def test(bench: Bench) -> None:
        dead, silent = InstanceId("i2"), (NodeId("n9"), 7)
        bench.beats.answer = replace(ALIVE, expired_instances=(dead,), expired_nodes=(silent,))
        await pass_time(1)
        assert bench.sent() == [NodeLost(*silent, Cell(0)), InstanceExpired(dead)]

    run(test, any_world)


def test_a_successor_notices_data_that_was_lost_between_two_lives(any_world: World) -> None:
    async def test(bench: Bench) -> None:
        data_ids = bench.actor.handover(ValueError())
        await bench.ref.stop(block=False)
        bench.beats.answer = replace(ALIVE, data_id="d2")
        bench.start(data_ids)
        await settle()
        assert bench.sent() == [StoreEmptied()] * 3

    run(test, any_world)


# ---- other instances ---------------------------------------------------------------------------


def test_a_suspected_instance_is_looked_at_when_its_lease_ends(any_world: World) -> None:
    async def test(bench: Bench) -> None:
        await pass_time(0.1)
        count = bench.beats.count
        tell(bench.ref, PeerSuspected(InstanceId("i2"), 300))
        await pass_time(0.29)
        assert bench.beats.count == count
        await pass_time(0.02)
        assert bench.beats.count == count + 1
        await pass_time(1.01)
        assert bench.beats.count == count + 2

    run(test, any_world)


def test_a_lease_that_ends_after_the_next_beat_is_looked_at_all_the_same(any_world: World) -> None:
    async def test(bench: Bench) -> None:
        await pass_time(0.1)
        tell(bench.ref, PeerSuspected(InstanceId("i2"), 1200))
        await pass_time(1.0)
        count = bench.beats.count
        await pass_time(0.21)
        assert bench.beats.count == count + 1

    run(test, any_world)


def test_the_lease_holds_from_when_a_beat_was_asked_for(any_world: World) -> None:
    async def test(bench: Bench) -> None:
        now_ms = asyncio.get_running_loop().time() * 1000
        assert bench.lease.holds(now_ms + 2999)
        assert not bench.lease.holds(now_ms + 3000)
        assert bench.lease.secret == "shown to others"
        bench.beats.answer = None
        await pass_time(3.1)
        assert not bench.lease.holds(asyncio.get_running_loop().time() * 1000)

    run(test, any_world)


def test_nodes_hear_first_that_the_instance_was_taken_for_dead(any_world: World) -> None:
    async def test(bench: Bench) -> None:
        bench.sent()
        bench.beats.answer = replace(ALIVE, revived=True)
        await pass_time(1.01)
        assert bench.node.take() == [InstanceReaped(), StoreEmptied()]

    run(test, any_world)


def test_a_store_that_lost_its_data_has_given_nothing_away(any_world: World) -> None:
    async def test(bench: Bench) -> None:
        bench.sent()
        bench.beats.answer = replace(ALIVE, data_id="d2", revived=True)
        await pass_time(1.01)
        assert bench.node.take() == [StoreEmptied()]

    run(test, any_world)


def test_what_tenants_used_goes_with_the_lease_and_again_where_it_was_not_heard(
    any_world: World,
) -> None:
    async def test(bench: Bench) -> None:
        await settle()
        assert bench.beats.calls == ["beat"], "nothing was used"
        bench.directory.usage.session_begun("acme")
        bench.beats.answer = None
        await asyncio.sleep(1.1)
        assert bench.beats.calls == ["beat", "add_usage"]
        bench.beats.answer = ALIVE
        await asyncio.sleep(1.1)
        assert bench.beats.calls == ["beat", "add_usage"]
        await asyncio.sleep(1.1)
        assert bench.beats.calls == ["beat"]
        assert bench.actor.is_present

    run(test, any_world)
