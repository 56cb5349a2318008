"""The lease of this process, and what it notices while it renews it."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

from actors.directory import Directory
from actors.instance import InstanceActor
from actors.instance_options import InstanceOptions
from protocol.ids import InstanceId, NodeId, SessionId
from storage.instances import InstanceRepository
from storage.replies import Alive
from storage.store import StorageUnavailable
from tests.support.recording import RecordingRef
from tests.support.storage_world import World
from tests.support.virtual_time import run_virtual, settle, stop_actors

ALIVE = Alive(data_id="d1", expired_instances=(), expired_nodes=())


class Beats:
    """A store that answers beats as the test says."""

    def __init__(self) -> None:
        self.answer: Alive | None = ALIVE
        self.count = 0

    async def run(self, calls: Any) -> list[Any]:
        self.count += 1
        if self.answer is None:
            raise StorageUnavailable("away")
        return [self.answer for _ in calls]


class Bench:
    def __init__(self, world: World) -> None:
        self.beats = Beats()
        self.directory = Directory()
        self.dispatcher, self.node, self.session = (RecordingRef() for _ in range(3))
        self.directory.dispatcher = self.dispatcher
        self.directory.register_node(NodeId("n"), self.node)
        self.directory.register_session(SessionId("s"), self.session)
        instances = InstanceRepository(world.store, InstanceId("i1"))
        self.ref = InstanceActor.start(self.beats, instances, self.directory, InstanceOptions())

    @property
    def actor(self) -> InstanceActor:
        return cast("InstanceActor", vars(self.ref)["_actor"])

    def told(self) -> list[Any]:
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
