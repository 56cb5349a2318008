"""A scheduler on a real Redis Cluster of three masters with a replica each."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack

import pytest
from redis.crc import key_slot

from protocol.ids import SessionId
from storage.cells import Cells
from tests.end_to_end.support.many_peers import clients_of, events_of, nodes_of
from tests.support.peers.raw_client import RawClient, tone
from tests.support.peers.raw_node import Ability, RawNode
from tests.support.peers.raw_wire import Pair, over_sockets
from tests.support.processes.redis_cluster import RedisCluster, running_cluster
from tests.support.processes.scheduler_process import SchedulerProcess, running_scheduler

pytestmark = pytest.mark.takes(22)

CELLS = Cells(9)
FLAGS = ("--session-grace-seconds=0.5", "--hangover-manual-ms=5", "--pending-timeout-ms=20000")


@pytest.fixture(scope="module")
def cluster() -> Iterator[RedisCluster]:
    with running_cluster(replicas=True) as started:
        yield started


@pytest.fixture(scope="module")
def scheduler(cluster: RedisCluster) -> Iterator[SchedulerProcess]:
    with running_scheduler("--redis-url", cluster.url, *FLAGS) as process:
        yield process
        process.wait_until_idle()


async def cell_of(scheduler: SchedulerProcess, node: RawNode) -> int:
    answer = await asyncio.to_thread(scheduler.get, f"/api/v1/nodes/{node.node_id}")
    return int(answer.json["cell"])


def home_of(client: RawClient) -> int:
    return CELLS.home(SessionId(client.session_id))


@over_sockets
async def test_sessions_of_every_cell_are_served(scheduler: SchedulerProcess, pair: Pair) -> None:
    async with AsyncExitStack() as stack:
        (node,) = await nodes_of(stack, scheduler, Ability((pair[0],), (pair[1],), capacity=40))
        node.answers()
        clients = await clients_of(stack, scheduler, pair, 10)
        while {home_of(client) for client in clients} != set(range(9)):
            assert len(clients) < 300, "session ids are not spread over the cells"
            clients += await clients_of(stack, scheduler, pair, 10)
        for index in range(3):
            for client in clients:
                await client.speak(tone(300))
            results = await asyncio.gather(*(client.result() for client in clients))
            assert {result["utterance_index"] for result in results} == {index}
        path = f"/api/v1/jobs/{node.jobs[0]['job_id']}"
        job = (await asyncio.to_thread(scheduler.get, path)).json
        assert job["state"] == "done"
        assert job["session_ref"] in {client.ack["session_ref"] for client in clients}
        assert len(node.jobs) == 3 * len(clients)


@over_sockets
async def test_rare_nodes_stand_together_and_many_are_spread(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    ability = Ability((pair[0],), (pair[1],), capacity=1)
    async with AsyncExitStack() as stack:
        nodes = await nodes_of(stack, scheduler, *[ability] * 30)
        cells = [await cell_of(scheduler, node) for node in nodes]
        assert len(set(cells[:4])) == 1
        counts = Counter(cells)
        assert len(counts) == 9
        assert max(counts.values()) - min(counts.values()) <= 1


@over_sockets
async def test_a_full_home_borrows_and_capacity_holds(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    ability = Ability((pair[0],), (pair[1],), capacity=1)
    async with AsyncExitStack() as stack:
        nodes = await nodes_of(stack, scheduler, *[ability] * 6)
        assert len({await cell_of(scheduler, node) for node in nodes}) == 3
        clients = await clients_of(stack, scheduler, pair, 12)
        for client in clients:
            await client.speak(tone(300))
        for node in nodes:
            await node.hear("job_assign")
        await asyncio.sleep(0.5)
        assert [len(node.jobs) for node in nodes] == [1] * 6
        assert len(events_of(clients, "QUEUED")) == 6
        for node in nodes:
            node.answers(after_seconds=0.02)
            await node.answer(node.jobs[0])
        await asyncio.gather(*(client.result(seconds=20) for client in clients))
        assert [node.peak_jobs for node in nodes] == [1] * 6
        assert len({job["job_id"] for node in nodes for job in node.jobs}) == 12


@over_sockets
async def test_two_hundred_at_one_instant_never_open_more_than_capacity(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    ability = Ability((pair[0],), (pair[1],), capacity=4)
    async with AsyncExitStack() as stack:
        nodes = await nodes_of(stack, scheduler, *[ability] * 5)
        for node in nodes:
            node.answers(after_seconds=0.05)
        clients = await clients_of(stack, scheduler, pair, 200)
        for client in clients:
            await client.chunk(tone(300))
        await clients[-1].fence()
        await asyncio.gather(*(client.final() for client in clients))
        results = await asyncio.gather(*(client.result(seconds=30) for client in clients))
        assert [result["utterance_index"] for result in results] == [0] * 200
        assert all(node.peak_jobs <= 4 for node in nodes)
        assert sum(len(node.jobs) for node in nodes) == 200


@over_sockets
async def test_a_cell_moves_to_another_master_under_load(
    cluster: RedisCluster, scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with AsyncExitStack() as stack:
        (node,) = await nodes_of(stack, scheduler, Ability((pair[0],), (pair[1],), capacity=40))
        node.answers(after_seconds=0.02)
        clients = await clients_of(stack, scheduler, pair, 30)
        prefix = CELLS.prefixes[await cell_of(scheduler, node)]
        slot, source = key_slot(prefix.encode()), cluster.master_of(prefix)
        target = next(master for master in cluster.masters if master is not source)
        moves = ((source, target), (target, source))
        for turn in range(12):
            for client in clients:
                await client.speak(tone(300))
            await asyncio.sleep(0.1)
            if turn in (3, 7):
                away, to = moves[turn == 7]
                await asyncio.to_thread(cluster.move_slot, slot, away, to)
                await asyncio.sleep(0.3)
                await asyncio.to_thread(cluster.finish_move, slot, away, to)
        for client in clients:
            results = [await client.result(seconds=20) for _ in range(12)]
            assert [result["utterance_index"] for result in results] == list(range(12))
        assert len(node.jobs) == len({job["job_id"] for job in node.jobs}) == 12 * 30
        assert node.peak_jobs <= 40


@over_sockets
async def test_two_instances_on_a_cluster_use_each_others_nodes(
    cluster: RedisCluster, scheduler: SchedulerProcess, pair: Pair
) -> None:
    """What waits in any cell is told to its owner when a node of the other instance is free."""
    ability = Ability((pair[0],), (pair[1],), capacity=2)
    with running_scheduler("--redis-url", cluster.url, *FLAGS) as other:
        async with AsyncExitStack() as stack:
            nodes = await nodes_of(stack, other, *[ability] * 6)
            for node in nodes:
                node.answers(after_seconds=0.05)
            clients = [
                *await clients_of(stack, scheduler, pair, 30),
                *await clients_of(stack, other, pair, 30),
            ]
            for _ in range(3):
                await asyncio.gather(*(client.speak(tone(300)) for client in clients))
                await asyncio.sleep(0.1)
            for client in clients:
                results = [await client.result(seconds=30) for _ in range(3)]
                assert [result["utterance_index"] for result in results] == [0, 1, 2]
            assert all(node.peak_jobs <= 2 for node in nodes)
            assert sum(len(node.jobs) for node in nodes) == 180
        await asyncio.to_thread(other.wait_until_idle)


@over_sockets
async def test_a_killed_master_is_replaced_and_every_utterance_has_one_outcome(pair: Pair) -> None:
    with (
        running_cluster(replicas=True) as cluster,
        running_scheduler("--redis-url", cluster.url, *FLAGS) as scheduler,
    ):
        async with AsyncExitStack() as stack:
            nodes = await nodes_of(
                stack, scheduler, *[Ability((pair[0],), (pair[1],), capacity=20)] * 2
            )
            for node in nodes:
                node.answers(after_seconds=0.05)
            clients = await clients_of(stack, scheduler, pair, 30)
            victim = cluster.masters[0]
            safe = [client for client in clients if _master(cluster, client) is not victim]
            assert 0 < len(safe) < len(clients)
            for turn in range(12):
                for client in clients:
                    await client.speak(tone(300))
                await asyncio.sleep(0.25)
                if turn == 2:
                    await asyncio.to_thread(victim.kill)
            for client in clients:
                outcomes = [await client.outcome(seconds=40) for _ in range(12)]
                assert sorted(outcome["utterance_index"] for outcome in outcomes) == list(range(12))
            await asyncio.sleep(1)
            assert [len(client.outcomes()) for client in clients] == [12] * len(clients)
            for client in clients:
                await client.speak(tone(300))
                assert (await client.result(seconds=20))["utterance_index"] == 12
            assert all(node.peak_jobs <= 20 for node in nodes)
        await asyncio.to_thread(scheduler.wait_until_idle, 20)


def _master(cluster: RedisCluster, client: RawClient) -> object:
    return cluster.master_of(CELLS.prefixes[home_of(client)])
