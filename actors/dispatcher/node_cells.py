"""NodeCells: which cell a node is registered in, or is to be.

A node that some cell knows stays there: its slots are counted there and nowhere else. One that none
knows goes where `NodePlacement` says, and where two instances say so at once, to the first word.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from actors.dispatcher.step import Step
from protocol.ids import NodeId
from storage.cells import FIRST, Cell
from storage.nodes import NodeRepository
from storage.replies.job import Counted, Placed

Then = Callable[[Cell], Sequence[Step]]


class NodeCells:
    """Asks the cells; in a single cell there is nothing to ask."""

    def __init__(self, nodes: NodeRepository) -> None:
        self._nodes = nodes
        self.placement = NodePlacement()

    def adopt(self, handover: "NodeCells") -> None:
        """Go on where another one stopped."""
        self.placement = handover.placement

    def cell(self, node_id: NodeId) -> Cell | None:
        """Return the cell of a node that was placed from here, or else None."""
        return FIRST if self._nodes.cells.count == 1 else self.placement.cell(node_id)

    def place(self, node_id: NodeId, atoms: Sequence[str], then: Then) -> Sequence[Step]:
        """Find the cell in which the node is to be registered."""

        def choose(answers: dict[Cell, Counted]) -> Sequence[Step]:
            known = _known(answers)
            if known is not None:
                return settle(known)
            wanted = self.placement.choose(atoms, answers)
            self.placement.add(node_id, atoms, wanted)

            def placed(reply: Placed) -> Sequence[Step]:
                return settle(reply.cell)

            return (Step(self._nodes.place(node_id, wanted), placed),)

        def settle(cell: Cell) -> Sequence[Step]:
            self.placement.add(node_id, atoms, cell)
            return then(cell)

        if self._nodes.cells.count == 1:
            return then(FIRST)
        return self._ask(node_id, atoms, choose)

    def find(self, node_id: NodeId, then: Then) -> Sequence[Step]:
        """Find the cell that knows the node; nothing follows where none does."""
        here = self.cell(node_id)
        if here is not None:
            return then(here)

        def choose(answers: dict[Cell, Counted]) -> Sequence[Step]:
            known = _known(answers)
            return () if known is None else then(known)

        return self._ask(node_id, (), choose)

    def forget(self, node_id: NodeId) -> None:
        """The node is gone."""
        self.placement.remove(node_id)

    def _ask(
        self,
        node_id: NodeId,
        atoms: Sequence[str],
        choose: Callable[[dict[Cell, Counted]], Sequence[Step]],
    ) -> Sequence[Step]:
        """Ask every cell; what follows is chosen when the last one has answered."""
        answers: dict[Cell, Counted] = {}

        def counted(cell: Cell, reply: Counted) -> Sequence[Step]:
            answers[cell] = reply
            return choose(answers) if len(answers) == self._nodes.cells.count else ()

        return tuple(
            Step(self._nodes.count(node_id, atoms, cell), partial(counted, cell))
            for cell in self._nodes.cells.all
        )


def _known(answers: dict[Cell, Counted]) -> Cell | None:
    cell = max(answers, key=lambda cell: answers[cell].epoch)
    return cell if answers[cell].epoch else None


KEPT_TOGETHER = 4


@dataclass(frozen=True, slots=True)
class _Place:
    cell: Cell
    atoms: tuple[str, ...]


class NodePlacement:
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
