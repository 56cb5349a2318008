"""Whole utterances: an `utterance` message's audio as a cut. Pure."""

from actors.session.cut import Cut, CutReason
from actors.session.options import SegmenterOptions
from actors.session.uplink.intake import whole_audio
from protocol.audio.framing import AudioFormat, measure, ticks_to_ms
from protocol.ids import new_turn_id
from protocol.messages.session_inbound import Utterance


def whole_cut(spoken: Utterance, options: SegmenterOptions, start_ms: int, now_ms: float) -> Cut:
    """Return the audio as a cut: a turn of its own, never too short. A WAV is unwrapped.

    Raises:
        ProtocolError: the audio is not of the format that the message names.
    """
    audio, audio_format, rate_hz = spoken.audio, spoken.audio_format, spoken.sample_rate
    unwrapped = whole_audio(audio)
    if unwrapped is not None:
        (audio, rate_hz), audio_format = unwrapped, AudioFormat.PCM16
    return Cut(
        reason=CutReason.UTTERANCE,
        audio=audio,
        audio_format=audio_format,
        sample_rate_hz=rate_hz,
        duration_ms=ticks_to_ms(measure(audio, audio_format, rate_hz)),
        turn_id=new_turn_id(),
        turn_part=0,
        ends_turn=True,
        closing=False,
        first_seq=None,
        last_seq=None,
        padding_ms=options.padding_for_ms(CutReason.UTTERANCE),
        start_ms=start_ms,
        first_chunk_at_ms=now_ms,
    )
