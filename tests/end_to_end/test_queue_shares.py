"""The queue for nodes is shared: who floods it keeps nobody else out."""

import asyncio
from collections.abc import Iterator

import pytest

from tests.support.peers.raw_client import RawClient, raw_client, tone
from tests.support.peers.raw_node import Ability, raw_node
from tests.support.peers.raw_wire import Pair, over_sockets
from tests.support.processes.scheduler_process import SchedulerProcess, running_scheduler

QUEUED = 20
PER_SESSION = 3
FLOODERS = 30


@pytest.fixture(scope="module")
def scheduler() -> Iterator[SchedulerProcess]:
    bounds = {
        "max-queued-jobs": QUEUED,
        "max-queued-per-session": PER_SESSION,
        "close-flush-ms": 1500,
    }
    env = {"LINGUA_CLIENT_TOKENS": "flood:one,calm:two"}
    flags = (f"--{name}={value}" for name, value in bounds.items())
    with running_scheduler(*flags, env=env) as process:
        yield process
        process.wait_until_idle()


@over_sockets
async def test_who_floods_the_queue_has_a_quarter_of_it_while_others_are_there(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    """Nobody serves the language of the flood; a neighbour waits for a slot and gets it."""
    unserved, served = {"src_lang": "xx", "tgt_lang": "yy"}, {"src_lang": pair[0]}
    url, flood_url = scheduler.session_url + "?token=two", scheduler.session_url + "?token=one"
    async with (
        raw_node(scheduler.node_url, Ability.of(pair, 1)) as node,
        raw_client(url, *pair) as neighbour,
    ):
        flood = [await RawClient(flood_url).open() for _ in range(FLOODERS)]
        for flooder in flood:
            await flooder.init("xx", "yy")
            await flooder.utterance(0, tone(300), **unserved)
        heard = [(await flooder.hear("ui_event", utterance_index=0))["event"] for flooder in flood]
        assert heard.count("QUEUED") == QUEUED // 4
        assert heard.count("ERROR") == FLOODERS - QUEUED // 4
        for index in range(2):
            await neighbour.utterance(index, tone(300), tgt_lang=pair[1], **served)
        await neighbour.hear("ui_event", event="QUEUED", utterance_index=1)
        async with raw_client(url, *pair) as newcomer:
            await newcomer.utterance(0, tone(300), tgt_lang=pair[1], **served)
            await newcomer.hear("ui_event", event="QUEUED", utterance_index=0)
            node.answers()
            await node.answer(node.jobs[0])
            await newcomer.result()
        for _ in range(2):
            await neighbour.result()
        await asyncio.gather(*(flooder.end() for flooder in flood))
        await asyncio.gather(*(flooder.aclose() for flooder in flood))
    assert 'limit="owners_share_of_queued_jobs"' in scheduler.get("/metrics").body


@over_sockets
async def test_jobs_of_a_closed_session_count_on_the_socket_that_opened_it(
    scheduler: SchedulerProcess,
) -> None:
    unserved = {"src_lang": "xx", "tgt_lang": "yy"}
    async with RawClient(scheduler.session_url + "?token=one") as client:
        await client.init("xx", "yy")
        for index in range(PER_SESSION):
            await client.utterance(index, tone(300), **unserved)
            await client.hear("ui_event", event="QUEUED", utterance_index=index)
        await client.init("xx", "yy")
        await client.utterance(0, tone(300), **unserved)
        missing = await client.missing(session_id=client.session_id)
        assert missing["reason"] == "queue_full"
        async with raw_client(scheduler.session_url + "?token=one", "xx", "yy") as elsewhere:
            await elsewhere.utterance(0, tone(300), **unserved)
            await elsewhere.hear("ui_event", event="QUEUED", utterance_index=0)
            for _ in range(PER_SESSION):  # the first session's outcomes: its flush is over
                await client.missing(reason="session_closed")
        await client.utterance(1, tone(300), **unserved)
        await client.hear("ui_event", event="QUEUED", utterance_index=1)
        await client.end()
