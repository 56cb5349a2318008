"""What recorders, phones and files send, where audio is converted (extra `media`)."""

import asyncio
import io
import os
import signal
import wave
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from protocol.audio.framing import join_packets, split_packets
from tests.support.encoded import encoded, mulaw
from tests.support.peers.raw_client import RawClient, pieces, raw_client, recorded_packets, tone
from tests.support.peers.raw_node import Ability, RawNode, audio_of, raw_node
from tests.support.peers.raw_wire import Message, Pair, over_sockets
from tests.support.processes.scheduler_process import SchedulerProcess, running_scheduler

pytest.importorskip("av", reason="without PyAV nothing is converted (extra `media`)")

AUDIO = Path(__file__).parents[1] / "data" / "audio"
FLAGS = ("--session-grace-seconds=0.5", "--hangover-manual-ms=5")


@pytest.fixture(scope="module")
def one_process() -> Iterator[SchedulerProcess]:
    """A scheduler that converts for one session at a time."""
    flags = ("--media-processes=1", "--media-idle-ms=600000", "--media-stall-ms=1500")
    with running_scheduler(*FLAGS, *flags) as process:
        yield process


@pytest.fixture(scope="module")
def scheduler_in_a_hurry() -> Iterator[SchedulerProcess]:
    """A scheduler that waits for nobody at its end."""
    with running_scheduler(*FLAGS, "--drain-seconds=0", "--close-flush-ms=300") as process:
        yield process


@asynccontextmanager
async def talk(
    scheduler: SchedulerProcess, pair: Pair, **fields: Any
) -> AsyncIterator[tuple[RawNode, RawClient]]:
    ability = Ability(asr=(pair[0],), semantic=(pair[1],))
    async with (
        raw_node(scheduler.node_url, ability, answering=True) as node,
        raw_client(scheduler.session_url, *pair, **fields) as client,
    ):
        yield node, client


def seconds_of(job: Message) -> float:
    assert (job["audio_format"], job["sample_rate"]) == ("pcm16", 16_000)
    return len(audio_of(job)) / 32_000


@pytest.mark.parametrize("size", [250, 1_000, 8_192])
@pytest.mark.parametrize("name", ["container.webm", "container.ogg"])
@over_sockets
async def test_what_a_browser_records_reaches_the_node_packet_by_packet(
    scheduler: SchedulerProcess, pair: Pair, name: str, size: int
) -> None:
    async with talk(scheduler, pair) as (node, client):
        await client.speak((AUDIO / name).read_bytes(), size)
        await client.result()
        [job] = node.jobs
        assert job["audio_format"] == "opus"
        assert len(split_packets(audio_of(job))) == 150
        assert not client.all_heard("error")


@pytest.mark.parametrize("size", [250, 8_192])
@pytest.mark.parametrize(
    "name", ["safari.mp4", "voice-memo.m4a", "song.mp3", "disc.flac", "radio.aac", "disc.ogg"]
)
@over_sockets
async def test_files_of_every_kind_are_heard_whole(
    scheduler: SchedulerProcess, pair: Pair, name: str, size: int
) -> None:
    data = (AUDIO / "container.mp4").read_bytes() if name == "safari.mp4" else encoded(name)
    async with talk(scheduler, pair) as (node, client):
        await client.speak(data, size)
        await client.result()
        [job] = node.jobs
        assert seconds_of(job) == pytest.approx(3.0, abs=0.12)
        assert not client.all_heard("error")


@over_sockets
async def test_a_telephone_line_is_understood(scheduler: SchedulerProcess, pair: Pair) -> None:
    spoken = tone(500, 8_000)
    async with talk(scheduler, pair, audio_format="mulaw", sample_rate=8_000) as (node, client):
        await client.speak(mulaw(spoken), 777)
        await client.result()
        assert seconds_of(node.jobs[0]) == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(
    ("fields", "samples"),
    [
        ({"audio_format": "pcm16", "sample_rate": 48_000}, tone(400, 48_000)),
        ({"sample_rate": 48_000}, tone(400, 48_000)),
        ({"audio_format": "pcm16", "channels": 2}, tone(800)),
        ({"audio_format": "f32le", "sample_rate": 16_000}, tone(800)),
    ],
)
@over_sockets
async def test_samples_of_any_rate_width_and_number_of_channels_become_those_that_nodes_know(
    scheduler: SchedulerProcess, pair: Pair, fields: dict[str, Any], samples: bytes
) -> None:
    async with talk(scheduler, pair, **fields) as (node, client):
        await client.speak(samples, 1_001)
        await client.result()
        assert seconds_of(node.jobs[0]) == pytest.approx(0.4, abs=0.01)


