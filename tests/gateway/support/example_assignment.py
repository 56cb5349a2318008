"""A job as a node is given it."""

from protocol.audio.framing import AudioFormat
from protocol.encode import Assignment

ASSIGNMENT = Assignment(
    job_id="job-1",
    attempt_id=1,
    session_id="s-1",
    utterance_index=0,
    src_lang="en",
    tgt_lang="es",
    audio=b"\x00\x00",
    audio_format=AudioFormat.PCM16,
    sample_rate=16_000,
    turn_id="turn-1",
)
