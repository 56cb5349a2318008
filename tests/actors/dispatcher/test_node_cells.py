"""A node is registered in one cell, wherever it connects and whoever asks."""

from collections.abc import Iterator

import fakeredis
import pytest

from actors.messages.node import NodeAccepted, NodeBeat, NodeLost, NodeUnknown
from actors.messages.process import InstanceExpired
from protocol.ids import InstanceId, NodeId
from storage.client.executor import RedisExecutor
from tests.actors.support.cell_bench import A, B, C, CellBench, CellWorld


@pytest.fixture
def bench() -> Iterator[CellBench]:
    client = fakeredis.FakeAsyncRedis(server=fakeredis.FakeServer(), decode_responses=True)
    world = CellWorld.of_cells(RedisExecutor(client))
    yield CellBench(world)
    try:
        assert world.breaches() == []
    finally:
        world.close()


def cells_with(bench: CellBench, node: str) -> list[int]:
    store = bench.world.store
    keys = [f"{prefix}node:{node}" for prefix in store.cells.prefixes]
    found = bench.world.run(store.read([("EXISTS", key) for key in keys]))
    return [cell for cell, there in zip(store.cells.all, found, strict=True) if there]


def epoch(bench: CellBench, node: str) -> int:
    return int(bench.nodes[node].of(NodeAccepted)[-1].epoch)


def test_a_node_that_comes_back_goes_where_its_slots_are_counted(bench: CellBench) -> None:
    bench.node_in(C, "n", slots=2)
    bench.tell(NodeLost(NodeId("n"), epoch(bench, "n")))
    store = bench.world.store
    for prefix in store.cells.prefixes:  # the decision is forgotten long before the node
        bench.world.run(store.read([("DEL", f"{prefix}place:n")]))
    bench.start()
    bench.node("n", slots=2)
    assert cells_with(bench, "n") == [C]


def test_two_instances_that_decide_at_once_agree(bench: CellBench) -> None:
    nodes = bench.world.member().nodes
    assert bench.world.do(nodes.place(NodeId("n"), B)).cell == B
    assert bench.world.do(nodes.place(NodeId("n"), A)).cell == B
    bench.node("n")
    assert cells_with(bench, "n") == [B]


def test_nodes_of_all_cells_beat_in_one_script_each(bench: CellBench) -> None:
    for number, cell in enumerate((A, A, B, C)):
        bench.node_in(cell, f"n{number}")
    before = bench.store.count("heartbeat")
    beats = [
        NodeBeat(NodeId(f"n{number}"), epoch(bench, f"n{number}"), overloaded=False)
        for number in range(4)
    ]
    bench.tell(*beats)
    assert bench.store.count("heartbeat") - before == 3
    assert all(ref.of(NodeUnknown) == [] for ref in bench.nodes.values())


def test_a_node_that_the_dispatcher_has_forgotten_must_register_again(bench: CellBench) -> None:
    bench.node_in(B, "n")
    at = epoch(bench, "n")
    bench.start()
    bench.tell(NodeBeat(NodeId("n"), at, overloaded=False))
    assert len(bench.nodes["n"].of(NodeUnknown)) == 1
    bench.tell(bench.arrived("n"))
    assert cells_with(bench, "n") == [B]


def test_a_node_that_is_lost_after_a_restart_is_found_where_it_is(bench: CellBench) -> None:
    bench.node_in(C, "n")
    at = epoch(bench, "n")
    bench.leave("n")
    bench.start()
    bench.tell(NodeLost(NodeId("n"), at))
    record = bench.world.run(bench.world.member().nodes.get_node(NodeId("n")))
    assert record is not None
    assert (record.state, record.cell) == ("offline", C)


def test_a_dead_instance_is_cleared_up_after_in_each_cell(bench: CellBench) -> None:
    bench.world.beat("i2")
    bench.world.wait(10_000)
    bench.world.beat()
    bench.world.wait(10_000)
    bench.world.beat()
    bench.tell(*(InstanceExpired(InstanceId("i2"), cell) for cell in (A, B, C)))
    store = bench.world.store
    left = bench.world.run(
        store.read([("ZSCORE", f"{prefix}insts", "i2") for prefix in store.cells.prefixes])
    )
    assert left == [None, None, None]
