"""What every message of the server has to look like, written down by hand.

It stands beside the project's own models on purpose and uses none of them: a field that a model
renames, drops or turns into another type shows here. Fields that existing peers read are named
with their types; `EXTENSIONS` are the ones they do not know.
"""

import base64
import re
from datetime import datetime
from types import NoneType
from typing import Any

Shape = dict[str, type | tuple[type, ...]]

NUMBER = (int, float)

REQUIRED: dict[str, Shape] = {
    "session_init_ack": {
        "session_id": str,
        "message": str,
        "trace_id": str,
        "protocol_version": str,
        "use_binary_frame": bool,
        "negotiated_codec": str,
        "negotiated_audio_format": str,
        "negotiated_sample_rate": int,
        "negotiated_channel_count": int,
    },
    "asr_partial": {
        "session_id": str,
        "utterance_index": int,
        "job_id": str,
        "text": str,
        "is_final": bool,
        "trace_id": str,
    },
    "translation_result": {
        "session_id": str,
        "utterance_index": int,
        "job_id": str,
        "text_asr": str,
        "text_translated": str,
        "tts_audio": str,
        "tts_format": str,
        "trace_id": str,
        "group_id": str,
        "part_index": int,
        "service_timings": dict,
        "network_timings": dict,
        "scheduler_sent_at_ms": int,
        "tgt_lang": str,
        "speech_start_ms": int,
        "speech_end_ms": int,
        "delivery_seq": int,
    },
    "missing_result": {
        "session_id": str,
        "utterance_index": int,
        "reason": str,
        "created_at_ms": int,
        "delivery_seq": int,
    },
    "ui_event": {
        "trace_id": str,
        "session_id": str,
        "job_id": str,
        "utterance_index": int,
        "event": str,
        "status": str,
    },
    "error": {"code": str, "message": str},
    "backpressure": {"action": str},
    "server_heartbeat": {"session_id": str, "timestamp": int},
    "session_close_ack": {"session_id": str},
    "audio_ack": {"session_id": str, "next_seq": int},
    "session_updated": {
        "session_id": str,
        "src_lang": str,
        "tgt_lang": str,
        "tgt_langs": list,
        "pipeline": dict,
        "hints": list,
        "unserved": list,
    },
    "room_create_ack": {"room_code": str, "room_id": str},
    "room_members": {"room_code": str, "members": list},
    "room_error": {"code": str, "message": str},
    "room_expired": {"room_code": str, "message": str},
    "webrtc_offer": {"room_code": str, "to": str, "sdp": dict},
    "webrtc_answer": {"room_code": str, "to": str, "sdp": dict},
    "webrtc_ice": {"room_code": str, "to": str, "candidate": dict},
    "reconnect": {"after_ms": int, "reason": str},
    "node_register_ack": {"node_id": str, "message": str, "status": str},
    "job_assign": {
        "job_id": str,
        "attempt_id": int,
        "session_id": str,
        "utterance_index": int,
        "src_lang": str,
        "tgt_lang": str,
        "pipeline": dict,
        "audio": str,
        "audio_format": str,
        "sample_rate": int,
        "trace_id": str,
        "turn_id": str,
        "padding_ms": int,
        "enable_streaming_asr": bool,
        "partial_update_interval_ms": int,
    },
    "job_cancel": {"job_id": str},
    "job_end": {
        "job_id": str,
        "attempt_id": int,
        "frames": int,
        "duration_ms": int,
        "padding_ms": int,
        "cut_reason": str,
    },
    "node_control": {"command": str},
}
"""Message type → the fields it always has."""

OPTIONAL: dict[str, Shape] = {
    "session_init_ack": {"assigned_node_id": str},
    "translation_result": {
        "extra": dict,
        "asr_quality_level": str,
        "reason_codes": list,
        "quality_score": NUMBER,
        "rerun_count": int,
        "segments_meta": dict,
    },
    "missing_result": {"trace_id": str},
    "ui_event": {"elapsed_ms": int, "error_code": str, "hint": str},
    "error": {"details": dict, "trace_id": str},
    "backpressure": {"resume_after_ms": int, "message": str},
    "node_register_ack": {"error": dict},
    "job_assign": {
        "dialect": str,
        "features": dict,
        "mode": str,
        "lang_a": str,
        "lang_b": str,
        "auto_langs": list,
        "group_id": str,
        "part_index": int,
        "context_text": str,
        "is_manual_cut": bool,
        "is_max_duration_triggered": bool,
    },
    "job_cancel": {"trace_id": str, "reason": str},
    "job_end": {"is_manual_cut": bool},
    "node_control": {"reason": str},
}
"""Message type → the fields it may have."""

EXTENSIONS: dict[str, Shape] = {
    "asr_partial": {
        "text_translated": str,
        "stable_chars": int,
        "speaker_session_id": str,
        "speaker_utterance_index": int,
    },
    "session_init_ack": {
        "session_ref": str,
        "endpointing": str,
        "unserved": list,
        "resume_token": str,
        "resumed": bool,
        "next_seq": int,
    },
    "translation_result": {
        "late": bool,
        "tts_lost": bool,
        "truncated": bool,
        "speaker_session_id": str,
        "speaker_utterance_index": int,
    },
    "missing_result": {
        "tgt_lang": str,
        "speech_start_ms": int,
        "speech_end_ms": int,
        "late": bool,
        "speaker_session_id": str,
        "speaker_utterance_index": int,
    },
    "room_create_ack": {"tts_format": str},
    "session_updated": {"preferred_lang": str, "voice": str},
    "job_assign": {
        "streaming": bool,
        "hints": list,
        "voice_id": str,
        "traceparent": str,
        "speaker_key": str,
        "cut_reason": str,
    },
    "ui_event": {"wait_ms_estimate": (int, NoneType), "reason": str},
}
"""Message type → what existing peers do not know and ignore."""

