"""NodeFinder: which cell a node is registered in, or is to be.

A node that some cell knows stays there: its slots are counted there and nowhere else. One that none
knows goes where `Placement` says, and where two instances say so at once, to the first word.
"""

from collections.abc import Callable, Sequence
from functools import partial

from actors.placement import Placement
from actors.step import Step
from protocol.ids import NodeId
from storage.cells import FIRST, Cell
from storage.nodes import NodeRepository
from storage.replies import Counted, Placed

Then = Callable[[Cell], Sequence[Step]]


class NodeFinder:
    """Asks the cells; in a single cell there is nothing to ask."""

    def __init__(self, nodes: NodeRepository) -> None:
        self._nodes = nodes
        self.placement = Placement()

    def adopt(self, predecessor: "NodeFinder") -> None:
        """Go on where another one stopped."""
        self.placement = predecessor.placement

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
