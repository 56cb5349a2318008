"""A scheduler whose sessions end soon, and every message that can name a session."""

from tests.support.peers.raw_client import b64, tone
from tests.support.peers.raw_wire import Message, Pair

GRACE = 1.0
FLUSH = 0.5
"""Seconds."""
FLAGS = (
    f"--session-grace-seconds={GRACE}",
    f"--gateway-grace-seconds={GRACE}",
    f"--close-flush-ms={int(FLUSH * 1000)}",
    "--hangover-manual-ms=5",
)


def naming(session_id: str, pair: Pair) -> dict[str, Message]:
    """Return every message that names a session, in the name of this one."""
    own = {"session_id": session_id}
    play = {**own, "trace_id": "t", "group_id": "g"}
    return {
        "audio_chunk": {**own, "seq": 0, "is_final": True, "payload": b64(tone(500))},
        "utterance": {
            **own,
            "utterance_index": 0,
            "manual_cut": True,
            "src_lang": pair[0],
            "tgt_lang": pair[1],
            "audio": b64(tone(1200)),
            "audio_format": "pcm16",
            "sample_rate": 16000,
        },
        "client_heartbeat": {**own, "timestamp": 1},
        "tts_started": {**play, "ts_start_ms": 1},
        "tts_play_ended": {**play, "ts_end_ms": 1},
        "session_close": {**own, "reason": "mischief"},
    }


def typed(kind: str, fields: Message) -> Message:
    return {"type": kind, **fields}
