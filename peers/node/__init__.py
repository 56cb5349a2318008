"""A node: it offers its engines to a scheduler and works on the jobs it is given."""

from peers.node.node import ReferenceNode, RegistrationRefusedError
from peers.node.options import ReferenceNodeOptions

__all__ = ["ReferenceNode", "ReferenceNodeOptions", "RegistrationRefusedError"]
