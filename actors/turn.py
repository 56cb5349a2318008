"""A turn of speech that goes on: segments cut by `max_duration` and not yet ended by another cut.

It owns the turn's id, its count of segments and which of them still wait for their outcome.
Must not: know audio or decide cuts.
"""

from typing import Self

from protocol.ids import TurnId


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
