"""Every script in every situation on a real cluster, which refuses a key of another slot."""

import asyncio
from collections.abc import Iterator

import pytest
from redis.crc import key_slot

from protocol.ids import InstanceId
from storage.call import Call
from storage.cells import Cells, cell_tags
from storage.client.transport import open_executor
from storage.embedded.process import StoreUnusable
from storage.instances import InstanceRepository
from storage.layout import settle_cells
from storage.replies.job import Alive, Assigned
from storage.scripts import parse_script
from storage.store import ScriptError, StorageUnavailable, Store, open_store
from tests.storage.support.script_scenarios import SCENARIOS
from tests.support.processes.redis_cluster import RedisCluster, running_cluster
from tests.support.storage_world import World


@pytest.fixture(scope="module")
def cluster() -> Iterator[RedisCluster]:
    with running_cluster() as started:
        yield started


@pytest.fixture
def world(cluster: RedisCluster) -> Iterator[World]:
    world = World(open_executor(cluster.url))
    world.start_over(Cells(3).prefixes[0])
    yield world
    world.close()


def all_keys(cluster: RedisCluster) -> list[str]:
    return [key for master in cluster.masters for key in master.must("KEYS", "*")]


@pytest.mark.parametrize("tag", cell_tags(3))
def test_every_script_stays_in_the_slot_of_its_cell(
    cluster: RedisCluster, world: World, tag: str
) -> None:
    prefix = f"lingua:v1:{{{tag}}}:"
    for (script, word), build in SCENARIOS.items():
        world.start_over(prefix)
        call = build(world)
        raw = world.do(Call(call.script, call.keys, call.args, lambda reply: reply))
        assert (call.script.name, raw[0]) == (script, word)
        keys = all_keys(cluster)
        assert keys
        assert {key_slot(key.encode()) for key in keys} == {key_slot(prefix.encode())}


def test_the_cluster_refuses_a_script_that_leaves_its_slot(world: World) -> None:
    """So the test above would fail if one did."""
    source = (
        "-- stray: x\n-- KEYS prefix\n-- RETURNS OK\nreturn { redis.call('SET', prefix .. 'k', 1) }"
    )
    stray = parse_script("stray", source)
    with pytest.raises(ScriptError, match=r"slot|non local"):
        world.do(Call(stray, ("lingua:v1:",), (), lambda raw: raw))


def test_a_master_that_lost_its_scripts_gets_them_again(
    cluster: RedisCluster, world: World
) -> None:
    world.store.cells = Cells(3)
    instances = InstanceRepository(world.store, InstanceId("i1"))
    beats = [instances.beat(1000, cell) for cell in world.store.cells.all]
    world.do_all(beats)
    cluster.masters[1].must("SCRIPT", "FLUSH")
    assert all(isinstance(reply, Alive) for reply in world.do_all(beats))


def run_store(cluster: RedisCluster, wanted: int | None) -> int:
    async def main() -> int:
        store = open_store(cluster.url)
        try:
            await settle_cells(store, wanted)
            return store.cells.count
        finally:
            await store.close()

    return asyncio.run(main())


def test_a_cluster_gets_three_cells_per_master_and_keeps_them(
    cluster: RedisCluster, world: World
) -> None:
    world.flush()
    assert run_store(cluster, None) == 9
    assert run_store(cluster, 9) == 9
    with pytest.raises(StoreUnusable, match="has 9, not 6"):
        run_store(cluster, 6)
    assert [key for key in all_keys(cluster) if key.endswith("cells")] == ["lingua:v1:cells"]
    world.flush()
    assert run_store(cluster, 6) == 6
    assert run_store(cluster, None) == 6


def test_cells_are_spread_evenly_over_the_masters(cluster: RedisCluster) -> None:
    homes = [cluster.master_of(prefix).port for prefix in Cells(9).prefixes]
    assert sorted(homes.count(master.port) for master in cluster.masters) == [3, 3, 3]


def test_what_one_master_does_not_answer_is_missing_in_its_place_only() -> None:
    with running_cluster() as cluster:

        async def main() -> None:
            store: Store = open_store(cluster.url)
            store.cells = Cells(3)
            instances = InstanceRepository(store, InstanceId("i1"))
            beats = [instances.beat(1000, cell) for cell in store.cells.all]
            assert all(isinstance(reply, Alive) for reply in await store.run(beats))
            cluster.master_of(store.prefix_of(store.cells.all[1])).kill()
            first, second, third = await store.run(beats)
            assert isinstance(second, StorageUnavailable)
            assert isinstance(first, Alive)
            assert isinstance(third, Alive)
            await store.probe()
            with pytest.raises(StorageUnavailable):
                await store.run([beats[1]])
            with pytest.raises(StorageUnavailable):
                await store.read([("GET", f"{prefix}gen") for prefix in store.cells.prefixes])
            await store.close()

        asyncio.run(main())


def test_a_master_that_lost_its_functions_gets_them_again(
    cluster: RedisCluster, world: World
) -> None:
    world.node("n1", slots=8)
    assert isinstance(world.dispatch("s", 1), Assigned)
    owner = cluster.master_of(f"{world.store.prefix}nodes")
    owner.must("FUNCTION", "FLUSH")
    assert isinstance(world.dispatch("s", 2), Assigned)
    assert owner.must("FUNCTION", "LIST") == []
    assert isinstance(world.dispatch("s", 3), Assigned)
    assert len(owner.must("FUNCTION", "LIST")) == 1
