"""What comes out of segmentation: an utterance, why it was cut and where it stands in its turn.

Values only. Must not: decide when to cut (`actors.session.uplink.segmenter` does).
"""

from enum import StrEnum

from protocol.audio.framing import AudioFormat
from protocol.ids import TurnId
from protocol.value import value


class CutReason(StrEnum):
    """Why a segment ended, strongest first: of several that hold at once the first one counts."""

    UTTERANCE = "utterance"
    """It came as a whole utterance in one message."""
    MANUAL = "manual"
    """The client asked for it (`is_final`)."""
    MAX_LENGTH = "max_length"
    """It reached `max_utterance_bytes`."""
    MAX_TURN = "max_turn"
    """Its turn reached `max_turn_ms`."""
    MAX_DURATION = "max_duration"
    """It reached `max_duration_ms`; the only reason that does not end the turn."""
    ENDPOINT = "endpoint"
    """Enough silence followed speech, with endpointing on the server."""
    PAUSE = "pause"
    """No audio came for `pause_ms`."""
    SESSION_CLOSE = "session_close"
    """The session ended with audio not yet cut."""


@value
class Cut:
    """One utterance, ready for a node."""

    reason: CutReason
    audio: bytes
    """Framed opus packets or PCM16 mono, see `audio_format`. Owned by whoever takes the cut."""
    audio_format: AudioFormat
    sample_rate_hz: int
    """Hertz; of PCM16. Opus always decodes at 48 kHz whatever stands here."""
    duration_ms: int
    """Whole ms, rounded down from the exact length: opus by its TOC bytes, PCM by its bytes."""
    turn_id: TurnId
    turn_part: int
    """0 for the first segment of a turn, without gaps within it."""
    ends_turn: bool
    """False only for `max_duration`: what follows belongs to the same turn.

    What ends one is `is_manual_cut` to nodes, whoever cut it: existing ones neither translate nor
    speak short texts that end by a time-out.
    """
    closing: bool
    """True when it is silent or empty and was made only because its turn has open segments."""
    first_seq: int | None
    """Lowest `seq` in it, the final's included; None for an utterance without chunks."""
    last_seq: int | None
    """Highest `seq` in it, the final's included; None for an utterance without chunks."""
    padding_ms: int
    """Milliseconds of silence for the node's recogniser to append; not part of `audio`."""
    start_ms: int
    """Where it begins in all audio of its session."""
    first_chunk_at_ms: float
    """Monotonic ms at which its first audio came (of the cut itself when it has none)."""
