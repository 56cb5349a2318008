"""The audio of a job while it is being spoken: from frames to pieces of PCM.

Owns what came and was not taken yet, and the rule that what is heard is all that was said: a frame
out of order, a missing one, or more than the bound ends this job and no other. Knows no engine and
no socket.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator
from math import gcd
from typing import Protocol

from peers.engines import opus
from peers.pcm import RATE_HZ, resample, silence, to_bytes, to_samples
from protocol.audio.framing import AudioFormat

MAX_BYTES = 8 * 1024 * 1024
"""Of one job: four minutes of PCM16 at 16 kHz, four times what a turn may last by default."""
IDLE_SECONDS = 120.0
"""A stream of which nothing comes for so long has been forgotten by who sent it."""


class StreamBrokenError(Exception):
    """What was said cannot be heard in full; the text says why, without any content."""


class SpokenAudio:
    """The frames of one job, in order, each taken once. Lives on one event loop."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._waiting: deque[memoryview] = deque()
        self._changed = asyncio.Event()
        self._frames = 0
        self._bytes = 0
        self._broken: str | None = None
        self.padding_ms = 0
        """Silence that the recogniser appends; known at the end."""
        self.ended_at: float | None = None
        """Monotonic seconds at which the speaker had ended; None: still speaking."""

    def add(self, number: int, audio: memoryview) -> None:
        """Take a frame; one that does not follow the last one breaks the stream."""
        if self._broken is not None:
            return
        if self.ended_at is not None:
            self.fail("a frame came behind the end")
        elif number != self._frames:
            self.fail(f"frame {number} came where {self._frames} was due")
        elif self._bytes + len(audio) > self._max_bytes:
            self.fail(f"more than {self._max_bytes} bytes of audio")
        else:
            self._frames += 1
            self._bytes += len(audio)
            self._waiting.append(audio)
            self._changed.set()

    def end(self, frames: int, padding_ms: int) -> None:
        """Note that so many frames were all."""
        if self._broken is not None or self.ended_at is not None:
            return
        if frames != self._frames:
            self.fail(f"{self._frames} frames came of {frames}")
            return
        self.ended_at, self.padding_ms = time.monotonic(), padding_ms
        self._changed.set()

    def fail(self, why: str) -> None:
        """Break the stream; what waits is let go."""
        self._broken = why
        self._waiting.clear()
        self._changed.set()

    async def take(self) -> bytes:
        """Return all that waits, joined, as soon as there is any; b"" at the end.

        Raises:
            StreamBrokenError: it is not all that was said, or nothing comes any more.
        """
        while True:
            if self._broken is not None:
                raise StreamBrokenError(self._broken)
            if self._waiting:
                taken = b"".join(self._waiting)
                self._waiting.clear()
                return taken
            if self.ended_at is not None:
                return b""
            self._changed.clear()
            try:
                async with asyncio.timeout(IDLE_SECONDS):
                    await self._changed.wait()
            except TimeoutError:
                self.fail(f"no audio for {IDLE_SECONDS:.0f} s")

    async def skip_to_end(self) -> None:
        """Wait until the speaker has ended; for a recogniser that has heard enough.

        Raises:
            StreamBrokenError: as for `take`.
        """
        while await self.take():
            pass


class _Decoder(Protocol):
    def decode(self, data: bytes) -> bytes: ...

    def flush(self) -> bytes: ...


class SpokenPieces(AsyncIterator[bytes]):
    """The same audio as PCM16 16 kHz mono, with the padding at its end.

    Decoded in a thread. What waits comes as one piece: a recogniser that is behind catches up.
    """

    def __init__(self, audio: SpokenAudio, audio_format: AudioFormat, rate_hz: int) -> None:
        is_opus = audio_format is AudioFormat.OPUS
        self._audio = audio
        self._decoder: _Decoder = opus.OpusStream() if is_opus else _PcmStream(rate_hz)
        self._is_over = False

    async def __anext__(self) -> bytes:
        while not self._is_over:
            data = await self._audio.take()
            if data:
                pcm = await asyncio.to_thread(self._decoder.decode, data)
            else:
                self._is_over = True
                pcm = await asyncio.to_thread(self._decoder.flush)
                pcm += silence(self._audio.padding_ms)
            if pcm:
                return pcm
        raise StopAsyncIteration


class _PcmStream:
    """PCM16 of any rate to 16 kHz. Half a sample, or half a step of the two rates, waits."""

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._block_bytes = 2 * (rate_hz // gcd(rate_hz, RATE_HZ))
        self._rest = b""

    def decode(self, data: bytes) -> bytes:
        data = self._rest + data
        usable = len(data) - len(data) % self._block_bytes
        self._rest = data[usable:]
        if self._rate_hz == RATE_HZ:
            return data[:usable]
        return to_bytes(resample(to_samples(data[:usable]), self._rate_hz, RATE_HZ))

    def flush(self) -> bytes:
        rest, self._rest = self._rest, b""
        return to_bytes(resample(to_samples(rest), self._rate_hz, RATE_HZ))
