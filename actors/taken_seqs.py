"""TakenSeqs: which numbered pieces of a session have arrived. Pure.

A client that lost its socket sends again what it does not know to have arrived; what is here
already must not be heard twice, and what is not must not be taken for heard.
"""

from bisect import bisect_right

MAX_RUNS = 64
"""Runs kept apart. A client that leaves more gaps than this will not fill the oldest one."""


class TakenSeqs:
    """The taken numbers as runs, from below. In-order senders have one run, however long."""

    __slots__ = ("_ends", "_starts")

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        """One above the last number of each run; below the start of the next one."""

    def __repr__(self) -> str:
        runs = zip(self._starts, self._ends, strict=True)
        return f"<TakenSeqs {', '.join(f'{start}-{end - 1}' for start, end in runs)}>"

    @property
    def end(self) -> int:
        """One above the highest number taken; 0 before the first."""
        return self._ends[-1] if self._ends else 0

    @property
    def first_missing(self) -> int:
        """The lowest number that was not taken."""
        return self._ends[0] if self._starts and self._starts[0] == 0 else 0

    def take(self, seq: int) -> bool:
        """Take a number; False if it was taken before."""
        starts, ends = self._starts, self._ends
        run = bisect_right(starts, seq) - 1
        if run >= 0 and seq < ends[run]:
            return False
        joins_before = run >= 0 and ends[run] == seq
        joins_after = run + 1 < len(starts) and starts[run + 1] == seq + 1
        if joins_before and joins_after:
            self._join(run)
        elif joins_before:
            ends[run] = seq + 1
        elif joins_after:
            starts[run + 1] = seq
        else:
            starts.insert(run + 1, seq)
            ends.insert(run + 1, seq + 1)
            if len(starts) > MAX_RUNS:
                self._join(0)
        return True

    def take_below(self, seq: int) -> None:
        """Take all numbers below this one; for a beginning in the middle."""
        if seq > 0 and not self._starts:
            self._starts.append(0)
            self._ends.append(seq)

    def gap_below(self, seq: int) -> int:
        """Return where the gap right below a taken number begins; the number itself without one."""
        run = bisect_right(self._starts, seq) - 1
        if run < 0 or self._starts[run] != seq:
            return seq
        return self._ends[run - 1] if run else 0

    def _join(self, run: int) -> None:
        """Make one run of this one and the next."""
        del self._starts[run + 1]
        del self._ends[run]
