"""The nodes of an instance by state, as `/metrics` shows them."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import replace

from gateway.http.node_states import NodeStates
from protocol.ids import InstanceId, NodeId
from storage.capability import node_atoms
from storage.cells import FIRST
from storage.client.executor import StorageUnavailable
from storage.nodes import NodeRecord
from tests.support.virtual_time import run_virtual

NODE = NodeRecord(
    node_id=NodeId("n1"),
    cell=FIRST,
    state="online",
    owner_instance=InstanceId("i1"),
    epoch=1,
    atoms=node_atoms(["en"], ["es"]),
    max_jobs=4,
    used_slots=1,
    overloaded_until_ms=0,
    suspect=False,
    penalties={},
    info={},
)
RECORDS = (
    NODE,
    replace(NODE, used_slots=4),
    replace(NODE, state="draining"),
    replace(NODE, suspect=True),
    replace(NODE, overloaded_until_ms=2000),
    replace(NODE, atoms=node_atoms(["en"], ["fr"])),
)


class Bench:
    def __init__(self) -> None:
        self.reads = 0
        self.is_away = False
        self.states = NodeStates(most_pairs=1)
        self.states.watch(self.read, lambda: 1000)

    async def read(self) -> Sequence[NodeRecord]:
        self.reads += 1
        if self.is_away:
            raise StorageUnavailable("away")
        return RECORDS

    def samples(self) -> Iterator[tuple[str, tuple[str, ...], float]]:
        for family in self.states.families():
            for sample in family.samples:
                yield sample.name, tuple(sample.labels.values()), sample.value


def test_nodes_are_counted_by_what_they_can_do_now() -> None:
    bench = Bench()
    run_virtual(bench.states.renew())
    shown = {(name, labels): value for name, labels, value in bench.samples()}
    counts = [shown["lingua_nodes_by_state", (state,)] for state in (
        "online", "overloaded", "suspect", "draining",
    )]  # fmt: skip
    assert counts == [3, 1, 1, 1]
    pairs = [labels for name, labels in shown if name == "lingua_slots_free"]
    assert pairs == [("en", "fr")], "of more than are named, those with the fewest free slots"


def test_the_store_is_asked_once_a_second_however_often_figures_are() -> None:
    bench = Bench()

    async def main() -> None:
        for _ in range(30):
            await bench.states.renew()
            await asyncio.sleep(0.1)

    run_virtual(main())
    assert bench.reads == 3


def test_a_store_that_is_away_is_a_figure_and_no_fault() -> None:
    bench = Bench()

    async def main() -> None:
        await bench.states.renew()
        bench.is_away = True
        await asyncio.sleep(2)
        await bench.states.renew()

    run_virtual(main())
    shown = {name: value for name, labels, value in bench.samples() if not labels}
    assert shown["lingua_store_up"] == 0
