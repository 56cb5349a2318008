"""Each storage test runs on an imitation and on every kind of real server."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import fakeredis
import pytest

from storage.client.executor import Command, CommandRefused, Executor, RedisExecutor
from storage.job_limits import JobLimits
from storage.store import open_executor
from tests.storage.support.store_invariants import breaches
from tests.storage.support.store_snapshot import Snapshot
from tests.support.processes.redis_server import KINDS, real_server
from tests.support.storage_world import World


@pytest.fixture(scope="session", params=["fakeredis", *KINDS])
def server(request: pytest.FixtureRequest) -> Iterator[str]:
    """Where the store of this round is."""
    if request.param == "fakeredis":
        yield "fakeredis"
    else:
        with real_server(request.param) as url:
            yield url


@pytest.fixture(scope="session")
def real_url() -> Iterator[str]:
    """A real server of any kind, for what an imitation cannot show."""
    with real_server() as url:
        yield url


class OldServer(RedisExecutor):
    """Has no functions, as servers before Redis 7: what is one elsewhere is tested as a script."""

    async def execute(self, commands: Sequence[Command]) -> list[Any]:
        """See `Executor.execute`."""
        names = [str(command[0]) for command in commands]
        known = [command for command in commands if command[0] not in ("FUNCTION", "FCALL")]
        replies = iter(await super().execute(known) if known else ())
        return [
            CommandRefused(f"ERR unknown command '{name}', with args beginning with: ")
            if name in ("FUNCTION", "FCALL")
            else next(replies)
            for name in names
        ]


def connect(server: str) -> Executor:
    """Connect to a server, or to an imitation of its own."""
    if server == "fakeredis":
        client = fakeredis.FakeAsyncRedis(server=fakeredis.FakeServer(), decode_responses=True)
        return OldServer(client)
    return open_executor(server)


@pytest.fixture
def open_world() -> Iterator[Callable[..., World]]:
    """Make worlds on emptied servers; each is held against the invariants after the test."""
    worlds: list[World] = []

    def make(server: str, limits: JobLimits | None = None) -> World:
        worlds.append(World.on_empty_store(connect(server), limits))
        return worlds[-1]

    yield make
    try:
        for world in worlds:
            state = Snapshot.of(world)
            assert breaches(state, over_capacity=frozenset(world.over_capacity)) == []
    finally:
        for world in worlds:
            world.close()


@pytest.fixture
def world(server: str, open_world: Callable[..., World]) -> World:
    """A cluster with one live instance and nothing else."""
    return open_world(server)
