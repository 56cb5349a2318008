"""The client of a cluster, on three real masters with a replica each."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from redis.crc import key_slot

from storage.client.cluster import ClusterExecutor
from storage.client.executor import Command, CommandRefused, StorageUnavailable
from storage.client.transport import open_executor
from tests.support.processes.redis_cluster import RedisCluster, running_cluster
from tests.support.processes.redis_process import RedisProcess
from tests.support.waiting import PATIENCE_S, wait_until

pytestmark = pytest.mark.takes(9)

Test = Callable[[ClusterExecutor], Awaitable[Any]]
KEYS = [f"k{number}" for number in range(12)]


@pytest.fixture(scope="module")
def cluster() -> Iterator[RedisCluster]:
    """Shared by the tests that leave it as it was."""
    with running_cluster() as started:
        yield started


@pytest.fixture
def mortal_cluster() -> Iterator[RedisCluster]:
    """One of its own, with replicas, for a test that breaks it."""
    with running_cluster(replicas=True) as started:
        yield started


def run(cluster: RedisCluster, test: Test) -> None:
    async def main() -> None:
        executor = open_executor(cluster.url)
        assert isinstance(executor, ClusterExecutor)
        try:
            await asyncio.wait_for(test(executor), 60)
        finally:
            await executor.close()

    asyncio.run(main())


def sets(value: str) -> list[Command]:
    return [("SET", key, value) for key in KEYS]


GETS: list[Command] = [("GET", key) for key in KEYS]


async def answered(
    executor: ClusterExecutor, commands: list[Command], seconds: float = PATIENCE_S
) -> Any:
    """Repeat until every command has an answer."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            replies = await executor.execute(commands)
        except StorageUnavailable:
            replies = [StorageUnavailable()]
        if not any(isinstance(reply, StorageUnavailable) for reply in replies):
            return replies
        assert time.monotonic() < deadline, replies
        await asyncio.sleep(0.02)


def masters_of(cluster: RedisCluster) -> dict[str, RedisProcess]:
    return {key: cluster.master_of(key) for key in KEYS}


def test_replies_of_many_masters_come_in_the_order_of_the_commands(cluster: RedisCluster) -> None:
    assert len({server.port for server in masters_of(cluster).values()}) == 3

    async def test(executor: ClusterExecutor) -> None:
        mixed: list[Command] = []
        for number, key in enumerate(KEYS):
            mixed += [("SET", key, number), ("GET", key), ("INCR", key)]
        replies = await executor.execute(mixed)
        assert replies == [value for n in range(12) for value in ("OK", str(n), n + 1)]
        assert await executor.execute([]) == []

    run(cluster, test)


def test_a_refusal_is_the_reply_of_its_command_only(cluster: RedisCluster) -> None:
    async def test(executor: ClusterExecutor) -> None:
        await executor.execute(sets("text"))
        commands: list[Command] = [("GET", "k1"), ("INCR", "k2"), ("GET", "k3")]
        first, refused, last = await executor.execute(commands)
        assert (first, last) == ("text", "text")
        assert isinstance(refused, CommandRefused)

    run(cluster, test)


def test_commands_without_a_key_go_to_every_master(cluster: RedisCluster) -> None:
    async def test(executor: ClusterExecutor) -> None:
        [sha] = await executor.execute([("SCRIPT", "LOAD", "return KEYS[1]")])
        scripts: list[Command] = [("EVALSHA", sha, 1, key) for key in KEYS]
        assert await executor.execute(scripts) == KEYS
        assert await executor.execute([("PING",), ("FLUSHALL",)]) == ["PONG", "OK"]
        assert [master.must("DBSIZE") for master in cluster.masters] == [0, 0, 0]

    run(cluster, test)


def test_a_key_of_another_slot_is_refused_by_the_server_itself(cluster: RedisCluster) -> None:
    async def test(executor: ClusterExecutor) -> None:
        foreign = "return redis.call('GET', 'elsewhere' .. KEYS[1])"
        [reply] = await executor.execute([("EVAL", foreign, 1, "k1")])
        assert isinstance(reply, CommandRefused)

    run(cluster, test)


def test_calls_of_many_tasks_at_once_all_get_their_own_replies(cluster: RedisCluster) -> None:
    async def test(executor: ClusterExecutor) -> None:
        await executor.execute([("DEL", key) for key in KEYS])

        async def count(key: str) -> list[Any]:
            return await executor.execute([("INCR", key), ("INCR", key)])

        replies = await asyncio.gather(*(count(key) for key in KEYS * 5))
        by_key = {key: [reply for at, reply in zip(KEYS * 5, replies, strict=True) if at == key]
                  for key in KEYS}  # fmt: skip
        for pairs in by_key.values():
            assert [number for pair in pairs for number in pair] == list(range(1, 11))

    run(cluster, test)


