"""What recorders, files and byte pipes send: it reaches a node as it should be, or not at all."""

import io
import wave

import pytest

from tests.support.peers.raw_client import pieces, raw_client, recorded_packets, tone
from tests.support.peers.raw_node import Ability, audio_of, raw_node
from tests.support.peers.raw_wire import Pair, over_sockets
from tests.support.processes.scheduler_process import SchedulerProcess


def wav(samples: bytes, rate_hz: int) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(samples)
    return out.getvalue()


@pytest.mark.parametrize("size", [7, 3_999, 8_000])
@pytest.mark.parametrize("rate_hz", [16_000, 44_100])
@over_sockets
async def test_the_header_of_a_wav_is_no_noise_at_a_node(
    scheduler_without_media: SchedulerProcess, pair: Pair, size: int, rate_hz: int
) -> None:
    ability = Ability(asr=(pair[0],), semantic=(pair[1],))
    samples = tone(100, rate_hz)
    async with (
        raw_node(scheduler_without_media.node_url, ability, answering=True) as node,
        raw_client(scheduler_without_media.session_url, *pair) as client,
    ):
        await client.speak(wav(samples, rate_hz), size)
        await client.result()
        [job] = node.jobs
        assert audio_of(job) == samples
        assert (job["audio_format"], job["sample_rate"]) == ("pcm16", rate_hz)
        assert not client.all_heard("error")


@pytest.mark.parametrize("declared", [{}, {"audio_format": "pcm16"}])
@pytest.mark.parametrize("size", [1_001, 4_095])
@over_sockets
async def test_a_byte_pipe_may_cut_samples_anywhere(
    scheduler: SchedulerProcess, pair: Pair, size: int, declared: dict[str, str]
) -> None:
    ability = Ability(asr=(pair[0],), semantic=(pair[1],))
    async with (
        raw_node(scheduler.node_url, ability, answering=True) as node,
        raw_client(scheduler.session_url, *pair, **declared) as client,
    ):
        await client.speak(tone(750), size)
        await client.result()
        assert audio_of(node.jobs[0]) == tone(750)
        assert not client.all_heard("error")


@over_sockets
async def test_one_broken_packet_costs_none_of_its_neighbours(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    ability = Ability(asr=(pair[0],), semantic=(pair[1],))
    packets = recorded_packets()[:39]
    broken = [*packets[:20], b"\x01\x00\x03", b"\x00\x00", *packets[20:]]
    async with (
        raw_node(scheduler.node_url, ability, answering=True) as node,
        raw_client(scheduler.session_url, *pair) as client,
    ):
        for piece in [broken[at : at + 13] for at in range(0, len(broken), 13)]:
            await client.chunk(b"".join(piece))
        await client.final()
        await client.result()
        assert audio_of(node.jobs[0]) == b"".join(packets)
        assert not client.all_heard("error")


@pytest.mark.parametrize(
    ("name", "head"),
    [
        ("webm", b"\x1a\x45\xdf\xa3"),
        ("mp4", b"\x00\x00\x00\x18ftypM4A "),
        ("ogg", b"OggS\x00\x02"),
        ("flac", b"fLaC\x00\x00"),
        ("mp3", b"ID3\x04\x00"),
    ],
)
@over_sockets
async def test_what_nobody_can_read_is_told_and_makes_no_job(
    scheduler_without_media: SchedulerProcess, pair: Pair, name: str, head: bytes
) -> None:
    ability = Ability(asr=(pair[0],), semantic=(pair[1],))
    async with (
        raw_node(scheduler_without_media.node_url, ability, answering=True) as node,
        raw_client(scheduler_without_media.session_url, *pair) as client,
    ):
        for piece in pieces(head + tone(500), 250):
            await client.chunk(piece)
        await client.final()
        refused = await client.error()
        assert refused["code"] == "UNSUPPORTED_AUDIO"
        assert name in refused["message"]
        await client.speak(tone(200))  # in one piece, which may still join the final before it
        await client.result(utterance_index=0)
        assert [audio_of(job) for job in node.jobs] == [tone(200)]
        assert len(client.all_heard("error")) == 1


@over_sockets
async def test_a_telephone_line_hears_that_its_format_is_not_read(
    scheduler_without_media: SchedulerProcess, pair: Pair
) -> None:
    async with raw_client(
        scheduler_without_media.session_url, *pair, audio_format="mulaw", sample_rate=8_000
    ) as client:
        await client.chunk(b"\xff\x7f" * 400)
        refused = await client.error()
        assert refused["code"] == "UNSUPPORTED_AUDIO"
