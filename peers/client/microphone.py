"""Sources of speech: pieces of PCM16 16 kHz mono, at the pace of somebody who speaks.

Owns time and silence on the speaker's side. A source is any async iterator of bytes; what becomes
of the pieces is the client's business.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from peers.media import MediaError, piped
from peers.pcm import BYTES_PER_MS, RATE_HZ, duration_ms, loudness

SPEECH_LOUDNESS = 0.01
"""Louder than this share of full scale is speech."""
SILENCE_LOUDNESS = 0.003
"""Quieter than this is silence; in between it stays what it was."""
_MOST_WAITING = 1_000
"""Pieces of a microphone that wait for a slow line."""


async def recorded(pcm: bytes, chunk_ms: int, speed: float = 1.0) -> AsyncIterator[bytes]:
    """Yield a recording as a microphone would give it: each piece when it has been spoken.

    `speed` 2.0 speaks twice as fast. Late pieces are caught up with, so that a slow reader does not
    stretch the speech.
    """
    pace = _Pace(speed)
    size = chunk_ms * BYTES_PER_MS
    for start in range(0, len(pcm), size):
        piece = pcm[start : start + size]
        await pace.spoken(piece)
        yield piece


async def standard_input(chunk_ms: int, speed: float = 1.0) -> AsyncIterator[bytes]:
    """Yield what comes on standard input, never faster than it is spoken.

    Any container that can be read, else raw PCM16 16 kHz mono.

    Raises:
        MediaError: it begins as a container, and cannot be read.
    """
    pace = _Pace(speed)
    pieces = piped(sys.stdin.buffer, chunk_ms * BYTES_PER_MS)
    while piece := await asyncio.to_thread(next, pieces, b""):
        await pace.spoken(piece)
        yield piece


async def microphone(chunk_ms: int) -> AsyncIterator[bytes]:
    """Yield what the machine's microphone hears, until the caller stops.

    Raises:
        MediaError: there is none, or nothing that reads it (extra `microphone`).
    """
    loop, heard = asyncio.get_running_loop(), asyncio.Queue[bytes](_MOST_WAITING)

    def keep(piece: bytes) -> None:
        if not heard.full():  # the line is too slow by minutes: what is said now is lost
            heard.put_nowait(piece)

    def on_audio(data: Any, *_: object) -> None:
        loop.call_soon_threadsafe(keep, bytes(data))

    with _opened(chunk_ms, on_audio):
        while True:
            yield await heard.get()


def _opened(chunk_ms: int, on_audio: Callable[..., None]) -> Any:
    """Return the microphone, as a context in which it is on."""
    try:
        import sounddevice  # noqa: PLC0415 - an extra
    except ImportError:
        raise MediaError("a microphone needs sounddevice: pip install sounddevice") from None
    except OSError:
        text = "a microphone needs PortAudio (Debian: libportaudio2)"
        raise MediaError(text) from None
    try:
        return sounddevice.RawInputStream(
            samplerate=RATE_HZ,
            blocksize=chunk_ms * RATE_HZ // 1000,
            channels=1,
            dtype="int16",
            callback=on_audio,
        )
    except sounddevice.PortAudioError as error:
        raise MediaError(f"no microphone: {error}") from None


class _Pace:
    """Keeps time from the moment it is made: nothing can be heard before it has been said."""

    def __init__(self, speed: float) -> None:
        self._speed = speed
        self._started = asyncio.get_running_loop().time()
        self._spoken_ms = 0

    async def spoken(self, piece: bytes) -> None:
        """Wait until this piece is over, counted from the beginning."""
        self._spoken_ms += duration_ms(piece)
        over = self._started + self._spoken_ms / 1000 / self._speed
        await asyncio.sleep(max(0.0, over - asyncio.get_running_loop().time()))


@dataclass(slots=True)
class SilenceCutter:
    """Tells where utterances end: after enough silence behind speech."""

    silence_ms: int
    """How much is enough."""
    _quiet_ms: int = 0
    _heard_speech: bool = False

    def ends_with(self, piece: bytes) -> bool:
        """Return whether the utterance ends with this piece; then the next one begins."""
        level = loudness(piece)
        if level >= SPEECH_LOUDNESS:
            self._heard_speech = True
            self._quiet_ms = 0
        elif level < SILENCE_LOUDNESS or self._quiet_ms:
            self._quiet_ms += duration_ms(piece)
        if not self._heard_speech or self._quiet_ms < self.silence_ms:
            return False
        self._heard_speech = False
        self._quiet_ms = 0
        return True
