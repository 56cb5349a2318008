"""Runs: a set of whole numbers as runs without gaps. Pure.

What is counted up takes no room, however long. Which `seq` has arrived and which utterance index is
in use are such sets.
"""

from bisect import bisect_right

_NOTHING: list[int] = []
"""The lists of a set that is empty, shared by all: most sessions are idle."""


class Runs:
    """Numbers from 0, as runs from below; at most so many runs.

    Who leaves more gaps than that will not fill the oldest one: it is taken for filled.
    """

    __slots__ = ("_ends", "_most", "_starts")

    def __init__(self, most: int) -> None:
        self._most = most
        """Runs kept apart."""
        self._starts: list[int] = _NOTHING
        self._ends: list[int] = _NOTHING
        """One above the last number of each run; below the start of the next one."""

    def __repr__(self) -> str:
        runs = zip(self._starts, self._ends, strict=True)
        return f"<Runs {', '.join(f'{start}-{end - 1}' for start, end in runs)}>"

    def __contains__(self, number: int) -> bool:
        run = bisect_right(self._starts, number) - 1
        return run >= 0 and number < self._ends[run]

    def __len__(self) -> int:
        """Return how many runs there are."""
        return len(self._starts)

    @property
    def end(self) -> int:
        """One above the highest number; 0 before the first."""
        return self._ends[-1] if self._ends else 0

    @property
    def first_missing(self) -> int:
        """The lowest number that is not in it."""
        return self._ends[0] if self._starts and self._starts[0] == 0 else 0

    def add(self, number: int) -> bool:
        """Add a number; False if it is in it."""
        ends = self._ends
        if ends and ends[-1] == number:
            ends[-1] = number + 1
            return True  # who counts up gets by with this
        starts, ends = self._lists()
        run = bisect_right(starts, number) - 1
        if run >= 0 and number < ends[run]:
            return False
        joins_before = run >= 0 and ends[run] == number
        joins_after = run + 1 < len(starts) and starts[run + 1] == number + 1
        if joins_before and joins_after:
            self._join(run)
        elif joins_before:
            ends[run] = number + 1
        elif joins_after:
            starts[run + 1] = number
        else:
            starts.insert(run + 1, number)
            ends.insert(run + 1, number + 1)
            if len(starts) > self._most:
                self._join(0)
        return True

    def add_run(self, first: int, end: int) -> None:
        """Add the numbers from `first` to before `end`, behind all others."""
        if first < end:
            starts, ends = self._lists()
            starts.append(first)
            ends.append(end)

    def gap_below(self, number: int) -> int:
        """Return where the gap right below a number of it begins; the number itself without one."""
        run = bisect_right(self._starts, number) - 1
        if run < 0 or self._starts[run] != number:
            return number
        return self._ends[run - 1] if run else 0

    def latest(self, count: int) -> tuple[int, ...]:
        """Return the last runs: start and end of each."""
        runs = zip(self._starts[-count:], self._ends[-count:], strict=True)
        return tuple(number for run in runs for number in run)

    def _lists(self) -> tuple[list[int], list[int]]:
        """Return the lists, to be changed."""
        if self._starts is _NOTHING:
            self._starts, self._ends = [], []
        return self._starts, self._ends

    def _join(self, run: int) -> None:
        """Make one run of this one and the next."""
        del self._starts[run + 1]
        del self._ends[run]
