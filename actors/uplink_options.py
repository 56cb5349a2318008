"""What the uplink of a session needs to know. Must not: decide anything."""

from dataclasses import dataclass

from actors.segmenter_options import SegmenterOptions


@dataclass(frozen=True, slots=True)
class UplinkOptions:
    """What the uplink of a session needs to know."""

    segmenter: SegmenterOptions
    tiny_utterance_ms: int
    job_lifetime_ms: int
    """From a cut to its job's absolute deadline, in ms."""
    overdue_ms: int
    """An outcome that is not here this long after that deadline is not waited for."""
    audio_ack_interval_ms: int = 1_000
    """Between two `audio_ack`, at least."""
    max_open: int = 200
    """Utterances without an outcome; beyond it they are refused."""
