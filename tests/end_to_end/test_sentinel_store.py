"""A scheduler on a real Sentinel set: its store fails over and nobody loses a sentence."""

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack

import pytest

from tests.end_to_end.support.many_peers import clients_of, nodes_of
from tests.support.peers.raw_client import tone
from tests.support.peers.raw_node import Ability
from tests.support.peers.raw_wire import Pair, over_sockets
from tests.support.processes.redis_sentinel import SentinelSet, running_sentinels
from tests.support.processes.scheduler_process import running_scheduler

pytestmark = pytest.mark.takes(8)

TURNS = 10
CLIENTS = 12
FLAGS = ("--session-grace-seconds=0.5", "--hangover-manual-ms=5", "--pending-timeout-ms=20000")


@pytest.fixture
def sentinels() -> Iterator[SentinelSet]:
    with running_sentinels() as started:
        yield started


@over_sockets
async def test_a_killed_master_is_replaced_and_every_utterance_has_one_outcome(
    sentinels: SentinelSet, pair: Pair
) -> None:
    with running_scheduler("--redis-url", sentinels.url, *FLAGS) as scheduler:
        assert "/lingua" in scheduler.output
        async with AsyncExitStack() as stack:
            (node,) = await nodes_of(stack, scheduler, Ability((pair[0],), (pair[1],), capacity=20))
            node.answers(after_seconds=0.05)
            clients = await clients_of(stack, scheduler, pair, CLIENTS)
            for turn in range(TURNS):
                for client in clients:
                    await client.speak(tone(300))
                await asyncio.sleep(0.25)
                if turn == 2:
                    await asyncio.to_thread(sentinels.servers[0].kill)
            for client in clients:
                said = [await client.outcome(seconds=40) for _ in range(TURNS)]
                assert [outcome["type"] for outcome in said] == ["translation_result"] * TURNS
                assert [outcome["utterance_index"] for outcome in said] == list(range(TURNS))
            assert sentinels.master is sentinels.servers[1]
            for client in clients:
                await client.speak(tone(300))
                assert (await client.result(seconds=20))["utterance_index"] == TURNS
            assert node.peak_jobs <= 20
            assert {len(client.outcomes()) for client in clients} == {TURNS + 1}
        await asyncio.to_thread(scheduler.wait_until_idle, 20)
