"""Audio that has to be converted before it can be cut: what a session asks, and of whom.

Values and protocols. Who implements them owns processes; sessions only know these. Must not: do
anything.
"""

from enum import StrEnum
from typing import Final, Protocol, TypeGuard

from actors.ports import Mailbox
from protocol.value import value

CONVERTED_RATE_HZ: Final = 16_000
"""Rate of what comes back: PCM16, mono."""
_LOWEST_HZ: Final = 8_000
_HIGHEST_HZ: Final = 48_000
"""Rates of PCM16 that nodes are given."""


class Encoding(StrEnum):
    """Samples without a container, little-endian, channels interleaved."""

    MULAW = "mulaw"
    ALAW = "alaw"
    U8 = "u8"
    S16LE = "s16le"
    S24LE = "s24le"
    S32LE = "s32le"
    F32LE = "f32le"
    F64LE = "f64le"


@value
class RawSource:
    """A stream of samples."""

    encoding: Encoding
    rate_hz: int
    channels: int = 1

    def __str__(self) -> str:
        """Return it in words, for who sent it."""
        return f"{self.encoding} of {self.rate_hz} Hz, {self.channels} channels"


@value
class ContainedSource:
    """A stream in a container."""

    container: str

    def __str__(self) -> str:
        """Return it in words, for who sent it."""
        return self.container


MediaSource = RawSource | ContainedSource


def is_usable(source: MediaSource | None) -> TypeGuard[RawSource]:
    """Tell whether nodes take it where nobody can convert it: mono PCM16 of another rate."""
    if not isinstance(source, RawSource) or source.channels != 1:
        return False
    return source.encoding is Encoding.S16LE and _LOWEST_HZ <= source.rate_hz <= _HIGHEST_HZ


class Converter(Protocol):
    """Converts the audio of one session, one stream after the other, somewhere else.

    Each piece that is fed is answered in order: any number of `AudioConverted`, the last of which
    `is_answer`, or one `ConversionFailed`. Nothing blocks.
    """

    def begin(self, source: MediaSource, stream: int) -> None:
        """Begin a stream; all of the one before is fed."""

    def feed(self, piece: bytes, *, is_last: bool) -> None:
        """Convert a piece of it; with `is_last` the stream ends."""

    def close(self) -> None:
        """End it at once; nothing more is answered."""


class Converters(Protocol):
    """Gives sessions their converters, to few of them at a time."""

    def open(self, session: Mailbox) -> Converter | None:
        """Return a converter for this session; None: all are in use."""
