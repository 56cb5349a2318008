"""Placement: in which cell a node is registered.

The first few nodes that can do the same stand together, so that the only ones of a rare language
pair are found in one place; further ones go where there are fewest. What this process has placed
counts even where the store does not know it yet: many nodes come at once after a restart. Pure.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from protocol.ids import NodeId
from storage.cells import Cell
from storage.replies import Counted

KEPT_TOGETHER = 4


@dataclass(frozen=True, slots=True)
class _Place:
    cell: Cell
    atoms: tuple[str, ...]


class Placement:
    """Where the nodes of this process are, and where the next one goes."""

    def __init__(self) -> None:
        self._places: dict[NodeId, _Place] = {}
        self._alike: Counter[_Place] = Counter()
        self._in_cell: Counter[Cell] = Counter()

    def __len__(self) -> int:
        return len(self._places)

    def cell(self, node_id: NodeId) -> Cell | None:
        """Return where a node of this process is; None if it was not placed."""
        place = self._places.get(node_id)
        return None if place is None else place.cell

    def add(self, node_id: NodeId, atoms: Sequence[str], cell: Cell) -> None:
        """A node is, or will be, in this cell."""
        self.remove(node_id)
        place = self._places[node_id] = _Place(cell, tuple(atoms))
        self._alike[place] += 1
        self._in_cell[cell] += 1

    def remove(self, node_id: NodeId) -> None:
        """A node is gone."""
        place = self._places.pop(node_id, None)
        if place is not None:
            self._alike[place] -= 1
            if not self._alike[place]:
                del self._alike[place]
            self._in_cell[place.cell] -= 1

    def choose(self, atoms: Sequence[str], cells: Mapping[Cell, Counted]) -> Cell:
        """Return the cell for a node that no cell knows."""
        alike, online = {}, {}
        for cell, count in cells.items():
            ours = self._alike[_Place(cell, tuple(atoms))]
            alike[cell] = max(count.alike, ours)
            online[cell] = max(count.online, self._in_cell[cell])
        total = sum(alike.values())
        if 0 < total < KEPT_TOGETHER:
            return max(alike, key=lambda cell: (alike[cell], -online[cell], -cell))
        return min(alike, key=lambda cell: (alike[cell], online[cell], cell))
