"""How a session begins: the ack, and audio in every shape that clients send it in."""

import asyncio
import hashlib
import time
from typing import Any

import pytest

from tests.support.peers.raw_client import (
    RawClient,
    b64,
    raw_client,
    recorded_chunks,
    recorded_packets,
    session_init,
    tone,
)
from tests.support.peers.raw_node import Ability, RawNode, audio_of, raw_node
from tests.support.peers.raw_wire import Message, Pair, over_sockets
from tests.support.processes.scheduler_process import SchedulerProcess

# ---- the ack ------------------------------------------------------------------------------------


@over_sockets
async def test_the_ack_is_the_first_frame_and_has_every_field(
    scheduler: SchedulerProcess,
) -> None:
    async with RawClient(scheduler.session_url) as client:
        trace = "7ad2a4a1-0000-4000-8000-000000000001"
        ack = await client.init("zh", "en", trace_id=trace)
        assert client.heard[0] == ack
        session_id = ack.pop("session_id")
        assert session_id.startswith("s-")
        assert len(session_id) >= 2 + 22  # 128 bits need 22 characters of base64, 32 of hex
        ack.pop("assigned_node_id", None)
        assert ack.pop("unserved") == [{"src_lang": "zh", "tgt_lang": "en", "what": "translation"}]
        assert ack == {
            "type": "session_init_ack",
            "message": "session created",
            "session_ref": hashlib.sha256(client.session_id.encode()).hexdigest()[:16],
            "trace_id": trace,
            "protocol_version": "1.0",
            "use_binary_frame": False,
            "negotiated_codec": "opus",
            "negotiated_audio_format": "opus",
            "negotiated_sample_rate": 16000,
            "negotiated_channel_count": 1,
            "endpointing": "client",
        }
        await client.end()


@over_sockets
async def test_a_session_without_a_trace_id_gets_one(scheduler: SchedulerProcess) -> None:
    """As the mobile client begins: no trace id, all features false."""
    init = {
        "type": "session_init",
        "client_version": "1.0.0",
        "platform": "ios",
        "src_lang": "auto",
        "tgt_lang": "en",
        "features": {
            "emotion_detection": False,
            "voice_style_detection": False,
            "speech_rate_detection": False,
            "speech_rate_control": False,
            "speaker_identification": False,
            "persona_adaptation": False,
        },
    }
    async with RawClient(scheduler.session_url) as client:
        await client.say(init)
        assert (await client.hear("session_init_ack"))["trace_id"]


@over_sockets
async def test_session_ids_are_never_the_same(scheduler: SchedulerProcess) -> None:
    async with RawClient(scheduler.session_url) as client:
        ids = {(await client.init("en", "es"))["session_id"] for _ in range(20)}
        assert len(ids) == 20
        await client.end()


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"use_binary_frame": True}, {"use_binary_frame": True}),
        ({"use_binary_frame": False}, {"use_binary_frame": False}),
        ({"use_binary_frame": None}, {"use_binary_frame": False}),
        ({"audio_format": "pcm16"}, {"negotiated_codec": "pcm16"}),
        ({"audio_format": "pcm16"}, {"negotiated_audio_format": "pcm16"}),
        ({"audio_format": "opus"}, {"negotiated_codec": "opus"}),
        ({"audio_format": "pcm16", "sample_rate": 8000}, {"negotiated_sample_rate": 8000}),
        ({"a_field_of_the_future": {"x": 1}}, {"use_binary_frame": False}),
    ],
)
@over_sockets
async def test_the_ack_says_what_was_asked_for(
    scheduler: SchedulerProcess, asked: dict[str, Any], told: dict[str, Any]
) -> None:
    async with RawClient(scheduler.session_url) as client:
        ack = await client.init("en", "es", **asked)
        assert {name: ack[name] for name in told} == told
        await client.end()


@over_sockets
async def test_errors_never_come_before_the_ack_of_what_was_sent_before_them(
    scheduler: SchedulerProcess,
) -> None:
    """The gateway takes the first frame for the ack; everything here goes out at once."""
    async with RawClient(scheduler.session_url) as client:
        await client.say(session_init("en", "es"))
        await client.say_raw("{nonsense")
        await client.say({"type": "client_heartbeat", "session_id": "s-else", "timestamp": 1})
        await client.hear("error", code="INVALID_MESSAGE")
        await client.hear("error", code="INVALID_SESSION")
        assert client.heard[0]["type"] == "session_init_ack"


# ---- audio reaches the node as it was -----------------------------------------------------------


