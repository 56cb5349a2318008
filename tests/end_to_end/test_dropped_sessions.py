"""Clients that come and go: what they leave behind keeps nobody out."""

import asyncio
from collections.abc import Iterator

import pytest

from tests.support.peers.raw_client import RawClient, raw_client, tone
from tests.support.peers.raw_node import Ability, raw_node
from tests.support.peers.raw_wire import Pair, over_sockets
from tests.support.processes.scheduler_process import SchedulerProcess, running_scheduler

MOST_DETACHED = 5
DROPPED = 40


@pytest.fixture(scope="module")
def scheduler() -> Iterator[SchedulerProcess]:
    bounds = {"max-sessions": 20, "max-detached-sessions": MOST_DETACHED}
    with running_scheduler(*(f"--{name}={value}" for name, value in bounds.items())) as process:
        yield process


@over_sockets
async def test_dropped_sessions_end_first_and_refuse_no_newcomer(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    """One that has spoken and may resume outlives all those that were opened and left."""
    async with raw_node(scheduler.node_url, Ability.of(pair), answering=True):
        speaker = await RawClient(scheduler.session_url).open()
        ack = await speaker.init(*pair, resume=True)
        await speaker.speak(tone(300))
        await speaker.result()
        speaker.abort()
        for _ in range(DROPPED):
            flooder = await RawClient(scheduler.session_url).open()
            await flooder.init(*pair)
            flooder.abort()
        async with raw_client(scheduler.session_url, *pair) as newcomer:
            await newcomer.speak(tone(300))
            await newcomer.result()
        async with RawClient(scheduler.session_url) as back:
            again = await back.init(
                *pair,
                resume=True,
                session_id=ack["session_id"],
                resume_token=ack["resume_token"],
                last_delivery_seq=1,
            )
            assert again["resumed"] is True
            await back.end()
    metrics = (await asyncio.to_thread(scheduler.get, "/metrics")).body
    assert 'limit="max_detached_sessions"' in metrics
