"""A node: it offers its engines to a scheduler and works on the jobs it is given."""

from peers.node.node import ReferenceNode, RegistrationRefusedError
from peers.node.options import ReferenceNodeOptions
from peers.node.program import run_node

__all__ = ["ReferenceNode", "ReferenceNodeOptions", "RegistrationRefusedError", "run_node"]
