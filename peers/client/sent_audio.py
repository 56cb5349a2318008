"""SentAudio: what a client said, from the microphone until the server may be trusted with it.

Pure. It numbers the pieces, knows which of them is the next to be sent, and keeps those that may
have to be sent again. Must not: know sockets or formats.
"""

from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Piece:
    """A chunk of audio, or the end of an utterance (`is_final`, without audio)."""

    seq: int
    payload: bytes
    is_final: bool
    said_at_ms: int
    """Unix ms: when it was said, however late it is sent."""


class SentAudio:
    """Pieces in order, counted from 0. Everything before the oldest kept one is forgotten."""

    def __init__(self) -> None:
        self._kept: deque[Piece] = deque()
        self._first_seq = 0
        """`seq` of the oldest piece kept, or of the next one said."""
        self._to_send = 0
        """`seq` of the next piece to be sent."""

    def __len__(self) -> int:
        """Return how many pieces are kept."""
        return len(self._kept)

    def add(self, payload: bytes, said_at_ms: int, *, is_final: bool = False) -> None:
        """Take a piece; it is sent after all before it."""
        seq = self._first_seq + len(self._kept)
        self._kept.append(Piece(seq, payload, is_final, said_at_ms))

    def next(self) -> Piece | None:
        """Return the next piece to be sent; None when all have been."""
        position = self._to_send - self._first_seq
        return self._kept[position] if position < len(self._kept) else None

    def sent(self, piece: Piece) -> None:
        """Note that a socket took a piece, unless another order was given meanwhile."""
        if piece.seq == self._to_send:
            self._to_send += 1

    def send_from(self, seq: int) -> None:
        """Go on from here: the server has everything before it."""
        self._to_send = max(seq, self._first_seq)

    def forget_before(self, seq: int) -> None:
        """Let go of what need not be sent again."""
        while self._kept and self._kept[0].seq < seq:
            self._kept.popleft()
            self._first_seq += 1
        self._to_send = max(self._to_send, self._first_seq)
