"""What a node does with jobs, seen on the wire; engines are canned."""

import base64
from dataclasses import replace
from typing import Any

import pytest

from peers.engines.engine import EngineError, Engines, ModelMissingError
from protocol.audio.framing import AudioFormat, is_opus_framed
from protocol.messages.node_inbound import (
    JobAck,
    JobResult,
    JobStarted,
    NodeAsrPartial,
    NodeHeartbeat,
)
from protocol.messages.node_outbound import JobCancel
from protocol.messages.shared import Pipeline
from tests.peers.support.canned_engines import CannedRecogniser, canned_engines
from tests.peers.support.node_under_test import PCM, job, registered, with_node
from tests.support.peers.scripted_server import ScriptedPeer


def test_a_job_is_acknowledged_started_and_answered_with_everything() -> None:
    recogniser = CannedRecogniser()

    async def script(peer: ScriptedPeer) -> None:
        await registered(peer)
        await peer.say(job(padding_ms=20, is_manual_cut=True, turn_id="turn-1"))
        ack = await peer.hear(JobAck)
        started = await peer.hear(JobStarted)
        result = await peer.hear(JobResult)
        assert (ack.job_id, ack.attempt_id, ack.node_id) == ("job-1", 1, "node-1")
        assert started.job_id == "job-1"
        assert result.success
        assert result.text_asr == "good morning"
        assert result.text_translated == "[en>es] good morning"
        assert (result.session_id, result.utterance_index) == ("s-1", 0)
        assert (result.attempt_id, result.node_id, result.trace_id) == (1, "node-1", "trace-1")
        timings = result.service_timings()
        assert None not in (timings.asr_ms, timings.nmt_ms, timings.tts_ms, timings.total_ms)
        assert result.processing_time_ms is not None
        assert result.node_completed_at_ms is not None
        pcm, language, listening = recogniser.heard[0]
        assert pcm == PCM + bytes(640)
        assert (language, listening.speaker_key) == ("en", "s-1")

    with_node(script, canned_engines(recogniser), speech_format=AudioFormat.PCM16)


def test_speech_goes_out_as_pcm16_of_16_khz_or_as_framed_opus() -> None:
    async def script_pcm(peer: ScriptedPeer) -> None:
        await registered(peer)
        await peer.say(job())
        result = await peer.hear(JobResult)
        assert result.tts_format == "pcm16"
        assert len(base64.b64decode(result.tts_audio)) == 3200

    async def script_opus(peer: ScriptedPeer) -> None:
        await registered(peer)
        await peer.say(job())
        result = await peer.hear(JobResult)
        assert result.tts_format == "opus"
        assert is_opus_framed(base64.b64decode(result.tts_audio))

    with_node(script_pcm, speech_format=AudioFormat.PCM16)
    with_node(script_opus, speech_format=AudioFormat.OPUS)


def test_stages_that_the_pipeline_leaves_out_are_not_run() -> None:
    async def script(peer: ScriptedPeer) -> None:
        await registered(peer)
        await peer.say(job(pipeline=Pipeline(use_asr=True, use_nmt=False, use_tts=False)))
        result = await peer.hear(JobResult)
        assert result.text_asr == "good morning"
        assert (result.text_translated, result.tts_audio) == ("", "")
        assert result.service_timings().nmt_ms is None

    with_node(script)


def test_partial_texts_are_told_only_where_they_are_wanted() -> None:
    async def script(peer: ScriptedPeer) -> None:
        await registered(peer)
        await peer.say(job())
        await peer.hear(JobResult)
        assert not peer.of(NodeAsrPartial)
        await peer.say(job(job_id="job-2", enable_streaming_asr=True))
        await peer.hear(JobResult)
        assert [partial.text for partial in peer.of(NodeAsrPartial)] == ["good m", "good morning"]
        await peer.say(
            job(job_id="job-3", enable_streaming_asr=True, partial_update_interval_ms=60_000)
        )
        await peer.hear(JobResult)
        assert len(peer.of(NodeAsrPartial)) == 3

    with_node(script)


def test_silence_is_a_success_without_words() -> None:
    async def script(peer: ScriptedPeer) -> None:
        await registered(peer)
        await peer.say(job())
        result = await peer.hear(JobResult)
        assert result.success
        assert result.is_empty
        assert result.extra is not None
        assert result.extra["reason"] == "ASR_EMPTY"
        assert result.tts_audio == ""

    with_node(script, canned_engines(CannedRecogniser("  ")))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"audio": ""}, "no audio"),
        (
            {"audio": base64.b64encode(b"\x03\x00\xff\xff\xff").decode(), "audio_format": "opus"},
            "Opus decoding failed",
        ),
    ],
)
def test_audio_that_cannot_be_used_ends_the_job_with_an_error(
    changes: dict[str, object], message: str
) -> None:
    changes = changes | (
        {"audio_format": AudioFormat.OPUS} if changes.get("audio_format") == "opus" else {}
    )

    async def script(peer: ScriptedPeer) -> None:
        await registered(peer)
        await peer.say(job(**changes))
        result = await peer.hear(JobResult)
        assert not result.success
        assert result.error is not None
        assert result.error.code == "PROCESSING_ERROR"
        assert message in result.error.message

    with_node(script)


def test_a_missing_model_is_named_so_that_the_job_can_move() -> None:
    def translate(text: str, source: str, target: str) -> str:
        raise ModelMissingError(f"nothing from {source} to {target}")

    engines = canned_engines()
    engines = Engines(
        engines.recognise, translate, engines.speak, engines.languages, {"nmt": "dictionary 7"}
    )

    async def script(peer: ScriptedPeer) -> None:
        await registered(peer)
        await peer.say(job())
        error = (await peer.hear(JobResult)).error
        assert error is not None
        assert error.code == "MODEL_NOT_AVAILABLE"
        assert error.details == {
            "service_id": "dictionary",
            "service_version": "7",
            "reason": "nothing from en to es",
        }

    with_node(script, engines)


