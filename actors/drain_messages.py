"""What is told when a node is to get no new jobs.

As in `actors.messages`: commands in the imperative, facts in the past tense, values only.
"""

from dataclasses import dataclass

from protocol.ids import NodeId


@dataclass(frozen=True, slots=True)
class DrainNode:
    """To a node's actor: take nothing new, and let the node go when it has nothing open."""


@dataclass(frozen=True, slots=True)
class NodeDraining:
    """To the dispatcher: the node is to get no new jobs; answered by `NodeDrained`."""

    node_id: NodeId
    epoch: int


@dataclass(frozen=True, slots=True)
class NodeDrained:
    """To the node's actor: the store gives it nothing any more, under this epoch."""

    epoch: int
