"""The reference client on a line that is cut again and again: nobody hears a difference."""

import asyncio
import random
from collections.abc import Iterator

import pytest

from peers.client.client import SpeechClient
from peers.client.options import ClientOptions
from peers.client.timeline import UtteranceRecord
from protocol.audio.framing import AudioFormat
from tests.chaos.faults.proxy import FaultProxy
from tests.support.peers.raw_client import tone
from tests.support.peers.raw_node import Ability, audio_of, raw_node
from tests.support.peers.raw_wire import Pair, over_sockets
from tests.support.processes.scheduler_process import SchedulerProcess, running_scheduler

pytestmark = pytest.mark.takes(9)

CHUNK_MS = 100
UTTERANCES = 12


@pytest.fixture(scope="module")
def scheduler() -> Iterator[SchedulerProcess]:
    """It waits 5 ms for a chunk that its final overtook, not 60.

    Where the machine stands still for 40 ms, a chunk said 100 ms after a final comes with it and
    would join it, as it may: then two utterances are one, and none is lost.
    """
    with running_scheduler("--audio-ack-interval-ms=100", "--hangover-manual-ms=5") as process:
        yield process
        process.wait_until_idle()


async def trouble(proxy: FaultProxy, seed: int) -> None:
    """Cut the line every now and then, and let nobody in for a while."""
    chance = random.Random(seed)
    while True:
        await asyncio.sleep(chance.uniform(0.05, 0.3))
        proxy.is_refusing = True
        for link in list(proxy.links):
            chance.choice([link.reset, link.finish])()
        await asyncio.sleep(chance.uniform(0, 0.4))
        proxy.is_refusing = False


@pytest.mark.parametrize("binary", [False, True], ids=["json", "binary"])
@over_sockets
async def test_on_a_bad_line_every_word_arrives_once(
    scheduler: SchedulerProcess, pair: Pair, *, binary: bool
) -> None:
    proxy = FaultProxy(("127.0.0.1", scheduler.port))
    await proxy.start()
    options = ClientOptions(
        url=f"ws://127.0.0.1:{proxy.port}/ws/session",
        src_lang=pair[0],
        tgt_lang=pair[1],
        audio_format=AudioFormat.PCM16,
        binary_frames=binary,
        resume_first_ms=20,
        resume_longest_ms=100,
    )
    spoken = [tone(CHUNK_MS * (2 + number % 4)) for number in range(UTTERANCES)]
    able = Ability.of(pair, capacity=UTTERANCES)
    try:
        async with raw_node(scheduler.node_url, able) as node, SpeechClient(options) as client:
            node.answers(0.05)
            storm = asyncio.create_task(trouble(proxy, seed=7))
            await _say(client, spoken)
            storm.cancel()
            await asyncio.wait([storm])
            proxy.is_refusing = False
            assert await client.wait_outcomes(10_000)
            assert await client.close()
            jobs = sorted(node.jobs, key=lambda job: int(job["nth"]))
            assert [audio_of(job) for job in jobs] == spoken
            _check(client.timeline.utterances)
            resumes = [
                event for event in client.history if event.message.type == "session_init_ack"
            ]
            assert len(resumes) > 3
            assert len(client._audio) < len(b"".join(spoken)) // len(tone(CHUNK_MS))
    finally:
        await proxy.close()


async def _say(client: SpeechClient, spoken: list[bytes]) -> None:
    """Speak in real time."""
    size = len(tone(CHUNK_MS))
    for audio in spoken:
        for start in range(0, len(audio), size):
            await asyncio.sleep(CHUNK_MS / 1000)
            await client.send_chunk(audio[start : start + size])
        await client.send_final()


def _check(utterances: list[UtteranceRecord]) -> None:
    assert [record.index for record in utterances] == [*range(UTTERANCES)]
    assert all(record.result is not None for record in utterances)
