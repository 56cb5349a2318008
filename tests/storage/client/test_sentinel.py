"""The client of a Sentinel set, on real servers."""

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import pytest

from storage.client.executor import StorageUnavailable
from storage.client.sentinel import SentinelExecutor
from storage.client.transport import open_executor
from storage.client.wire import ServerAddress, WireExecutor
from tests.support.processes.redis_process import free_ports
from tests.support.processes.redis_sentinel import MASTER_NAME, SentinelSet, running_sentinels
from tests.support.waiting import PATIENCE_S, wait_until

pytestmark = pytest.mark.takes(18)


@pytest.fixture
def sentinels() -> Iterator[SentinelSet]:
    """A set of its own for each test: they break it."""
    with running_sentinels() as started:
        yield started


async def answer(executor: Any, *command: str, seconds: float = PATIENCE_S) -> Any:
    """Repeat a command until it is answered."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            [reply] = await executor.execute([command])
        except StorageUnavailable as error:
            reply = error
        if not isinstance(reply, Exception):
            return reply
        assert time.monotonic() < deadline, reply
        await asyncio.sleep(0.02)


def test_after_a_fail_over_the_replica_is_the_store(sentinels: SentinelSet) -> None:
    master, replica = sentinels.servers

    async def main() -> None:
        executor = open_executor(sentinels.url)
        assert await executor.execute([("SET", "k", "kept"), ("ROLE",)])
        await asyncio.to_thread(
            wait_until, lambda: replica.must("DBSIZE") == 1, "the replica has it"
        )
        master.kill()
        with pytest.raises(StorageUnavailable):
            await executor.execute([("GET", "k")])
        assert await answer(executor, "GET", "k") == "kept"
        assert await answer(executor, "SET", "k", "new") == "OK"
        assert sentinels.master is replica
        await executor.close()

    asyncio.run(main())


def test_a_master_that_was_only_frozen_is_left_for_its_successor(sentinels: SentinelSet) -> None:
    """It would go on answering, and what it was told would be lost."""
    master, replica = sentinels.servers

    async def main() -> None:
        executor = open_executor(sentinels.url)
        assert await answer(executor, "SET", "k", "kept") == "OK"
        master.freeze()
        await asyncio.to_thread(
            wait_until, lambda: replica.must("ROLE")[0] == "master", "the replica is the master"
        )
        master.thaw()
        deadline = time.monotonic() + 2
        while replica.must("GET", "k") != "new":
            assert time.monotonic() < deadline, "it still talks to the former master"
            assert await answer(executor, "SET", "k", "new") == "OK"
            await asyncio.sleep(0.05)
        await executor.close()

    asyncio.run(main())


def test_a_sentinel_that_is_gone_is_passed_over_and_a_wrong_name_is_told(
    sentinels: SentinelSet,
) -> None:
    async def main() -> None:
        sentinels.sentinels[0].kill()
        executor = open_executor(sentinels.url)
        assert await executor.execute([("PING",)]) == ["PONG"]
        await executor.close()
        wrong = open_executor(sentinels.url.replace(MASTER_NAME, "nobody"))
        with pytest.raises(StorageUnavailable, match="nobody"):
            await wrong.execute([("PING",)])
        await wrong.close()

    asyncio.run(main())


def test_a_replica_is_never_taken_for_the_master(sentinels: SentinelSet) -> None:
    """A sentinel may still name a server that was demoted, or not be told yet."""
    replica = sentinels.servers[1]

    async def main() -> None:
        sentinel = WireExecutor(ServerAddress("127.0.0.1", sentinels.sentinels[0].port))
        executor = SentinelExecutor(
            [sentinel], MASTER_NAME, lambda _address: ServerAddress("127.0.0.1", replica.port)
        )
        with pytest.raises(StorageUnavailable, match="no master but a slave"):
            await executor.execute([("PING",)])
        await executor.close()

    asyncio.run(main())


def test_no_sentinel_at_all_is_unavailable() -> None:
    async def main() -> None:
        [port] = free_ports(1)
        executor = open_executor(f"redis+sentinel://127.0.0.1:{port}/{MASTER_NAME}")
        with pytest.raises(StorageUnavailable):
            await executor.execute([("PING",)])
        await executor.close()

    asyncio.run(main())