def test_a_translation_or_a_voice_that_fails_costs_only_itself() -> None:
    def fails(*_: str) -> str:
        raise EngineError("down")

    def no_speech(text: str, language: str) -> tuple[bytes, int]:
        raise EngineError("down")

    canned = canned_engines()

    async def without_translation(peer: ScriptedPeer) -> None:
        await registered(peer)
        await peer.say(job())
        result = await peer.hear(JobResult)
        assert result.success
        assert (result.text_asr, result.text_translated) == ("good morning", "")
        assert result.reason_codes == ("NMT_FAILED",)

    async def without_voice(peer: ScriptedPeer) -> None:
        await registered(peer)
        await peer.say(job())
        result = await peer.hear(JobResult)
        assert (result.text_translated, result.tts_audio) == ("[en>es] good morning", "")
        assert result.reason_codes == ("TTS_FAILED",)

    with_node(without_translation, Engines(canned.recognise, fails, canned.speak, canned.languages))
    with_node(
        without_voice, Engines(canned.recognise, canned.translate, no_speech, canned.languages)
    )


def test_an_engine_with_a_bug_ends_its_job_and_not_the_node() -> None:
    answers = iter(["", "fine"])

    def recognise(pcm: bytes, language: str) -> str:
        return next(answers) or str(1 // 0)

    canned = canned_engines()

    async def script(peer: ScriptedPeer) -> None:
        await registered(peer)
        await peer.say(job())
        first = await peer.hear(JobResult)
        assert first.error is not None
        assert "ZeroDivisionError" in first.error.message
        await peer.say(job(job_id="job-2"))
        assert (await peer.hear(JobResult)).text_asr == "fine"

    with_node(script, Engines(recognise, canned.translate, canned.speak, canned.languages))


def test_a_cancelled_job_is_given_up_and_frees_its_place() -> None:
    recogniser = CannedRecogniser()
    recogniser.may_answer.clear()

    async def script(peer: ScriptedPeer) -> None:
        await registered(peer)
        await peer.say(job())
        await peer.hear(JobStarted)
        await peer.say(JobCancel(job_id="job-1", reason="job_timeout"), JobCancel(job_id="none"))
        await peer.say(job(job_id="job-2", utterance_index=1))
        await peer.hear(JobStarted)
        recogniser.may_answer.set()
        result = await peer.hear(JobResult)
        assert result.job_id == "job-2"
        assert recogniser.cancelled == 1

    with_node(script, canned_engines(recogniser), max_jobs=1)


def test_no_more_jobs_run_than_the_node_has_places() -> None:
    recogniser = CannedRecogniser()
    recogniser.may_answer.clear()

    async def script(peer: ScriptedPeer) -> None:
        await registered(peer)
        await peer.say(*(job(job_id=f"job-{i}", utterance_index=i) for i in range(3)))
        for _ in range(2):
            await peer.hear(JobStarted)
        heartbeat = await peer.hear(NodeHeartbeat)
        while not (heartbeat.resource_usage and heartbeat.resource_usage.gpu_queue_length):
            heartbeat = await peer.hear(NodeHeartbeat)
        assert heartbeat.resource_usage.running_jobs == 2
        assert heartbeat.resource_usage.gpu_queue_length == 1
        assert len(peer.of(JobStarted)) == 2
        recogniser.may_answer.set()
        results = [(await peer.hear(JobResult)).job_id for _ in range(3)]
        assert sorted(results) == ["job-0", "job-1", "job-2"]

    with_node(script, canned_engines(recogniser), max_jobs=2, heartbeat_ms=10)


def test_a_job_id_that_comes_twice_is_refused() -> None:
    async def script(peer: ScriptedPeer) -> None:
        await registered(peer)
        await peer.say(job(), job())
        results = [await peer.hear(JobResult), await peer.hear(JobResult)]
        refused = [result for result in results if not result.success]
        assert len(refused) == 1
        assert refused[0].error is not None
        assert refused[0].error.message.startswith("DUPLICATE_JOB_ID")

    with_node(script)


def test_a_fault_in_an_engine_is_one_line_without_what_was_spoken(
    log_records: list[dict[str, Any]],
) -> None:
    def raise_with_the_text(text: str, source: str, target: str) -> str:
        raise KeyError(text)

    def refuse_with_the_text(text: str, language: str) -> tuple[bytes, int]:
        raise EngineError(f"no voice for {text!r}")

    async def failing(peer: ScriptedPeer) -> None:
        await registered(peer)
        await peer.say(job())
        result = await peer.hear(JobResult)
        assert not result.success
        assert result.error is not None
        assert result.error.message == "KeyError in an engine"

    async def mute(peer: ScriptedPeer) -> None:
        await registered(peer)
        await peer.say(job())
        assert (await peer.hear(JobResult)).success

    engines = canned_engines()
    with_node(failing, replace(engines, translate=raise_with_the_text))
    with_node(mute, replace(engines, speak=refuse_with_the_text))
    faults = [one for one in log_records if one["level"].name in {"ERROR", "WARNING"}]
    assert [one["message"] for one in faults[:1]] == ["an engine failed"]
    assert faults[0]["extra"]["cause"].startswith("KeyError at test_jobs.py:")
    assert "no speech" in [one["message"] for one in faults]
    for record in log_records:
        assert record["exception"] is None
        assert "good morning" not in f"{record['message']} {record['extra']}"