async def spoken(client: RawClient, node: RawNode, chunks: list[bytes], *, binary: bool) -> bytes:
    """Send the chunks and the final; return what the node got, and let it answer."""
    for chunk in chunks:
        await (client.binary_chunk(chunk) if binary else client.chunk(chunk))
    await (client.binary_final() if binary else client.final())
    job = await node.job()
    assert job["is_manual_cut"] is True
    assert job["padding_ms"] == 280
    await node.answer(job)
    await client.result()
    return audio_of(job)


@pytest.mark.parametrize("binary", [False, True], ids=["json", "binary"])
@pytest.mark.parametrize("recording", ["librivox-0870", "librivox-0880", "librivox-0930"])
@over_sockets
async def test_recorded_opus_reaches_the_node_byte_for_byte(
    scheduler: SchedulerProcess, pair: Pair, recording: str, *, binary: bool
) -> None:
    chunks = recorded_chunks(recording)
    async with (
        raw_node(scheduler.node_url, Ability.of(pair)) as node,
        raw_client(scheduler.session_url, *pair, use_binary_frame=binary) as client,
    ):
        assert await spoken(client, node, chunks, binary=binary) == b"".join(chunks)
        job = node.jobs[0]
        assert (job["audio_format"], job["sample_rate"]) == ("opus", 16000)
        assert (job["src_lang"], job["tgt_lang"]) == pair
        assert job["pipeline"]["use_asr"] is job["pipeline"]["use_nmt"] is True
        assert job["pipeline"]["use_tts"] is True
        assert (job["speaker_key"], job["utterance_index"]) == (client.known_as, 0)


@pytest.mark.parametrize("binary", [False, True], ids=["json", "binary"])
@pytest.mark.parametrize("declared", [{}, {"audio_format": "pcm16", "sample_rate": 16000}])
@over_sockets
async def test_pcm_reaches_the_node_byte_for_byte(
    scheduler: SchedulerProcess, pair: Pair, declared: dict[str, Any], *, binary: bool
) -> None:
    audio = tone(1500)
    chunks = [audio[start : start + 6400] for start in range(0, len(audio), 6400)]
    async with (
        raw_node(scheduler.node_url, Ability.of(pair)) as node,
        raw_client(scheduler.session_url, *pair, **declared) as client,
    ):
        assert await spoken(client, node, chunks, binary=binary) == audio
        assert (node.jobs[0]["audio_format"], node.jobs[0]["sample_rate"]) == ("pcm16", 16000)


