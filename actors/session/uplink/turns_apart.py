"""TurnsApart: which turns of one session are not put together at a node.

Most nodes take each segment of a turn as a whole. Where no node that puts turns together may get a
segment, the session makes it a job of its own at its cut; else the node that the turn's first one
goes to decides, and the session learns it with the assignment. Pure.
"""

from typing import Protocol

from storage.job import JobSpec


class JoiningNodes(Protocol):
    """Knows which nodes put the segments of a turn together."""

    def may_join(self, needed: str) -> bool:
        """Return whether such a node may get jobs with this requirement."""


class TurnsApart:
    """Remembers the latest turn only: earlier ones have all their segments."""

    def __init__(self, nodes: JoiningNodes) -> None:
        self._nodes = nodes
        self._apart: set[tuple[str, str]] = set()
        """Turn and language."""

    def __contains__(self, turn: tuple[str, str]) -> bool:
        return turn in self._apart

    def add(self, spec: JobSpec) -> None:
        """Note that a segment's turn, in its language, is not put together."""
        if any(turn_id != spec.turn_id for turn_id, _ in self._apart):
            self._apart.clear()
        self._apart.add((spec.turn_id, spec.language))

    def take(self, spec: JobSpec) -> bool:
        """Return whether a segment that was just cut is a job of its own from the start."""
        if (spec.turn_id, spec.language) in self._apart:
            return True
        if spec.turn_part or self._nodes.may_join(spec.requirement):
            return False
        self.add(spec)
        return True
