"""The audio of one session that is not cut yet.

It owns the chunks until they are joined into an utterance. Must not: decide anything.
"""

from typing import Self

from protocol.audio.framing import TICKS_PER_MS
from protocol.audio.pieces import MOST_APART, compact
from protocol.ids import TurnId


class Segment:
    """From one cut to the next. Chunks are kept as they came; those of speech are copied once."""

    __slots__ = (
        "_chunks",
        "_joined",
        "first_chunk_at_ms",
        "first_seq",
        "held_bytes",
        "is_streamed",
        "last_seq",
        "ticks",
        "turn_id",
    )

    def __init__(self) -> None:
        self._chunks: list[bytes] = []
        self._joined = 0
        self.held_bytes = 0
        self.ticks = 0
        """Length of the audio in 1/48000 s."""
        self.first_chunk_at_ms: float | None = None
        """Monotonic ms; None while there is no audio."""
        self.first_seq: int | None = None
        """Lowest `seq` so far; None before the first chunk or final."""
        self.last_seq: int | None = None
        """Highest `seq` so far; chunks may come out of order."""
        self.turn_id: TurnId | None = None
        """Under which a node hears it while it is spoken; None: none does."""
        self.is_streamed = False
        """It is cut with its turn only, and not for its length."""

    def __repr__(self) -> str:
        length_ms = self.ticks // TICKS_PER_MS
        return f"<Segment {length_ms} ms, {self.held_bytes} bytes in {len(self._chunks)} chunks>"

    def add(self, audio: bytes, ticks: int, seq: int, now_ms: float) -> None:
        """Take a chunk."""
        if not self._chunks:
            self.first_chunk_at_ms = now_ms
        self._chunks.append(audio)
        if len(self._chunks) - self._joined >= MOST_APART:
            self._joined = compact(self._chunks, self._joined)
        self.held_bytes += len(audio)
        self.ticks += ticks
        if self.last_seq is not None and seq > self.last_seq:
            self.last_seq = seq
        else:
            self.note_seq(seq)

    def note_seq(self, seq: int) -> None:
        """Count a chunk or a final as part of it."""
        if self.first_seq is None or self.last_seq is None:
            self.first_seq = self.last_seq = seq
        elif seq > self.last_seq:
            self.last_seq = seq
        elif seq < self.first_seq:
            self.first_seq = seq

    def drop_audio(self) -> None:
        """Let go of the chunks."""
        self._chunks.clear()
        self._joined = 0
        self.held_bytes = self.ticks = 0
        self.first_chunk_at_ms = None

    def since(self, start: int) -> bytes:
        """Return the audio behind so many bytes; the latest chunk alone is not copied."""
        wanted = self.held_bytes - start
        if wanted <= 0:
            return b""
        latest = self._chunks[-1]
        if len(latest) == wanted:
            return latest
        if len(latest) > wanted:  # it was put together with those before it
            return latest[-wanted:]
        return self.join()[start:]

    def join(self) -> bytes:
        """Return the audio in one piece."""
        return b"".join(self._chunks)


class Turn:
    """Made by the first segment cut for its length; given up with the cut that ends the turn."""

    __slots__ = ("_open_parts", "next_part", "ticks", "turn_id")

    def __init__(self, turn_id: TurnId) -> None:
        self.turn_id = turn_id
        self.next_part = 0
        """Position of the turn's next segment."""
        self.ticks = 0
        """Audio in the turn's segments so far, in 1/48000 s."""
        self._open_parts: set[int] = set()

    def __repr__(self) -> str:
        return f"<Turn {self.turn_id}: {self.next_part} parts, {len(self._open_parts)} open>"

    @classmethod
    def restored(cls, turn_id: TurnId, next_part: int, ticks: int, open_parts: set[int]) -> Self:
        """Go on with a turn that began elsewhere."""
        turn = cls(turn_id)
        turn.next_part, turn.ticks, turn._open_parts = next_part, ticks, open_parts
        return turn

    @property
    def open_parts(self) -> int:
        """Segments without an outcome: nodes hold their words until the turn ends."""
        return len(self._open_parts)

    def open_next(self) -> int:
        """Take the next position for a segment that waits for an outcome."""
        part = self.next_part
        self._open_parts.add(part)
        self.next_part = part + 1
        return part

    def close(self, part: int) -> None:
        """Note that the segment at this position has its outcome."""
        self._open_parts.discard(part)
