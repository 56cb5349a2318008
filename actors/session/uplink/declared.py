"""Declared: what a session says of its streams before any of them has come. Pure."""

from actors.media import CONVERTED_RATE_HZ, Encoding, RawSource
from actors.session.profile.profile import SessionProfile
from protocol.audio.framing import AudioFormat
from protocol.value import value


@value
class Declared:
    """What a session says of its streams, and what can be done here."""

    audio_format: AudioFormat | None = None
    rate_hz: int = CONVERTED_RATE_HZ
    source: RawSource | None = None
    """What samples without a container are, where they have to be converted."""
    unsupported: str | None = None
    """What the client has declared and nobody can read who cannot convert."""
    can_convert: bool = False
    """There are converters here (extra `media`)."""


def declared_by(profile: SessionProfile, *, can_convert: bool) -> Declared:
    """Return what this session has declared."""
    rate_hz, channels = profile.sample_rate_hz, profile.channels
    encoding = Encoding(profile.encoding) if profile.encoding else Encoding.S16LE
    is_pcm16 = encoding is Encoding.S16LE and channels == 1 and rate_hz == CONVERTED_RATE_HZ
    is_opus = profile.audio_format is AudioFormat.OPUS
    return Declared(
        audio_format=profile.audio_format,
        rate_hz=rate_hz,
        source=None if is_pcm16 or is_opus else RawSource(encoding, rate_hz, channels),
        unsupported=profile.unsupported,
        can_convert=can_convert,
    )
