"""What a node of a chaos run says, as the existing nodes say it."""

import base64
import struct

from tests.chaos.plan import STREAMED_TARGET, WHOLE_TARGET, NodePlan
from tests.chaos.world import Message

_HEAD = struct.Struct("<BBI")


def _languages(streams: bool) -> Message:  # noqa: FBT001
    targets = [STREAMED_TARGET] if streams else [STREAMED_TARGET, WHOLE_TARGET]
    return {
        "asr_languages": ["en", *targets],
        "tts_languages": targets,
        "semantic_languages": ["en", *targets],
        "semantic_core_ready": True,
    }


def registration(plan: NodePlan, name: str) -> Message:
    """Return `node_register`."""
    return {
        "type": "node_register",
        "node_id": name,
        "version": "2.0.0",
        "capability_schema_version": "2.0",
        "platform": "linux",
        "hardware": {"cpu_cores": 8, "memory_gb": 32},
        "installed_models": [],
        "capability_by_type": [{"type": "asr", "ready": True, "devices": ["gpu"]}],
        "features_supported": {"emotion_detection": False},
        "accept_public_jobs": True,
        "language_capabilities": _languages(plan.streams),
        "max_concurrent_jobs": plan.capacity,
        "joins_turns": plan.joins_turns,
        "streaming": plan.streams,
    }


def heartbeat(plan: NodePlan, name: str) -> Message:
    """Return `node_heartbeat`."""
    return {
        "type": "node_heartbeat",
        "node_id": name,
        "timestamp": 1_700_000_000_000,
        "resource_usage": {
            "cpu_percent": 12.5,
            "gpu_percent": 0,
            "mem_percent": 40.25,
            "running_jobs": 0,
        },
        "installed_services": [],
        "capability_by_type": [],
        "language_capabilities": _languages(plan.streams),
    }


def result(job: Message, name: str, text: str) -> Message:
    """Return a `job_result`; without text it says that nothing was heard."""
    return {
        "type": "job_result",
        "job_id": job["job_id"],
        "attempt_id": job["attempt_id"],
        "node_id": name,
        "session_id": job["session_id"],
        "utterance_index": job["utterance_index"],
        "success": True,
        "text_asr": text,
        "text_translated": f"{text} [{job['tgt_lang']}]" if text else "",
        "tts_audio": base64.b64encode(text.encode() * 200).decode(),
        "tts_format": "opus",
        "extra": {"emotion": None},
        "processing_time_ms": 120,
        "trace_id": job["trace_id"],
    }


def refusal(job: Message, name: str, code: str) -> Message:
    """Return a `job_result` that carries an error."""
    return {
        "type": "job_result",
        "job_id": job["job_id"],
        "attempt_id": job["attempt_id"],
        "node_id": name,
        "session_id": job["session_id"],
        "utterance_index": job["utterance_index"],
        "success": False,
        "processing_time_ms": 20,
        "trace_id": job["trace_id"],
        "error": {"code": code, "message": "no", "details": {}},
    }


def partial(job_id: str, text: str) -> Message:
    """Return an `asr_partial`."""
    return {"type": "asr_partial", "job_id": job_id, "text": text, "is_final": False}


def frame_of(data: bytes) -> tuple[str, int, bytes]:
    """Return job, number and audio of a binary frame.

    Raises:
        ValueError: it is none.
    """
    kind, length, number = _HEAD.unpack_from(data)
    if kind != 0x20:
        raise ValueError(f"a frame of kind {kind}")
    begins = _HEAD.size + length
    return data[_HEAD.size : begins].decode(), number, data[begins:]
