"""The smallest messages that are accepted, as plain objects, and how a refusal looks."""

from collections.abc import Callable
from typing import Any

import pytest

from protocol.errors import ErrorCode, ProtocolError
from protocol.wire import WireMessage

Parse = Callable[[str | bytes], WireMessage]

CHUNK: dict[str, Any] = {
    "type": "audio_chunk",
    "session_id": "s-1",
    "seq": 1,
    "is_final": False,
    "payload": "AAEC",
}
INIT: dict[str, Any] = {
    "type": "session_init",
    "client_version": "1",
    "platform": "web",
    "src_lang": "en",
    "tgt_lang": "es",
}
UTTERANCE: dict[str, Any] = {
    "type": "utterance",
    "session_id": "s-1",
    "utterance_index": 0,
    "manual_cut": False,
    "src_lang": "en",
    "tgt_lang": "es",
    "audio": "AAEC",
    "audio_format": "pcm16",
    "sample_rate": 16000,
}
RESULT: dict[str, Any] = {"type": "job_result", "job_id": "j", "success": True}
HEARTBEAT: dict[str, Any] = {"type": "node_heartbeat", "node_id": "n"}
REGISTER: dict[str, Any] = {"type": "node_register"}


def refusal(parse: Parse, data: str | bytes) -> ProtocolError:
    with pytest.raises(ProtocolError) as refused:
        parse(data)
    error = refused.value
    assert error.code is ErrorCode.INVALID_MESSAGE
    assert error.close_code is None
    assert str(error) == error.message
    assert 0 < len(error.message) <= 200
    return error
