"""Nodes that are lost, for the tests of the dispatcher."""

from actors.messages.node import (
    NodeAccepted,
    NodeLost,
)
from protocol.ids import NodeId
from tests.actors.support.dispatch_bench import DispatchBench


def lose(bench: DispatchBench, name: str) -> NodeLost:
    """Let a node's actor end; return what it tells."""
    ref = bench.leave(name)
    return NodeLost(NodeId(name), ref.of(NodeAccepted)[-1].epoch)


def first_and_other(bench: DispatchBench) -> tuple[str, str]:
    return ("n", "other") if bench.assigned("n") else ("other", "n")
