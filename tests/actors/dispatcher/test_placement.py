"""Where a node is registered: rare ones together, many spread, and always where it is known."""

from collections import Counter

import pytest

from actors.dispatcher.node_cells import KEPT_TOGETHER, NodePlacement
from protocol.ids import NodeId
from storage.cells import Cell
from storage.replies.job import Counted

CELLS = [Cell(number) for number in range(6)]
PAIR, OTHER = ("a:en", "s:es"), ("a:zh", "s:en")


def counted(
    alike: dict[int, int] | None = None, online: dict[int, int] | None = None
) -> dict[Cell, Counted]:
    found, everybody = alike or {}, online or {}
    return {
        cell: Counted(0, found.get(cell, 0), everybody.get(cell, found.get(cell, 0)))
        for cell in CELLS
    }


def arrive(placement: NodePlacement, count: int, atoms: tuple[str, ...] = PAIR) -> list[Cell]:
    """Let so many nodes come before the store knows of any."""
    cells = []
    for number in range(count):
        cell = placement.choose(atoms, counted())
        placement.add(NodeId(f"{atoms}{number}"), atoms, cell)
        cells.append(cell)
    return cells


def test_the_first_of_a_kind_goes_where_there_are_fewest_nodes() -> None:
    assert NodePlacement().choose(PAIR, counted(online={0: 3, 1: 2, 2: 1, 3: 5, 4: 1, 5: 9})) == 2


@pytest.mark.parametrize("there", range(1, KEPT_TOGETHER))
def test_the_first_few_of_a_kind_stand_together(there: int) -> None:
    assert NodePlacement().choose(PAIR, counted({4: there}, {4: 100})) == 4


def test_further_ones_go_where_there_are_fewest_of_the_kind() -> None:
    assert NodePlacement().choose(PAIR, counted({0: 2, 1: 2, 2: 3, 3: 1, 4: 2, 5: 2})) == 3


def test_a_thousand_at_once_are_spread_before_the_store_knows_of_any() -> None:
    cells = arrive(NodePlacement(), 1000)
    assert len(set(cells[:KEPT_TOGETHER])) == 1
    counts = Counter(cells)
    assert max(counts.values()) - min(counts.values()) <= 1


def test_two_rare_kinds_do_not_crowd_one_cell() -> None:
    placement = NodePlacement()
    first, second = arrive(placement, 4), arrive(placement, 4, OTHER)
    assert set(first) != set(second)


def test_who_leaves_makes_room_and_nothing_is_remembered_of_it() -> None:
    placement = NodePlacement()
    arrive(placement, 20)
    for number in range(20):
        placement.remove(NodeId(f"{PAIR}{number}"))
        placement.remove(NodeId("never there"))
    assert len(placement) == 0
    assert placement.cell(NodeId(f"{PAIR}0")) is None
    assert not placement._alike
    assert not +placement._in_cell


def test_a_node_that_comes_again_counts_once() -> None:
    placement = NodePlacement()
    for _ in range(3):
        placement.add(NodeId("n"), PAIR, Cell(2))
    assert len(placement) == 1
    assert placement.cell(NodeId("n")) == 2
