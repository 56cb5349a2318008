"""Cells: the parts into which the data is cut, so that a cluster's masters can share it. Pure.

Every key of a cell begins with its prefix, whose hash tag keeps the cell in one slot: a script
touches one cell only. A session, with its jobs, has its home in the cell that its id implies; a job
id carries that of its session. A single server needs no more than one cell, which has no tag.
"""

import binascii
from collections.abc import Iterable
from functools import cache
from typing import NewType, Self

from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot

from protocol.ids import JobId, NodeId, SessionId, place_of_job, place_of_session

Cell = NewType("Cell", int)
"""A number from 0."""
FIRST = Cell(0)
"""The only one of a single server."""

DEFAULT_PREFIX = "lingua:v1:"
"""Of every key. A cell of many adds its hash tag (`lingua:v1:{c7}:`)."""
CELLS_PER_MASTER = 3
"""Cells move between masters whole; with a few on each, an added master can take some."""
MAX_CELLS = 256


class Cells:
    """The cells of one data set; their number never changes while the data lives."""

    def __init__(self, count: int = 1, prefix: str = DEFAULT_PREFIX) -> None:
        self.count = count
        self.all = tuple(Cell(number) for number in range(count))
        if count == 1:
            self.prefixes: tuple[str, ...] = (prefix,)
        else:
            self.prefixes = tuple(f"{prefix}{{{tag}}}:" for tag in cell_tags(count))

    @classmethod
    def of_cluster(cls, count: int) -> Self:
        """Return the cells of a cluster: even a single one needs a tag there."""
        if count > 1:
            return cls(count)
        return cls(1, f"{DEFAULT_PREFIX}{{{cell_tags(1)[0]}}}:")

    def __repr__(self) -> str:
        return f"<Cells {self.count}>"

    def home(self, session_id: SessionId) -> Cell:
        """Return the cell in which a session's jobs begin."""
        return FIRST if self.count == 1 else Cell(place_of_session(session_id) % self.count)

    def home_of_job(self, job_id: JobId) -> Cell:
        """Return the home of the session that the job belongs to."""
        return FIRST if self.count == 1 else Cell(place_of_job(job_id) % self.count)

    def referee(self, node_id: NodeId) -> Cell:
        """Return the cell that decides where a node registers that no cell knows."""
        return Cell(binascii.crc_hqx(node_id.encode(errors="surrogatepass"), 0) % self.count)

    def of_room(self, code: str) -> Cell:
        """Return the cell of a room; its members' sessions have their own."""
        return Cell(binascii.crc_hqx(code.encode(errors="surrogatepass"), 0) % self.count)

    def named(self, prefix: str) -> Cell:
        """Return the cell whose keys begin like this."""
        return Cell(self.prefixes.index(prefix))

    def others(self, cell: Cell) -> tuple[Cell, ...]:
        """Return all cells but this one, the next first."""
        return (*self.all[cell + 1 :], *self.all[:cell])


@cache
def cell_tags(count: int) -> tuple[str, ...]:
    """Return the hash tags of so many cells: one in the middle of each equal part of the slots.

    They are part of the schema: the same number of cells always has the same tags.
    """
    return tuple(_tag(number, count) for number in range(count))


def _tag(number: int, count: int) -> str:
    """Return `c7`, or with the first ending that brings it into the middle half of its part."""
    width = REDIS_CLUSTER_HASH_SLOTS / count
    first, last = (number + 0.25) * width, (number + 0.75) * width
    tag, ending = f"c{number}", 0
    while not first <= key_slot(f"{{{tag}}}".encode()) < last:
        ending += 1
        tag = f"c{number}.{ending}"
    return tag


def default_count(masters: Iterable[object]) -> int:
    """Return how many cells a cluster with these masters gets."""
    return min(MAX_CELLS, CELLS_PER_MASTER * max(1, len(list(masters))))
