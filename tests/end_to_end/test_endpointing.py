"""A client that only streams its microphone: the server hears where an utterance ends."""

import wave
from pathlib import Path

from tests.support.peers.raw_client import (
    RawClient,
    pieces,
    raw_client,
    recorded_chunks,
    session_init,
    tone,
)
from tests.support.peers.raw_node import Ability, audio_of, raw_node
from tests.support.peers.raw_wire import Pair, over_sockets
from tests.support.processes.scheduler_process import SchedulerProcess

SPOKEN = Path(__file__).parents[2] / "peers" / "data" / "speech" / "librivox-0880.wav"
STRANGER = {"client_version": "stranger-1.0", "platform": "linux"}
CHUNK_BYTES = 3_200
"""100 ms."""


def zeros(duration_ms: int) -> bytes:
    return bytes(32 * duration_ms)


def sentence() -> bytes:
    with wave.open(str(SPOKEN)) as recording:
        frames: bytes = recording.readframes(recording.getnframes())
    return frames


async def stream(client: RawClient, audio: bytes) -> None:
    for piece in pieces(audio, CHUNK_BYTES):
        await client.chunk(piece)


@over_sockets
async def test_a_microphone_without_a_final_is_translated_after_each_sentence(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    ability = Ability(asr=(pair[0],), semantic=(pair[1],))
    async with (
        raw_node(scheduler.node_url, ability) as node,
        raw_client(scheduler.session_url, *pair, **STRANGER) as client,
    ):
        assert client.ack["endpointing"] == "auto"
        for index in range(2):
            await stream(client, sentence() + zeros(1_600))
            job = await node.job()
            assert job["nth"] == index
            assert sentence()[:64_000] in audio_of(job)
            assert job["is_manual_cut"] is True
            await node.answer(job)
            await client.result(utterance_index=index)


@over_sockets
async def test_opus_of_a_microphone_is_translated_without_a_final(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    ability = Ability(asr=(pair[0],), semantic=(pair[1],))
    async with (
        raw_node(scheduler.node_url, ability, answering=True),
        raw_client(scheduler.session_url, *pair, endpointing="server", **STRANGER) as client,
    ):
        assert client.ack["endpointing"] == "server"
        for chunk in recorded_chunks():
            await client.chunk(chunk)
        silent = bytes.fromhex("08004807c979c8c957c0")
        for _ in range(4):
            await client.chunk(silent * 13)
        await client.result()


@over_sockets
async def test_silence_before_speech_is_sent_to_nobody(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    ability = Ability(asr=(pair[0],), semantic=(pair[1],))
    async with (
        raw_node(scheduler.node_url, ability, answering=True) as node,
        raw_client(scheduler.session_url, *pair, **STRANGER) as client,
    ):
        await stream(client, zeros(60_000) + tone(1_000) + zeros(1_500))
        await client.result(utterance_index=0)
        [job] = node.jobs
        audio = audio_of(job)
        assert audio.lstrip(b"\x00").startswith(tone(1_000))
        assert len(audio) <= 32 * (300 + 1_000 + 1_500)


@over_sockets
async def test_the_stock_page_ends_its_utterances_itself(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    ability = Ability(asr=(pair[0],), semantic=(pair[1],))
    async with (
        raw_node(scheduler.node_url, ability, answering=True) as node,
        raw_client(scheduler.session_url, *pair) as client,
    ):
        assert client.ack["endpointing"] == "client"
        await stream(client, tone(1_000) + zeros(3_000))
        await client.fence()
        assert node.jobs == []
        await client.final()
        await client.result()
        assert audio_of(node.jobs[0]) == tone(1_000) + zeros(3_000)


@over_sockets
async def test_who_has_sent_a_final_is_left_to_it(scheduler: SchedulerProcess, pair: Pair) -> None:
    ability = Ability(asr=(pair[0],), semantic=(pair[1],))
    async with (
        raw_node(scheduler.node_url, ability, answering=True) as node,
        raw_client(scheduler.session_url, *pair, **STRANGER) as client,
    ):
        await client.speak(tone(500), CHUNK_BYTES)
        await client.result()
        await stream(client, tone(500) + zeros(3_000))
        await client.fence()
        assert len(node.jobs) == 1
        await client.final()
        await client.result()


@over_sockets
async def test_an_endpointing_that_does_not_exist_is_refused(scheduler: SchedulerProcess) -> None:
    async with raw_client(scheduler.session_url) as client:
        await client.say(session_init("en", "es", endpointing="sometimes"))
        refused = await client.error()
        assert refused["code"] == "INVALID_MESSAGE"
