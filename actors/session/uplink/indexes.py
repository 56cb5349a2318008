"""UsedIndexes: which utterance index is taken, and by whom. Pure.

The index is a label. The server counts on above the highest it has seen; clients that send whole
utterances bring their own.
"""

from dataclasses import dataclass
from enum import Enum, auto

from actors.session.uplink.runs import Runs

_LARGEST_FIRST = 2**31
"""A `seq` beyond this is nobody's count."""
_RUNS_RECORDED = 16
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

    utterance_index: int
    audio: bytes
    """As a cut of it would have it."""


class UsedIndexes:
    """All indexes of one session: the client's and the server's."""

    def __init__(self) -> None:
        self.next_index = 0
        """What the next cut of the server gets."""
        self._by_client = Runs(MAX_RUNS)
        self._by_server = Runs(MAX_RUNS)

    def restore(self, next_index: int, by_client: tuple[int, ...]) -> None:
        """Go on elsewhere: what the client has not brought, the server has used."""
        self.next_index = next_index
        end = 0
        for first, last in zip(by_client[::2], by_client[1::2], strict=True):
            self._by_server.add_run(end, first)
            self._by_client.add_run(first, last)
            end = last
        self._by_server.add_run(end, next_index)

    @property
    def client_runs(self) -> tuple[int, ...]:
        """The latest indexes of the client as runs: start and end of each."""
        return self._by_client.latest(_RUNS_RECORDED)

    def __repr__(self) -> str:
        runs = len(self._by_client) + len(self._by_server)
        return f"<UsedIndexes next={self.next_index}, {runs} runs>"

    def begin_at(self, seq: int) -> None:
        """Count from the first `seq` of a client that shows each index once in its life.

        Its `seq` runs on over all its sessions.
        """
        if seq < _LARGEST_FIRST:
            self.next_index = max(self.next_index, seq)

    def take_from(self, lowest: int) -> int:
        """Return an index that is at least so high."""
        self.next_index = max(self.next_index, lowest)
        return self.take_next()

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
