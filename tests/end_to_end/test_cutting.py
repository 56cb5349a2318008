"""Where speech is cut: by the client, by length, by size and by the end of the session."""

import asyncio

import pytest

from tests.end_to_end.support.short_segments import (
    LIMIT_BYTES,
    LIMIT_MS,
    finish,
    speaker_and_node,
    why,
)
from tests.support.peers.raw_client import (
    SILENT_CHUNK,
    noise,
    recorded_chunks,
    recorded_packets,
    tone,
)
from tests.support.peers.raw_node import audio_of
from tests.support.peers.raw_wire import Pair, over_sockets
from tests.support.processes.scheduler_process import SchedulerProcess

SPURIOUS_GAP_SECONDS = 0.256
"""The pace at which a browser sends silence, each piece with a final of its own."""


@pytest.fixture
def scheduler(scheduler_of_short_turns: SchedulerProcess) -> SchedulerProcess:
    return scheduler_of_short_turns


# ---- by length ----------------------------------------------------------------------------------


@over_sockets
async def test_pcm_is_cut_at_the_exact_sample_that_reaches_the_limit(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with speaker_and_node(scheduler, pair) as (client, node):
        await client.chunk(tone(LIMIT_MS - 100))
        await client.chunk(tone(100)[:-2])
        await client.fence()
        assert not node.jobs
        await client.chunk(b"\x01\x02")
        job = await node.job()
        assert len(audio_of(job)) == LIMIT_MS * 32
        assert why(job) == "is_max_duration_triggered"
        assert job["padding_ms"] == 220
        await finish(node, client, job)


@over_sockets
async def test_opus_is_cut_at_the_exact_packet_that_reaches_the_limit(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    packets = recorded_packets()[: LIMIT_MS // 20]
    async with speaker_and_node(scheduler, pair) as (client, node):
        await client.chunk(b"".join(packets[:30]))
        await client.chunk(b"".join(packets[30:-1]))
        await client.fence()
        assert not node.jobs
        await client.chunk(packets[-1])
        job = await node.job()
        assert audio_of(job) == b"".join(packets)
        await finish(node, client, job)


@over_sockets
async def test_opus_frames_of_other_lengths_count_what_they_are(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    """60 ms packets (configuration 11) reach a limit three times as fast as 20 ms ones."""
    packet = b"\x14\x00" + bytes([11 << 3]) + bytes(range(19))
    async with speaker_and_node(scheduler, pair) as (client, node):
        await client.chunk(packet * 16)
        await client.fence()
        assert not node.jobs  # 960 ms
        await client.chunk(packet)
        job = await node.job()  # 1020 ms
        assert audio_of(job) == packet * 17
        await finish(node, client, job)


@over_sockets
async def test_a_chunk_is_never_split(scheduler: SchedulerProcess, pair: Pair) -> None:
    async with speaker_and_node(scheduler, pair) as (client, node):
        await client.chunk(tone(900))
        await client.chunk(tone(800))
        job = await node.job()
        assert audio_of(job) == tone(900) + tone(800)
        await finish(node, client, job)


# ---- by size ------------------------------------------------------------------------------------


PACKET_BYTES = 1272
"""Of 20 ms at the highest rate, with its length."""


def _of_the_highest_rate(duration_ms: int) -> bytes:
    head = b"\xf6\x04\x48"
    body = PACKET_BYTES - len(head)
    return b"".join(head + noise(number, body) for number in range(duration_ms // 20))


@over_sockets
async def test_an_utterance_is_cut_at_its_greatest_size(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    """Opus of the highest rate is long in bytes before it is long in time."""
    async with speaker_and_node(scheduler, pair) as (client, node):
        audio = _of_the_highest_rate(960)
        assert len(audio) - PACKET_BYTES < LIMIT_BYTES <= len(audio)
        await client.chunk(audio[:-PACKET_BYTES])
        await client.fence()
        assert not node.jobs
        await client.chunk(audio[-PACKET_BYTES:])
        job = await node.job()
        assert (why(job), job["cut_reason"]) == ("is_manual_cut", "max_length")
        assert audio_of(job) == audio
        await client.chunk(audio[: 9 * PACKET_BYTES], final=True)
        await node.answer(job)
        later = await node.job()
        assert later["turn_id"] != job["turn_id"]
        await finish(node, client, later)
        await client.outcome()


# ---- several reasons at once --------------------------------------------------------------------


@over_sockets
async def test_a_final_is_stronger_than_a_length(scheduler: SchedulerProcess, pair: Pair) -> None:
    async with speaker_and_node(scheduler, pair) as (client, node):
        await client.chunk(tone(LIMIT_MS), final=True)
        job = await node.job()
        assert why(job) == "is_manual_cut"
        await finish(node, client, job)


@over_sockets
async def test_a_size_is_stronger_than_a_length(scheduler: SchedulerProcess, pair: Pair) -> None:
    async with speaker_and_node(scheduler, pair) as (client, node):
        await client.chunk(_of_the_highest_rate(LIMIT_MS))
        job = await node.job()
        assert (why(job), job["cut_reason"]) == ("is_manual_cut", "max_length")
        await finish(node, client, job)


@over_sockets
async def test_the_end_of_a_turn_is_stronger_than_a_length(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with speaker_and_node(scheduler, pair) as (client, node):
        for _ in range(3):
            await client.chunk(tone(LIMIT_MS))
        jobs = [await node.job() for _ in range(3)]
        assert (why(jobs[2]), jobs[2]["cut_reason"]) == ("is_manual_cut", "max_turn")
        await finish(node, client, *jobs)


# ---- by the end of the session ------------------------------------------------------------------


@over_sockets
async def test_what_was_said_when_the_session_closes_is_an_utterance(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with speaker_and_node(scheduler, pair) as (client, node):
        await client.chunk(tone(700))
        await client.say(client.own("session_close", reason="bye"))
        job = await node.job()
        assert why(job) == "is_manual_cut"
        assert job["padding_ms"] == 220
        await node.answer(job)
        await client.result()
        await client.hear("session_close_ack")
        kinds = [message["type"] for message in client.heard]
        assert kinds.index("translation_result") < kinds.index("session_close_ack")


# ---- finals, overtaken chunks and silence -------------------------------------------------------


@over_sockets
async def test_a_chunk_overtaken_by_its_own_final_joins_it(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    chunks = recorded_chunks()
    async with speaker_and_node(scheduler, pair) as (client, node):
        await client.chunk(chunks[0])
        await client.final()
        await client.chunk(chunks[1])
        job = await node.job()
        assert audio_of(job) == chunks[0] + chunks[1]
        await finish(node, client, job)
        assert len(node.jobs) == 1


@over_sockets
async def test_a_final_that_overtook_all_its_audio_is_not_lost(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with speaker_and_node(scheduler, pair) as (client, node):
        await client.final()
        await client.chunk(tone(500))
        job = await node.job()
        assert audio_of(job) == tone(500)
        assert why(job) == "is_manual_cut"
        await finish(node, client, job)


@over_sockets
async def test_audio_after_the_cut_belongs_to_the_next_utterance(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with speaker_and_node(scheduler, pair) as (client, node):
        await client.speak(tone(300))
        first = await node.job()
        await client.speak(tone(200))
        await node.answer(first)
        second = await node.job()
        assert (audio_of(first), audio_of(second)) == (tone(300), tone(200))
        assert second["turn_id"] != first["turn_id"]
        await node.answer(second)
        assert [(await client.result())["utterance_index"] for _ in range(2)] == [0, 1]


@over_sockets
async def test_a_browsers_spurious_finals_make_nothing_and_take_no_index(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with speaker_and_node(scheduler, pair) as (client, node):
        for chunk in recorded_chunks()[:3]:
            await client.chunk(chunk)
        await client.final()
        await finish(node, client, await node.job())
        for _ in range(6):
            await asyncio.sleep(SPURIOUS_GAP_SECONDS)
            await client.chunk(SILENT_CHUNK)
            await client.final()
        await asyncio.sleep(SPURIOUS_GAP_SECONDS)
        await client.fence()
        assert len(node.jobs) == 1
        await client.speak(b"".join(recorded_packets()[:20]), size=10_000)
        job = await node.job()
        assert job["nth"] == 1
        await finish(node, client, job)


@over_sockets
async def test_finals_without_audio_make_nothing(scheduler: SchedulerProcess, pair: Pair) -> None:
    async with speaker_and_node(scheduler, pair) as (client, node):
        for _ in range(5):
            await client.final()
            await client.binary_final()
        await asyncio.sleep(0.1)  # the hangover
        await client.speak(tone(300))
        job = await node.job()
        assert job["nth"] == 0
        await finish(node, client, job)


@pytest.mark.parametrize(
    ("audio", "is_utterance"),
    [
        (bytes(500 * 32), False),
        (bytes(9_000 * 32), False),
        (tone(20), True),
        (bytes(9_000 * 32) + tone(20), True),
        (recorded_packets()[60], True),
    ],
    ids=["half a second", "nine seconds", "20 ms of tone", "a tone at the end", "speech"],
)
@over_sockets
async def test_silence_is_nothing_however_long_it_is(
    scheduler: SchedulerProcess, pair: Pair, audio: bytes, *, is_utterance: bool
) -> None:
    async with speaker_and_node(scheduler, pair) as (client, node):
        await client.chunk(audio, final=True)
        if is_utterance:
            job = await node.job()
            assert audio_of(job) == audio
            await finish(node, client, job)
        await client.end()
        assert len(node.jobs) == is_utterance
        assert len(client.outcomes()) == is_utterance
