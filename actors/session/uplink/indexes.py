"""UsedIndexes: which utterance index is taken, and by whom. Pure.

The index is a label. The server counts on above the highest it has seen; clients that send whole
utterances bring their own.
"""

from bisect import bisect_right
from dataclasses import dataclass
from enum import Enum, auto
from typing import Self

from protocol.ids import RequestId

_RUNS_TOLD = 16
"""Runs of a client's indexes that another instance learns of: most clients count up."""


class IndexUse(Enum):
    """What a client's index means."""

    FRESH = auto()
    REPEATED = auto()
    """The client used it before: the same request again."""
    TAKEN = auto()
    """A cut of the server has it."""


MAX_RUNS = 1024
"""Runs kept apart. A client that leaves more gaps than this will not fill the oldest one."""


@dataclass(frozen=True, slots=True)
class Repeated:
    """The client sent an utterance that it has sent before."""

    request_id: RequestId


class _Runs:
    """Whole numbers as runs without gaps: what is counted up takes no room, however long."""

    __slots__ = ("_ends", "_starts")

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []

    def __contains__(self, number: int) -> bool:
        run = bisect_right(self._starts, number) - 1
        return run >= 0 and number < self._ends[run]

    def __len__(self) -> int:
        return len(self._starts)

    def add_run(self, first: int, end: int) -> None:
        """Add the numbers from `first` to before `end`, behind all others."""
        if first < end:
            self._starts.append(first)
            self._ends.append(end)

    def latest(self, count: int) -> tuple[int, ...]:
        """Return the last runs: start and end of each."""
        runs = zip(self._starts[-count:], self._ends[-count:], strict=True)
        return tuple(number for run in runs for number in run)

    def add(self, number: int) -> None:
        """Add a number that is in no run: before one, behind one, between two, or by itself."""
        run = bisect_right(self._starts, number)
        touches_before = run > 0 and self._ends[run - 1] == number
        touches_after = run < len(self._starts) and self._starts[run] == number + 1
        if touches_before and touches_after:
            self._ends[run - 1] = self._ends.pop(run)
            del self._starts[run]
        elif touches_before:
            self._ends[run - 1] = number + 1
        elif touches_after:
            self._starts[run] = number
        else:
            self._starts.insert(run, number)
            self._ends.insert(run, number + 1)
            if len(self._starts) > MAX_RUNS:
                del self._starts[1], self._ends[0]


class UsedIndexes:
    """All indexes of one session: the client's and the server's."""

    def __init__(self) -> None:
        self.next_index = 0
        """What the next cut of the server gets."""
        self._by_client = _Runs()
        self._by_server = _Runs()

    @classmethod
    def restored(cls, next_index: int, by_client: tuple[int, ...]) -> Self:
        """Go on elsewhere: what the client has not brought, the server has used."""
        indexes = cls()
        indexes.next_index = next_index
        end = 0
        for first, last in zip(by_client[::2], by_client[1::2], strict=True):
            indexes._by_server.add_run(end, first)
            indexes._by_client.add_run(first, last)
            end = last
        indexes._by_server.add_run(end, next_index)
        return indexes

    @property
    def client_runs(self) -> tuple[int, ...]:
        """The latest indexes of the client as runs: start and end of each."""
        return self._by_client.latest(_RUNS_TOLD)

    def __repr__(self) -> str:
        runs = len(self._by_client) + len(self._by_server)
        return f"<UsedIndexes next={self.next_index}, {runs} runs>"

    def take_next(self) -> int:
        """Return the index of a cut of the server."""
        index = self.next_index
        self.next_index += 1
        self._by_server.add(index)
        return index

    def take(self, index: int) -> IndexUse:
        """Take an index that the client brought, if it is fresh."""
        if index in self._by_client:
            return IndexUse.REPEATED
        if index in self._by_server:
            return IndexUse.TAKEN
        self._by_client.add(index)
        self.next_index = max(self.next_index, index + 1)
        return IndexUse.FRESH