@over_sockets
async def test_binary_frames_are_taken_from_a_client_that_did_not_ask_for_them(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with (
        raw_node(scheduler.node_url, Ability.of(pair)) as node,
        raw_client(scheduler.session_url, *pair) as client,
    ):
        await client.binary_chunk(tone(300), final=True)
        job = await node.job()
        assert audio_of(job) == tone(300)
        await node.answer(job)
        await client.result()


@over_sockets
async def test_pcm_at_another_rate_lasts_as_long_at_the_node(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with (
        raw_node(scheduler.node_url, Ability.of(pair)) as node,
        raw_client(scheduler.session_url, *pair, audio_format="pcm16", sample_rate=8000) as client,
    ):
        await client.speak(tone(1200, 8000))
        job = await node.job()
        assert job["audio_format"] == "pcm16"
        assert abs(len(audio_of(job)) / 2 / job["sample_rate"] - 1.2) < 0.05
        await node.answer(job)
        await client.result()


@over_sockets
async def test_a_final_with_audio_belongs_to_the_utterance_it_ends(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with (
        raw_node(scheduler.node_url, Ability.of(pair)) as node,
        raw_client(scheduler.session_url, *pair) as client,
    ):
        await client.chunk(tone(200))
        await client.chunk(tone(100), final=True)
        job = await node.job()
        assert audio_of(job) == tone(200) + tone(100)
        await node.answer(job)
        await client.result()


@over_sockets
async def test_null_and_missing_payloads_are_no_audio(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with (
        raw_node(scheduler.node_url, Ability.of(pair)) as node,
        raw_client(scheduler.session_url, *pair) as client,
    ):
        await client.chunk(tone(500))
        await client.say(client.own("audio_chunk", seq=1, is_final=False, payload=None))
        await client.say(client.own("audio_chunk", seq=2, is_final=True))
        job = await node.job()
        assert audio_of(job) == tone(500)
        await node.answer(job)
        await client.result()


@over_sockets
async def test_what_the_node_says_reaches_the_client_as_it_is(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with (
        raw_node(scheduler.node_url, Ability.of(pair)) as node,
        raw_client(scheduler.session_url, *pair) as client,
    ):
        # in one message: a machine that stands still between two makes a pause of it, and the
        # utterance that ends there has no time of its own
        said: Message = {"seq": 0, "is_final": True, "payload": b64(tone(500))}
        said_at_ms = int(time.time() * 1000) - 500
        await client.say(client.own("audio_chunk", client_timestamp_ms=said_at_ms, **said))
        job = await node.job()
        extra = {"emotion": "calm", "nested": {"a": [1, 2.5, None, "Grüße 你好"]}}
        quality = {
            "asr_quality_level": "good",
            "reason_codes": ["x"],
            "quality_score": 0.75,
            "rerun_count": 1,
            "segments_meta": {"count": 2, "max_gap": 0.5, "avg_duration": 1.25},
        }
        timings = {"asr_ms": 10, "nmt_ms": 20.5, "tts_ms": 30, "total_ms": 60.5}
        speech = "AAEC" * 3000
        await node.answer(
            job,
            "你好, \u2028 \U0001f600",
            tts_audio=speech,
            extra={**extra, "service_timings": timings},
            **quality,
        )
        result = await client.result()
        assert result["text_asr"] == "你好, \u2028 \U0001f600"
        assert result["tts_audio"] == speech
        assert result["tts_format"] == "opus"
        assert result["service_timings"] == timings
        assert {name: result["extra"][name] for name in extra} == extra
        assert {name: result[name] for name in quality} == quality
        assert result["network_timings"]["web_to_scheduler_ms"] > 0
        assert result["job_id"] == job["job_id"]
        assert result["trace_id"] == client.ack["trace_id"] == job["trace_id"]


@over_sockets
async def test_progress_is_shown_in_order(scheduler: SchedulerProcess, pair: Pair) -> None:
    async with (
        raw_node(scheduler.node_url, Ability.of(pair)) as node,
        raw_client(scheduler.session_url, *pair) as client,
    ):
        await client.speak(tone(500))
        job = await node.job()
        notice = {name: job[name] for name in ("job_id", "attempt_id", "session_id", "trace_id")}
        await node.say({"type": "job_ack", "node_id": node.node_id, **notice})
        await client.hear("ui_event", event="NODE_ACCEPTED")
        await node.say({"type": "job_started", "node_id": node.node_id, **notice})
        await node.say(
            {
                "type": "asr_partial",
                "node_id": node.node_id,
                "session_id": job["session_id"],
                "utterance_index": job["utterance_index"],
                "job_id": job["job_id"],
                "text": "hel",
                "is_final": False,
                "trace_id": job["trace_id"],
            }
        )
        partial = await client.hear("asr_partial")
        assert (partial["text"], partial["is_final"]) == ("hel", False)
        assert partial["utterance_index"] == 0
        await node.answer(job)
        await client.result()
        shown = [message["event"] for message in client.all_heard("ui_event")]
        assert shown == [
            "DISPATCHED",
            "NODE_ACCEPTED",
            "ASR_PARTIAL",
            "ASR_FINAL",
            "NMT_DONE",
        ]
        timeline = await asyncio.to_thread(scheduler.get, f"/api/v1/jobs/{job['job_id']}")
        assert timeline.json["state"] == "done"
        assert len(timeline.json["timeline"]) >= 4


@over_sockets
async def test_text_without_speech_and_speech_format_default(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    """A node whose speech failed says success, with text alone."""
    async with (
        raw_node(scheduler.node_url, Ability.of(pair)) as node,
        raw_client(scheduler.session_url, *pair) as client,
    ):
        await client.speak(tone(500))
        job = await node.job()
        result = node.result(job, tts_audio="")
        del result["tts_format"]
        await node.say(result)
        heard = await client.result()
        assert (heard["tts_audio"], heard["tts_format"]) == ("", "pcm16")


@over_sockets
async def test_recorded_opus_is_as_long_as_its_packets_say(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    """The seconds of a session count 20 ms per packet, however small the packets are."""
    assert len(recorded_packets("librivox-0880")) == 151
    async with (
        raw_node(scheduler.node_url, Ability.of(pair)) as node,
        raw_client(scheduler.session_url, *pair) as client,
    ):
        packets = recorded_packets("librivox-0870")
        assert len(packets) * 20 < 10_000
        again = packets + packets[: 500 - len(packets)]  # exactly 10 s
        for start in range(0, 499, 20):
            await client.chunk(b"".join(again[start : min(start + 20, 499)]))
        await client.fence()
        assert not node.jobs
        await client.chunk(again[499])
        job = await node.job()
        assert job["is_max_duration_triggered"] is True
        assert audio_of(job) == b"".join(again)
        await node.answer(job)
        await client.result()
