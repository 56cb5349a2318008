"""How fast the audio of one socket is read: it is paid for by time.

It owns the socket's meter and the notice of a pause to the client. It must not keep audio.
"""

import asyncio
from math import ceil, inf
from typing import Final

from actors.admission import AdmissionOptions
from actors.ports import AudioFlow
from gateway.edge.outbox import SocketOutbox
from gateway.edge.read_pacer import Reader
from protocol.audio.framing import (
    MOST_CHUNK_PACKETS,
    MOST_UTTERANCE_PACKETS,
    TICKS_PER_MS,
    TOO_MANY_PACKETS,
    AudioFormat,
    framed_ticks,
    misfit,
    pcm_ticks,
)
from protocol.messages.session_inbound import Utterance
from protocol.messages.session_outbound import Backpressure

DEFAULT_RATE_HZ: Final = 16_000
REPLAY_LULL_MS: Final = 2_000.0
"""A client that sends no audio for so long has nothing left to send again."""
_PAUSE_NOTICE_MS: Final = 1000
"""A client hears at most one `backpressure` in this time; it ignores those that come faster."""
_SHORTEST_PAUSE_MS: Final = 500
_HELD_MS: Final = 1_000


class IngestMeter:
    """How much audio one socket has sent, against what it may: so much a ms, and a burst at once.

    Each chunk counts by its length, exactly. What is beyond the account is taken all the same and
    becomes debt: who owes it is not read until it is paid by time. A format that was not declared
    is known from the framing of each chunk by itself: what the session makes of it does not matter
    here.
    """

    __slots__ = (
        "_burst_ms",
        "_exempt_bytes",
        "_exempt_until_ms",
        "_level_ms",
        "_rate",
        "_rate_hz",
        "_seen_ms",
        "may_be_opus",
    )

    def __init__(
        self,
        options: AdmissionOptions,
        audio_format: AudioFormat | None,
        rate_hz: int | None,
        now_ms: float,
    ) -> None:
        self._rate = options.ingest_rate
        self._burst_ms = self._level_ms = float(options.ingest_burst_ms)
        self._seen_ms = now_ms
        self.may_be_opus = audio_format is not AudioFormat.PCM16
        self._rate_hz = rate_hz or DEFAULT_RATE_HZ
        self._exempt_bytes = 0
        self._exempt_until_ms = now_ms + REPLAY_LULL_MS

    def __repr__(self) -> str:
        return f"<IngestMeter {self._level_ms:.0f} of {self._burst_ms:.0f} ms>"

    def exempt(self, max_bytes: int) -> None:
        """Let a client that came back send again what was lost: so much, until it has a lull."""
        self._exempt_bytes = max_bytes

    def take(self, audio: bytes, opus_ticks: int | None, now_ms: float) -> float:
        """Count a piece of audio; return the ms to wait before reading on (0: none)."""
        if self._exempt_bytes > 0:
            if now_ms < self._exempt_until_ms:
                self._exempt_bytes -= len(audio)
                self._exempt_until_ms = now_ms + REPLAY_LULL_MS
                return 0.0
            self._exempt_bytes = 0
        ticks = opus_ticks or pcm_ticks(len(audio), self._rate_hz)
        level_ms = self._level_ms + (now_ms - self._seen_ms) * self._rate
        level_ms = min(level_ms, self._burst_ms)
        self._level_ms = level_ms = level_ms - ticks / TICKS_PER_MS
        self._seen_ms = now_ms
        return 0.0 if level_ms >= 0 else -level_ms / self._rate


class AudioPace:
    """Life: that of the socket. Each session on it begins with a full meter."""

    __slots__ = ("_flow", "_hears_pauses", "_loop", "_meter", "_noticed_ms", "_outbox", "_reader")

    def __init__(
        self, loop: asyncio.AbstractEventLoop, outbox: SocketOutbox, reader: Reader
    ) -> None:
        self._loop = loop
        self._outbox = outbox
        self._reader = reader
        self._meter: IngestMeter | None = None
        self._hears_pauses = False
        self._noticed_ms = -inf
        self._flow = AudioFlow.METERED
        outbox.on_flow = self.set_flow

    def __repr__(self) -> str:
        return f"<AudioPace {self._meter!r}>"

    def begin(self, meter: IngestMeter, *, hears_pauses: bool = False) -> None:
        """Measure for another session."""
        self._meter = meter
        self._hears_pauses = hears_pauses

    def chunk_ticks(self, audio: bytes) -> int | None:
        """Return what `ChunkArrived` says of a chunk; None where nobody has to look.

        Raises:
            ProtocolError: it has more opus packets than a chunk may have.
        """
        if self._meter is None or not self._meter.may_be_opus:
            return None
        ticks = framed_ticks(audio, MOST_CHUNK_PACKETS)
        if ticks == TOO_MANY_PACKETS:
            raise misfit(f"audio_chunk has more than {MOST_CHUNK_PACKETS} opus packets")
        return ticks

    def utterance_ticks(self, message: Utterance) -> int:
        """Return how long a whole utterance in opus is; 0 for one in PCM.

        Raises:
            ProtocolError: it has more opus packets than an utterance may have.
        """
        if message.audio_format is not AudioFormat.OPUS:
            return 0
        ticks = framed_ticks(message.audio)
        if ticks == TOO_MANY_PACKETS:
            raise misfit(f"audio has more than {MOST_UTTERANCE_PACKETS} opus packets")
        return ticks

    def count(self, audio: bytes, opus_ticks: int | None) -> None:
        """Read on only when the audio so far is paid for by time."""
        if self._meter is None or self._flow is not AudioFlow.METERED:
            return
        now_ms = self._loop.time() * 1000
        wait_ms = self._meter.take(audio, opus_ticks, now_ms)
        if wait_ms <= 0:
            return
        self._reader.rest(wait_ms)
        self._notice(wait_ms, now_ms)

    def set_flow(self, flow: AudioFlow) -> None:
        """Let the session say how fast its audio is read: it is converted first."""
        if flow is AudioFlow.HELD:
            self._notice(_HELD_MS, self._loop.time() * 1000)
        if flow is self._flow:
            return
        self._flow = flow
        self._reader.wait_for_session(is_behind=flow is AudioFlow.HELD)

    def _notice(self, wait_ms: float, now_ms: float) -> None:
        """Ask the client to send nothing for so long, if it listens."""
        if self._hears_pauses and now_ms - self._noticed_ms >= _PAUSE_NOTICE_MS:
            self._noticed_ms = now_ms
            after_ms = max(_SHORTEST_PAUSE_MS, ceil(wait_ms))
            self._outbox.say(Backpressure(action="PAUSE", resume_after_ms=after_ms))
