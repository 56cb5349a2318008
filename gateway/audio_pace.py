"""How fast the audio of one socket is read: it is paid for by time.

It owns the socket's meter and the notice of a pause to the client. It must not keep audio.
"""

from math import ceil, inf

from gateway.edge.outbox import SocketOutbox
from gateway.edge.read_pacer import Reader
from gateway.ingest_meter import IngestMeter
from gateway.socket_context import SocketContext
from protocol.audio.framing import MOST_CHUNK_PACKETS, framed_ticks
from protocol.messages.session_outbound import Backpressure

_PAUSE_NOTICE_MS = 1000
"""A client hears at most one `backpressure` in this time; it ignores those that come faster."""
_SHORTEST_PAUSE_MS = 500


class AudioPace:
    """Life: that of the socket. Each session on it begins with a full meter."""

    __slots__ = ("_context", "_hears_pauses", "_meter", "_noticed_ms", "_outbox", "_reader")

    def __init__(self, context: SocketContext, outbox: SocketOutbox, reader: Reader) -> None:
        self._context = context
        self._outbox = outbox
        self._reader = reader
        self._meter: IngestMeter | None = None
        self._hears_pauses = False
        self._noticed_ms = -inf

    def __repr__(self) -> str:
        return f"<AudioPace {self._meter!r}>"

    def begin(self, meter: IngestMeter, *, hears_pauses: bool = False) -> None:
        """Measure for another session."""
        self._meter = meter
        self._hears_pauses = hears_pauses

    def chunk_ticks(self, audio: bytes) -> int | None:
        """Return what `ChunkArrived` says of a chunk; None where nobody has to look.

        `TOO_MANY_PACKETS` where it has more than a chunk may have.
        """
        if not audio or self._meter is None or not self._meter.may_be_opus:
            return None
        return framed_ticks(audio, MOST_CHUNK_PACKETS)

    def count(self, audio: bytes, opus_ticks: int | None) -> None:
        """Read on only when the audio so far is paid for by time."""
        if self._meter is None:
            return
        now_ms = self._context.loop.time() * 1000
        wait_ms = self._meter.take(audio, opus_ticks, now_ms)
        if wait_ms <= 0:
            return
        self._reader.rest(wait_ms)
        if self._hears_pauses and now_ms - self._noticed_ms >= _PAUSE_NOTICE_MS:
            self._noticed_ms = now_ms
            after_ms = max(_SHORTEST_PAUSE_MS, ceil(wait_ms))
            self._outbox.say(Backpressure(action="PAUSE", resume_after_ms=after_ms))
