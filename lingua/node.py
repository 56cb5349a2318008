"""A node of one's own: three callables for engines, and the node that runs them."""

from peers.engines import (
    EngineError,
    EngineLanguages,
    Engines,
    Listening,
    ModelMissingError,
    Speech,
)
from peers.node import ReferenceNode, ReferenceNodeOptions, RegistrationRefusedError, run_node

__all__ = [
    "EngineError",
    "EngineLanguages",
    "Engines",
    "Listening",
    "ModelMissingError",
    "ReferenceNode",
    "ReferenceNodeOptions",
    "RegistrationRefusedError",
    "Speech",
    "run_node",
]
