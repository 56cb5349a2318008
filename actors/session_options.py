"""What an operator may set about a session's life. Must not: decide anything."""

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """Life of a session beyond its socket, and what it keeps meanwhile."""

    session_grace_seconds: float = 30.0
    """Seconds for which a session outlives the loss of its socket."""
    close_flush_ms: int = 10_000
    """Milliseconds for which a closing session waits for the outcomes of what was said."""
    tiny_utterance_ms: int = 1_000
    """An `utterance` message shorter than this (ms), not cut by hand, is a chunk of a stream."""
    audio_hold: Literal["result", "sent"] = "result"
    """Audio is kept until the `result` (a lost node costs no words) or until it was `sent`."""
    replay_max_outcomes: Annotated[int, Ge(1)] = 200
    """Delivered outcomes that a resuming client can have again."""
    replay_max_bytes: int = 8 * 1024 * 1024
    """Bytes of delivered outcomes kept for a resuming client; speech is dropped before text."""
    audio_ack_interval_ms: Annotated[int, Ge(1)] = 1_000
    """Milliseconds between two `audio_ack` to a client that may resume, at least."""