@over_sockets
async def test_words_come_while_a_phone_still_records(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    data = (AUDIO / "container.mp4").read_bytes()
    async with talk(scheduler, pair, endpointing="server") as (node, client):
        for piece in pieces(data, 1_000):
            await client.chunk(piece)
        job = await node.job()  # by its pause: no final was sent
        assert seconds_of(job) > 2.5


@over_sockets
async def test_streams_of_different_kinds_follow_each_other_in_order(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    webm, opus = (AUDIO / "container.webm").read_bytes(), b"".join(recorded_packets()[:50])
    async with talk(scheduler, pair) as (node, client):
        for data in (encoded("song.mp3"), webm, tone(300), encoded("disc.flac"), opus):
            await client.speak(data, 8_192)
        for index in range(5):
            await client.result(utterance_index=index)
        kinds = [(job["audio_format"], job["nth"]) for job in node.jobs]
        assert [kind for kind, _ in kinds] == ["pcm16", "opus", "pcm16", "pcm16", "opus"]
        assert audio_of(node.jobs[2]) == tone(300)
        assert audio_of(node.jobs[4]) == opus


@over_sockets
async def test_a_goodbye_right_behind_a_file_does_not_cut_it_short(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with talk(scheduler, pair) as (node, client):
        for piece in pieces(encoded("voice-memo.m4a"), 8_192):
            await client.chunk(piece)
        await client.say(client.own("session_close", reason="done"))
        await client.hear("session_close_ack")
        assert [seconds_of(job) for job in node.jobs] == [pytest.approx(3.0, abs=0.12)]


@over_sockets
async def test_a_whole_utterance_may_be_any_file(scheduler: SchedulerProcess, pair: Pair) -> None:
    async with talk(scheduler, pair) as (node, client):
        own = {"src_lang": pair[0], "tgt_lang": pair[1]}
        pcm, webm = tone(30_000, 48_000), (AUDIO / "container.webm").read_bytes()
        await client.utterance(0, encoded("song.mp3"), audio_format="opus", **own)
        await client.utterance(1, pcm, audio_format="pcm16", sample_rate=48_000, **own)
        await client.utterance(2, webm, audio_format="opus", **own)
        for index in range(3):
            await client.result(utterance_index=index)
        assert seconds_of(node.jobs[0]) == pytest.approx(3.0, abs=0.12)
        assert seconds_of(node.jobs[1]) == pytest.approx(30.0, abs=0.01)
        assert node.jobs[2]["audio_format"] == "opus"


@over_sockets
async def test_half_a_file_is_heard_as_far_as_it_goes(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    data = encoded("song.mp3")
    async with talk(scheduler, pair) as (node, client):
        await client.speak(data[: len(data) // 2], 8_192)
        await client.result()
        assert 1.0 < seconds_of(node.jobs[0]) < 2.0


@pytest.mark.parametrize("head", [b"fLaC", b"ID3\x04", b"\0\0\0\x18ftypM4A ", b"\x1aE\xdf\xa3"])
@over_sockets
async def test_what_only_looks_like_a_file_is_refused_once_and_the_session_lives_on(
    scheduler: SchedulerProcess, pair: Pair, head: bytes
) -> None:
    async with talk(scheduler, pair) as (node, client):
        await client.speak(head + tone(500), 1_000)
        assert (await client.error())["code"] == "UNSUPPORTED_AUDIO"
        await client.speak(tone(200))
        await client.result()
        assert [audio_of(job) for job in node.jobs] == [tone(200)]
        assert len(client.all_heard("error")) == 1


@over_sockets
async def test_a_codec_that_nobody_knows_costs_its_stream_and_no_process(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    data = (AUDIO / "container.mp4").read_bytes()
    async with talk(scheduler, pair) as (node, client):
        unknown = data.replace(b"mp4a", b"zzzz").replace(b"esds", b"free")
        await client.speak(unknown, 1_000)
        assert "codec" in (await client.error())["message"]
        await client.speak(data, 1_000)
        await client.result()
        assert seconds_of(node.jobs[0]) == pytest.approx(3.0, abs=0.12)


@over_sockets
async def test_who_finds_all_converters_in_use_hears_busy_and_others_are_not_delayed(
    one_process: SchedulerProcess, pair: Pair
) -> None:
    mp3, webm = encoded("song.mp3"), (AUDIO / "container.webm").read_bytes()
    url = one_process.session_url
    usual: dict[str, Any] = {"audio_format": "pcm16", "sample_rate": 48_000}
    async with (
        talk(one_process, pair) as (node, first),
        raw_client(url, *pair) as second,
        raw_client(url, *pair, **usual) as other,
    ):
        await first.chunk(mp3[:2_000])
        await first.fence()
        await second.speak(mp3, 8_192)
        refused = await second.error()
        assert (refused["code"], refused["message"][:5]) == ("UNSUPPORTED_AUDIO", "busy:")
        await second.speak(webm)
        await second.result()
        await other.speak(tone(200, 48_000))
        await other.result()
        assert [job["sample_rate"] for job in node.jobs] == [16_000, 48_000]
        await first.speak(mp3[2_000:], 8_192)
        await first.result()
        assert seconds_of(node.jobs[2]) == pytest.approx(3.0, abs=0.12)


@over_sockets
async def test_the_next_session_may_convert_as_soon_as_the_one_before_has_ended(
    one_process: SchedulerProcess, pair: Pair
) -> None:
    for _ in range(3):
        async with talk(one_process, pair) as (node, client):
            await client.speak(encoded("disc.flac"), 8_192)
            await client.result()
            assert seconds_of(node.jobs[0]) == pytest.approx(3.0, abs=0.12)


@over_sockets
async def test_an_hour_in_a_few_kilobytes_takes_neither_memory_nor_anybodys_time(
    scheduler_in_a_hurry: SchedulerProcess, pair: Pair
) -> None:
    """A FLAC of silence unpacks to three hundred times its size."""
    bomb, url = encoded("hour.flac"), scheduler_in_a_hurry.session_url
    async with talk(scheduler_in_a_hurry, pair) as (node, other), RawClient(url) as hostile:
        await hostile.init(*pair)
        await hostile.speak(bomb, 65_536)
        for index in range(5):
            await other.speak(tone(200))
            await other.result(seconds=2.0, utterance_index=index)
        await other.speak(encoded("song.mp3"))
        await other.result(seconds=4.0, utterance_index=5)
        assert len(node.jobs) == 6
        held = scheduler_in_a_hurry.metrics()["lingua_audio_bytes_held"]
        assert held < len(bomb) + 1_000_000


@over_sockets
async def test_a_process_ends_with_the_session_that_it_converts_for(
    scheduler_in_a_hurry: SchedulerProcess, pair: Pair
) -> None:
    before = children_of(scheduler_in_a_hurry)
    async with talk(scheduler_in_a_hurry, pair) as (_, client):
        await client.chunk(encoded("song.mp3")[:4_000])
        await client.fence()
        [child] = children_of(scheduler_in_a_hurry) - before
    for _ in range(100):
        if child not in children_of(scheduler_in_a_hurry):
            return
        await asyncio.sleep(0.02)
    pytest.fail("the process is still there")


@over_sockets
async def test_a_process_that_crashes_or_hangs_costs_its_session_one_stream(
    one_process: SchedulerProcess, pair: Pair
) -> None:
    mp3 = encoded("song.mp3")
    for signal_number in (signal.SIGSEGV, signal.SIGSTOP):
        before = children_of(one_process)
        async with talk(one_process, pair) as (node, client):
            await client.chunk(mp3[:8_000])
            await client.fence()
            [child] = children_of(one_process) - before
            await asyncio.sleep(0.3)
            os.kill(child, signal_number)
            for piece in pieces(mp3[8_000:], 8_192):
                await client.chunk(piece)
            await client.final()
            assert (await client.error())["code"] == "UNSUPPORTED_AUDIO"
            await client.result()  # what was converted before
            await client.speak(mp3, 8_192)
            await client.result()
            assert seconds_of(node.jobs[-1]) == pytest.approx(3.0, abs=0.12)
            assert len(client.all_heard("error")) == 1


def children_of(scheduler: SchedulerProcess) -> set[int]:
    tasks = Path(f"/proc/{scheduler.process.pid}/task").iterdir()
    return {int(pid) for task in tasks for pid in (task / "children").read_text().split()}


def wav_of(samples: bytes, rate_hz: int, channels: int) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(samples)
    return out.getvalue()


@over_sockets
async def test_a_stereo_wav_loses_its_header_and_one_channel(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with talk(scheduler, pair) as (node, client):
        await client.speak(wav_of(tone(600), 16_000, 2), 999)
        await client.result()
        assert seconds_of(node.jobs[0]) == pytest.approx(0.3, abs=0.01)


def test_what_is_packed_again_is_what_was_unpacked() -> None:
    packets = [packet[2:] for packet in recorded_packets()[:10]]
    assert split_packets(join_packets(packets)) == packets