EVENTS = {"QUEUED", "DISPATCHED", "NODE_ACCEPTED", "ASR_PARTIAL", "ASR_FINAL", "NMT_DONE", "ERROR"}
REASONS = {
    "silence_detected",
    "merged",
    "no_available_node",
    "queue_full",
    "job_timeout",
    "node_lost",
    "instance_lost",
    "model_not_available",
    "processing_error",
    "session_closed",
    "cancelled",
    "store_unavailable",
}
NO_FAILURES = ("silence_detected", "merged")
"""What a gateway hears as a result without words."""
ROOM_ERRORS = {
    "ROOM_NOT_FOUND",
    "ALREADY_IN_ROOM",
    "INVALID_ROOM_CODE",
    "ROOM_FULL",
    "RATE_LIMITED",
    "INVALID_SESSION",
    "SCHEDULER_DEPENDENCY_DOWN",
}
FLAGS = ("is_manual_cut", "is_max_duration_triggered")
PIPELINE = ("use_asr", "use_nmt", "use_tts")


def check_message(message: dict[str, Any]) -> None:
    """Fail if the message is not what the server may say."""
    kind = message.get("type")
    assert isinstance(kind, str), f"a message without a type: {message}"
    assert kind in REQUIRED, f"the server has no message {kind}: {message}"
    required, known = REQUIRED[kind], {**OPTIONAL.get(kind, {}), **EXTENSIONS.get(kind, {})}
    if kind == "node_register_ack" and message.get("status") == "refused":
        required = {name: shape for name, shape in required.items() if name != "node_id"}
    missing = [name for name in required if name not in message]
    assert not missing, f"{kind} lacks {missing}: {_short(message)}"
    for name, value in message.items():
        if name == "type":
            continue
        shape = required.get(name) or known.get(name)
        assert shape is not None, f"{kind} has an unknown field {name}: {_short(message)}"
        assert _fits(value, shape), f"{kind}.{name} is {value!r}"
    _check_values(kind, message)


def _check_values(kind: str, message: dict[str, Any]) -> None:
    match kind:
        case "missing_result":
            assert message["reason"] in REASONS, _short(message)
            assert message.get("late", True) is True
        case "ui_event":
            assert message["event"] in EVENTS, _short(message)
            assert message["status"] == ("error" if message["event"] == "ERROR" else "ok")
            assert ("wait_ms_estimate" in message) == (message["event"] == "QUEUED")
        case "job_assign":
            _check_assignment(message)
        case "room_create_ack":
            assert _is_code(message["room_code"]), _short(message)
        case "room_error":
            assert message["code"] in ROOM_ERRORS, _short(message)
        case "room_members":
            _check_members(message)
        case "translation_result":
            assert message.get("late", True) is True
            words = message["text_asr"], message["text_translated"], message["tts_audio"]
            extra = message.get("extra") or {}
            is_silence = len(extra) == 1 and extra.get("reason") in NO_FAILURES
            assert any(words) or is_silence, f"a client ignores it: {_short(message)}"


def _is_code(text: str) -> bool:
    return len(text) == 6 and text.isdigit() and text.isascii()


def _check_members(message: dict[str, Any]) -> None:
    """Check what existing pages read of each member."""
    assert message["members"], "nobody is told of an empty room"
    for member in message["members"]:
        assert member["participant_id"] == member["session_id"], member
        assert isinstance(member["raw_voice_preferences"], dict), member
        assert all(isinstance(wish, bool) for wish in member["raw_voice_preferences"].values())
        moment = datetime.fromisoformat(member["joined_at"])
        assert moment.tzinfo is not None, member
        assert isinstance(member.get("display_name", ""), str), member
        assert isinstance(member["preferred_lang"], str), member
    ids = [member["session_id"] for member in message["members"]]
    assert len(ids) == len(set(ids)), "somebody is in the room twice"


_SPARE_NAME = re.compile(r"~[1-9]\d{2,}$")
"""Of a session whose words a node would hear out of order: above every attempt."""


def _check_assignment(job: dict[str, Any]) -> None:
    """Check what makes existing nodes refuse or forget a job."""
    assert job["audio_format"] in {"opus", "pcm16"}
    is_whole = job.get("streaming") is None
    has_audio = bool(base64.b64decode(job["audio"], validate=True))
    assert has_audio == is_whole, "a node refuses a job without audio, unless it is streamed"
    assert all(isinstance(job["pipeline"].get(step), bool) for step in PIPELINE), job["pipeline"]
    flags = [flag for flag in FLAGS if flag in job]
    assert len(flags) == is_whole, f"exactly one reason for the cut, else the node waits: {flags}"
    assert all(job[flag] is True for flag in flags), "flags are omitted when false"
    attempt = job["attempt_id"]
    assert attempt >= 1
    for name in ("job_id", "session_id", "turn_id"):
        has_suffix = job[name].endswith(f"~{attempt}")
        is_marked = "#" in job[name]
        assert not is_marked or f"#{job['tgt_lang']}" in job[name], f"{name} {job[name]}"
        is_spare = name == "session_id" and _SPARE_NAME.search(job[name]) is not None
        assert is_spare or has_suffix == (attempt > 1), f"{name} {job[name]} on attempt {attempt}"


def _fits(value: Any, shape: type | tuple[type, ...]) -> bool:
    if isinstance(value, bool):  # which is an int to Python, not to a peer
        return shape is bool
    return isinstance(value, shape)


def _short(message: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value if len(str(value)) < 100 else f"{str(value)[:60]}…"
        for name, value in message.items()
    }
