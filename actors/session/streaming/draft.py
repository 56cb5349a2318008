"""What is being spoken, described as if it were cut now. Pure."""

from actors.session.cut import Cut, CutReason
from actors.session.uplink.segmenter import Segmenter
from protocol.audio.framing import AudioFormat, ticks_to_ms
from protocol.ids import TurnId


def draft_cut(segmenter: Segmenter, turn_id: TurnId, now_ms: float) -> Cut:
    """Return the open segment as a cut without its audio, its first in a turn of this id."""
    segment, framing = segmenter.segment, segmenter.framing
    begun_at_ms = segment.first_chunk_at_ms
    return Cut(
        reason=CutReason.MANUAL,
        audio=b"",
        audio_format=framing.audio_format or AudioFormat.PCM16,
        sample_rate_hz=framing.sample_rate_hz,
        duration_ms=ticks_to_ms(segment.ticks),
        turn_id=turn_id,
        turn_part=0,
        ends_turn=True,
        closing=False,
        first_seq=segment.first_seq,
        last_seq=segment.last_seq,
        padding_ms=0,
        start_ms=ticks_to_ms(segmenter.settled_ticks),
        first_chunk_at_ms=now_ms if begun_at_ms is None else begun_at_ms,
    )
