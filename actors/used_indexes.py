"""UsedIndexes: which utterance index is taken, and by whom. Pure.

The index is a label. The server counts on above the highest it has seen; clients that send whole
utterances bring their own.
"""

from bisect import bisect_right
from enum import Enum, auto


class IndexUse(Enum):
    """What a client's index means."""

    FRESH = auto()
    REPEATED = auto()
    """The client used it before: the same request again."""
    TAKEN = auto()
    """A cut of the server has it."""


class UsedIndexes:
    """All indexes of one session: a set of the client's, runs of the server's."""

    def __init__(self) -> None:
        self.next_index = 0
        """What the next cut of the server gets."""
        self._by_client: set[int] = set()
        self._run_starts: list[int] = []
        self._run_ends: list[int] = []

    def take_next(self) -> int:
        """Return the index of a cut of the server."""
        index = self.next_index
        self.next_index += 1
        if self._run_ends and self._run_ends[-1] == index:
            self._run_ends[-1] = index + 1
        else:
            self._run_starts.append(index)
            self._run_ends.append(index + 1)
        return index

    def take(self, index: int) -> IndexUse:
        """Take an index that the client brought, if it is fresh."""
        if index in self._by_client:
            return IndexUse.REPEATED
        run = bisect_right(self._run_starts, index) - 1
        if run >= 0 and index < self._run_ends[run]:
            return IndexUse.TAKEN
        self._by_client.add(index)
        self.next_index = max(self.next_index, index + 1)
        return IndexUse.FRESH
