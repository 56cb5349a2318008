"""What a stream of audio is wrapped in: containers recognised by their first bytes, WAV unwrapped.

Pure. Recorders, files and libraries send containers where packets or samples are expected; what is
not recognised would reach a recogniser as noise. Bytes come in whatever pieces the sender makes of
them. Wire contract section 2.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Container(StrEnum):
    """Containers that begin unmistakably."""

    WAV = "wav"
    OGG = "ogg"
    WEBM = "webm"
    MP4 = "mp4"
    FLAC = "flac"
    MP3 = "mp3"
    AAC = "aac"
    """In frames of its own (ADTS)."""


_MAGIC: Final = {
    b"RIFF": Container.WAV,
    b"OggS": Container.OGG,
    b"\x1aE\xdf\xa3": Container.WEBM,
    b"fLaC": Container.FLAC,
    b"ID3": Container.MP3,
}
_FTYP: Final = b"ftyp"
_FTYP_AT: Final = 4
_MOST_FTYP_BYTES: Final = 1 << 16
"""The first box of an MP4 lists brands; it is short."""

_MP3_HEAD_BYTES: Final = 4
_AAC_HEAD_BYTES: Final = 6
_AAC_RATES: Final = 13
_MPEG_1: Final = 3
_LAYER_3: Final = 1
_NO_RATE: Final = 3
_BAD_BIT_RATES: Final = (0, 15)
_KBPS_1: Final = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_KBPS_2: Final = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_RATES_HZ: Final = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000)}
_RATES_HZ_25: Final = (11_025, 12_000, 8_000)


class Undecided(StrEnum):
    """What recognition says short of a container."""

    NONE = "none"
    """It is no container that is known here."""
    MORE = "more"
    """It may be one: more bytes are needed."""


def recognise(head: bytes) -> Container | Undecided:
    """Return which container a stream begins with, going by the bytes that are here."""
    for magic, container in _MAGIC.items():
        if head[: len(magic)] == magic[: len(head)]:
            return container if len(head) >= len(magic) else Undecided.MORE
    return (
        _recognise_mp4(head)
        or _recognise_frames(head, Container.MP3)
        or _recognise_frames(head, Container.AAC)
        or Undecided.NONE
    )


def _recognise_mp4(head: bytes) -> Container | Undecided | None:
    """The size of a box, then its name: the first of an MP4 is `ftyp`."""
    if int.from_bytes(head[:_FTYP_AT].ljust(_FTYP_AT, b"\0"), "big") >= _MOST_FTYP_BYTES:
        return None
    name = head[_FTYP_AT : _FTYP_AT + len(_FTYP)]
    if not _FTYP.startswith(name):
        return None
    return Container.MP4 if name == _FTYP else Undecided.MORE


def _recognise_frames(head: bytes, container: Container) -> Container | Undecided | None:
    """Two valid headers of a kind, one frame apart: a loose sync is in quiet PCM, too."""
    head_bytes, frame_bytes = _FRAMES[container]
    if head[:1] != b"\xff":
        return None
    if len(head) < head_bytes:
        return Undecided.MORE if len(head) < 2 or head[1] >= 0xE0 else None  # noqa: PLR2004
    frame = frame_bytes(head[:head_bytes])
    if not frame:
        return None
    following = head[frame : frame + head_bytes]
    if len(following) < head_bytes:
        return Undecided.MORE
    return container if frame_bytes(following) else None


def _aac_frame_bytes(header: bytes) -> int:
    """Return the length of the ADTS frame that begins like this, 0 when none does."""
    bits = int.from_bytes(header, "big")
    is_sync = bits >> 36 == 0xFFF and not bits >> 33 & 3  # noqa: PLR2004 - twelve ones, layer 0
    rate, channels, length = bits >> 26 & 15, bits >> 22 & 7, bits >> 5 & 0x1FFF
    is_frame = is_sync and rate < _AAC_RATES and channels and length > _AAC_HEAD_BYTES
    return length if is_frame else 0


def _mp3_frame_bytes(header: bytes) -> int:
    """Return the length of the frame of Layer III that begins like this, 0 when none does."""
    bits = int.from_bytes(header, "big")
    version, layer = bits >> 19 & 3, bits >> 17 & 3
    bit_rate, rate, padding = bits >> 12 & 15, bits >> 10 & 3, bits >> 9 & 1
    is_sync = bits >> 21 == 0x7FF  # noqa: PLR2004 - eleven ones
    if not is_sync or version == 1 or layer != _LAYER_3:
        return 0
    if rate == _NO_RATE or bit_rate in _BAD_BIT_RATES:
        return 0
    rate_hz = _RATES_HZ.get(version, _RATES_HZ_25)[rate]
    if version == _MPEG_1:
        return 144 * _KBPS_1[bit_rate] * 1000 // rate_hz + padding
    return 72 * _KBPS_2[bit_rate] * 1000 // rate_hz + padding


_FRAMES: Final = {
    Container.MP3: (_MP3_HEAD_BYTES, _mp3_frame_bytes),
    Container.AAC: (_AAC_HEAD_BYTES, _aac_frame_bytes),
}
"""Bytes by which a header is told, and how long the frame behind it is."""


@dataclass(frozen=True, slots=True)
class WavFormat:
    """What a WAV says of its samples."""

    encoding: int
    """1: PCM; 3: float; 6, 7: A-law, mu-law; 0xFFFE is resolved."""
    channels: int
    rate_hz: int
    bits: int

    @property
    def is_mono_pcm16(self) -> bool:
        """Whether its samples can go on as they are."""
        return (self.encoding, self.channels, self.bits) == (1, 1, 16)

    def __str__(self) -> str:
        """Return it in words, for who sent it."""
        names = {1: "PCM", 3: "float", 6: "A-law", 7: "mu-law"}
        name = names.get(self.encoding, f"encoding {self.encoding}")
        return f"WAV of {self.bits}-bit {name}, {self.channels} channels, {self.rate_hz} Hz"


class WavError(ValueError):
    """It begins as a WAV and is none."""


_RIFF_BYTES: Final = 12
_CHUNK_HEAD_BYTES: Final = 8
_FORMAT_BYTES: Final = 16
_EXTENSIBLE: Final = 0xFFFE
_SUBFORMAT_AT: Final = 24
_MOST_HEADER_BYTES: Final = 1 << 16
_UNKNOWN_SIZES: Final = (0, 0x7FFFFFFF, 0xFFFFFFFF)
"""Who streams does not know how long it will be."""


class WavUnwrapper:
    """Takes a WAV in pieces; yields its samples and nothing else.

    Invariant: `format` is known before the first sample comes.
    """

    def __init__(self) -> None:
        self.format: WavFormat | None = None
        self._header = b""
        self._at = _RIFF_BYTES
        self._left: int | None = None
        """Bytes of samples that are still to come; None: not there yet, -1: nobody knows."""

    def take(self, data: bytes) -> bytes:
        """Return the samples in this piece.

        Raises:
            WavError: it is no WAV, or not one with samples.
        """
        if self._left is None:
            self._header += data
            data = self._read_header()
        if self._left is None or self._left < 0:
            return data
        samples = data[: self._left]
        self._left -= len(samples)
        return samples

    def _read_header(self) -> bytes:
        """Read chunks up to the samples; return those that came with it."""
        header = self._header
        if len(header) >= _RIFF_BYTES and header[8:_RIFF_BYTES] != b"WAVE":
            raise WavError("RIFF, but not WAVE")
        while len(header) >= self._at + _CHUNK_HEAD_BYTES:
            begin = self._at + _CHUNK_HEAD_BYTES
            name = header[self._at : self._at + 4]
            size = int.from_bytes(header[self._at + 4 : begin], "little")
            if name == b"data":
                if self.format is None:
                    raise WavError("a WAV without a format")
                self._left = -1 if size in _UNKNOWN_SIZES else size
                self._header = b""
                return header[begin:]
            if len(header) < begin + size:
                break
            if name == b"fmt ":
                self.format = _wav_format(header[begin : begin + size])
            self._at = begin + size + (size & 1)
        if len(header) > _MOST_HEADER_BYTES:
            raise WavError("a WAV without samples")
        return b""


def _wav_format(chunk: bytes) -> WavFormat:
    if len(chunk) < _FORMAT_BYTES:
        raise WavError("a WAV with half a format")
    encoding, channels, rate_hz, bits = (
        int.from_bytes(chunk[start:end], "little")
        for start, end in ((0, 2), (2, 4), (4, 8), (14, 16))
    )
    if encoding == _EXTENSIBLE and len(chunk) >= _SUBFORMAT_AT + 2:
        encoding = int.from_bytes(chunk[_SUBFORMAT_AT : _SUBFORMAT_AT + 2], "little")
    return WavFormat(encoding, channels, rate_hz, bits)
