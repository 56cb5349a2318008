"""Dispatchers on stores of their own; what they leave in the store is held against its rules."""

from collections.abc import Callable, Iterator

import fakeredis
import pytest

from storage.client.executor import Executor, RedisExecutor
from storage.job_limits import JobLimits
from storage.store import open_executor
from tests.actors.support.dispatch_bench import DispatchBench
from tests.storage.support.store_invariants import breaches
from tests.storage.support.store_snapshot import Snapshot
from tests.support.processes.redis_server import real_server
from tests.support.storage_world import World

OpenBench = Callable[..., DispatchBench]


@pytest.fixture(scope="session")
def real_store() -> Iterator[str]:
    """A real server, for all tests that need one."""
    with real_server() as url:
        yield url


def _imitation() -> Executor:
    client = fakeredis.FakeAsyncRedis(server=fakeredis.FakeServer(), decode_responses=True)
    return RedisExecutor(client)


@pytest.fixture
def open_bench() -> Iterator[OpenBench]:
    """Make dispatchers, each on an empty store: an imitation, or the server of this URL."""
    benches: list[DispatchBench] = []

    def make(url: str | None = None, limits: JobLimits | None = None) -> DispatchBench:
        executor = _imitation() if url is None else open_executor(url)
        bench = DispatchBench(World.on_empty_store(executor, limits))
        benches.append(bench)
        return bench

    yield make
    try:
        for bench in benches:
            allowed = frozenset(bench.world.over_capacity)
            assert breaches(Snapshot.of(bench.world), over_capacity=allowed) == []
    finally:
        for bench in benches:
            bench.world.close()


@pytest.fixture
def bench(open_bench: OpenBench) -> DispatchBench:
    """A dispatcher on an imitation of the store."""
    return open_bench()


@pytest.fixture(params=["imitation", "real"])
def any_bench(request: pytest.FixtureRequest, open_bench: OpenBench) -> DispatchBench:
    """A dispatcher on an imitation, and one on a real server."""
    return open_bench(request.getfixturevalue("real_store") if request.param == "real" else None)
