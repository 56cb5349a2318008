"""Whole utterances: an `utterance` message's audio as a cut. Pure."""

from typing import NamedTuple

from actors.media import CONVERTED_RATE_HZ, Encoding, MediaSource, RawSource
from actors.session.cut import Cut, CutReason
from actors.session.options import SegmenterOptions
from actors.session.uplink.declared import Declared
from actors.session.uplink.intake import AudioIntake
from protocol.audio.containers import Container, recognise
from protocol.audio.framing import AudioFormat, measure, ticks_to_ms
from protocol.ids import new_turn_id
from protocol.messages.session_inbound import Utterance


class WholeAudio(NamedTuple):
    """What an utterance consists of, out of its container."""

    audio: bytes
    audio_format: AudioFormat
    rate_hz: int
    source: MediaSource | None = None
    """What it is, where it has to be converted first."""
    is_as_declared: bool = False
    """It came without a container."""


def whole_audio(spoken: Utterance, *, can_convert: bool) -> WholeAudio:
    """Return the audio of an utterance; a container is unwrapped.

    Raises:
        ProtocolError: UNSUPPORTED_AUDIO.
    """
    audio, audio_format, rate_hz = spoken.audio, spoken.audio_format, spoken.sample_rate
    if not isinstance(recognise(audio), Container):
        is_usual = audio_format is AudioFormat.OPUS or rate_hz == CONVERTED_RATE_HZ
        source = None if is_usual or not can_convert else RawSource(Encoding.S16LE, rate_hz)
        return WholeAudio(audio, audio_format, rate_hz, source, is_as_declared=True)
    intake = AudioIntake(Declared(can_convert=can_convert))
    taken = intake.take(audio, 0, None, is_final=True)
    if not taken.audio:
        raise intake.refuse("a container without audio")
    found, rate_hz = taken.begins or (None, rate_hz)
    return WholeAudio(taken.audio, found or AudioFormat.PCM16, rate_hz, taken.source)


def whole_cut(whole: WholeAudio, options: SegmenterOptions, start_ms: int, now_ms: float) -> Cut:
    """Return the audio as a cut: a turn of its own, never too short.

    Raises:
        ProtocolError: the audio is not of the format that the message names.
    """
    return Cut(
        reason=CutReason.UTTERANCE,
        audio=whole.audio,
        audio_format=whole.audio_format,
        sample_rate_hz=whole.rate_hz,
        duration_ms=ticks_to_ms(measure(whole.audio, whole.audio_format, whole.rate_hz)),
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
