"""More speech than the process can take in: who is let in, who is heard, and what is left over.

The limit of lag is set low, and the load generator offers several times what any machine can do.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from peers.bench.clients import ClientShape, SimulatedClient, close_clients, open_clients
from peers.bench.counts import Counts
from peers.bench.load_pattern import Pace, Paced
from peers.bench.simulated_node import NodeShape, SimulatedNode
from tests.support.peers.raw_client import RawClient, raw_client, session_init
from tests.support.peers.raw_wire import Pair, over_sockets
from tests.support.processes.scheduler_process import SchedulerProcess, running_scheduler

pytestmark = pytest.mark.takes(10)

SPEAKERS = 80
PACE = Pace(chunks_per_second=1000, utterance_chunks=20)
FLAGS = {
    "overload-lag-ms": 5,  # 80 sockets that are read in turn wait for three times as long
    "overload-after-ms": 100,
    "ingest-rate": 1_000_000,
    "message-rate": 1_000_000,  # else a quick machine takes all that they may send
    "message-burst": 1_000_000,
    "hangover-manual-ms": 0,
    "ping-interval-ms": 300,
    "ping-timeout-ms": 5000,  # who floods shares a loop with those who must answer
    "pending-timeout-ms": 60_000,
}
PATIENCE_S = 120


@pytest.fixture(scope="module")
def scheduler() -> Iterator[SchedulerProcess]:
    with running_scheduler(*(f"--{name}={value}" for name, value in FLAGS.items())) as process:
        yield process
        process.wait_until_idle()


@asynccontextmanager
async def flooded(scheduler: SchedulerProcess, pair: Pair, level: int) -> AsyncIterator[Counts]:
    """Offer too much until this level is reached, through the block; then wait for all answers."""
    await asyncio.to_thread(scheduler.wait_for, {"lingua_overload_level": 0.0})
    counts, address = Counts(), ("127.0.0.1", scheduler.port)
    node = SimulatedNode(f"node-{pair[0]}", NodeShape(capacity=SPEAKERS, languages=pair), counts)
    await node.open(*address)
    try:
        clients = [await admitted(scheduler, ClientShape(*pair), counts) for _ in range(SPEAKERS)]
        speech = Paced(clients, PACE, counts)
        speech.start()
        async with asyncio.timeout(PATIENCE_S):
            while (await figures(scheduler))["lingua_overload_level"] < level:
                await asyncio.sleep(0.02)
            yield counts
            speech.stop()
            while counts.open_utterances:
                await asyncio.sleep(0.02)
            await close_clients(clients)
    finally:
        node.close()
    assert (counts.problems, counts.refusals) == ([], {})


async def admitted(
    scheduler: SchedulerProcess, shape: ClientShape, counts: Counts
) -> SimulatedClient:
    """Open a client; on a busy machine the low limit of lag is reached before anybody speaks."""
    while True:
        try:
            return (await open_clients(1, ("127.0.0.1", scheduler.port), shape, counts))[0]
        except ConnectionError as refused:
            if "NODE_OVERLOADED" not in str(refused):
                raise
        await asyncio.to_thread(scheduler.wait_for, {"lingua_overload_level": 0.0})


async def figures(scheduler: SchedulerProcess) -> dict[str, float]:
    return await asyncio.to_thread(scheduler.metrics)


@over_sockets
async def test_newcomers_are_turned_away_and_those_who_come_back_are_let_in(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    before = await RawClient(scheduler.session_url).open()
    ack = await before.init(*pair, resume=True)
    before.abort()
    async with flooded(scheduler, pair, level=1):
        newcomer = await RawClient(scheduler.session_url).open()
        await newcomer.say(session_init(*pair))
        assert await newcomer.close_code() == 1013
        assert newcomer.socket.close_reason == "the service is overloaded: try again later"
        assert not newcomer.all_heard("session_init_ack")
        refused = 'lingua_sessions_refused_total{reason="overloaded"}'
        assert (await figures(scheduler))[refused] >= 1
        back = await RawClient(scheduler.session_url).open()
        told = {"session_id": ack["session_id"], "resume_token": ack["resume_token"]}
        assert (await back.init(*pair, resume=True, last_delivery_seq=0, **told))["resumed"]
        ready = await asyncio.to_thread(scheduler.get, "/ready")
        assert (ready.status, json.loads(ready.body)["ready"]) == (200, True)
    await back.end()
    await back.aclose()


@over_sockets
async def test_what_is_said_in_an_overload_is_answered_and_nothing_stays_behind(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    """Every utterance has its own translation, and no socket that is read slowly is given up."""
    async with flooded(scheduler, pair, level=2) as counts:
        assert (await figures(scheduler))["lingua_sockets_waiting"] > 0
    assert counts.results == counts.utterances > SPEAKERS
    calm = {"lingua_overload_level": 0.0, "lingua_sockets_waiting": 0.0}
    idle = {"lingua_audio_bytes_held": 0.0, "lingua_open_slots": 0.0}
    await asyncio.to_thread(scheduler.wait_for, calm | idle)
    async with raw_client(scheduler.session_url, *pair):
        pass  # newcomers are welcome again