def test_a_moved_slot_is_followed_and_remembered(cluster: RedisCluster) -> None:
    key = "moving"
    source = cluster.master_of(key)
    target = next(master for master in cluster.masters if master is not source)

    async def test(executor: ClusterExecutor) -> None:
        assert await executor.execute([("SET", key, "here")]) == ["OK"]
        cluster.move_slot(key_slot(key.encode()), source, target)
        cluster.finish_move(key_slot(key.encode()), source, target)
        assert await executor.execute([("GET", key), ("GET", "k1")]) == ["here", "text"]
        await asyncio.sleep(0.3)
        errors = target.must("INFO", "errorstats") + source.must("INFO", "errorstats")
        for _ in range(3):
            assert await executor.execute([("GET", key)]) == ["here"]
        assert target.must("INFO", "errorstats") + source.must("INFO", "errorstats") == errors

    async def prepare(executor: ClusterExecutor) -> None:
        await executor.execute(sets("text"))

    run(cluster, prepare)
    try:
        run(cluster, test)
    finally:
        cluster.move_slot(key_slot(key.encode()), target, source)
        cluster.finish_move(key_slot(key.encode()), target, source)


def test_while_a_slot_is_on_its_way_keys_are_read_where_they_are_and_scripts_wait(
    cluster: RedisCluster,
) -> None:
    here, gone = "{move}here", "{move}gone"
    slot, source = key_slot(here.encode()), cluster.master_of(here)
    target = next(master for master in cluster.masters if master is not source)
    script = "return redis.call('INCR', KEYS[1] .. 'count')"

    async def test(executor: ClusterExecutor) -> None:
        await executor.execute([("SET", here, 1), ("SET", gone, 2)])
        assert await executor.execute([("EVAL", script, 1, "{move}")]) == [1]
        cluster.move_slot(slot, source, target)
        source.must("MIGRATE", "127.0.0.1", target.port, gone, 0, 5000)
        assert await executor.execute([("GET", here), ("GET", gone)]) == ["1", "2"]
        replies = await executor.execute([("EVAL", script, 1, "{move}"), ("GET", here)])
        assert isinstance(replies[0], StorageUnavailable)
        assert replies[1] == "1"
        cluster.finish_move(slot, source, target)
        assert await answered(executor, [("EVAL", script, 1, "{move}")]) == [2]

    try:
        run(cluster, test)
    finally:
        cluster.move_slot(slot, target, source)
        cluster.finish_move(slot, target, source)


def test_a_killed_master_costs_only_its_own_keys_until_its_replica_takes_over(
    mortal_cluster: RedisCluster,
) -> None:
    master = mortal_cluster.master_of("k1")
    lost = {key for key, owner in masters_of(mortal_cluster).items() if owner is master}

    async def test(executor: ClusterExecutor) -> None:
        assert await executor.execute(sets("kept")) == ["OK"] * 12
        await asyncio.to_thread(
            wait_until, lambda: _replicated(mortal_cluster, master), "the replica has it all"
        )
        master.kill()
        replies = await executor.execute(GETS)
        unanswered = {
            key
            for key, reply in zip(KEYS, replies, strict=True)
            if isinstance(reply, StorageUnavailable)
        }
        assert unanswered == lost
        with pytest.raises(StorageUnavailable):
            await executor.execute([("GET", "k1")])
        assert await answered(executor, GETS) == ["kept"] * 12
        assert mortal_cluster.master_of("k1") is mortal_cluster.replica_of(master)

    run(mortal_cluster, test)


def test_a_frozen_master_makes_the_others_wait_once_and_briefly(
    mortal_cluster: RedisCluster,
) -> None:
    master = mortal_cluster.master_of("k1")

    async def test(executor: ClusterExecutor) -> None:
        await executor.execute(sets("kept"))
        master.freeze()
        started = time.monotonic()
        replies = await executor.execute(GETS)
        assert time.monotonic() - started < 1.5
        assert "kept" in replies
        started = time.monotonic()
        for _ in range(10):
            await executor.execute(GETS)
        assert time.monotonic() - started < 0.5
        assert await answered(executor, GETS) == ["kept"] * 12

    try:
        run(mortal_cluster, test)
    finally:
        master.thaw()


def test_a_cluster_that_is_not_there_is_unavailable_and_a_closed_client_stays_closed() -> None:
    async def main() -> None:
        executor = open_executor("redis+cluster://127.0.0.1:1,127.0.0.1:2/")
        with pytest.raises(StorageUnavailable):
            await executor.execute([("GET", "k")])
        await executor.close()
        await executor.close()
        with pytest.raises(StorageUnavailable, match="closed"):
            await executor.execute([("GET", "k")])

    asyncio.run(main())


def _replicated(cluster: RedisCluster, master: RedisProcess) -> bool:
    replica = cluster.replica_of(master)
    return bool(master.must("DBSIZE") == replica.must("DBSIZE"))
