"""What a node can do with speech: recognise, translate, speak; and the opus codec."""

from peers.engines.engine import (
    EngineError,
    EngineLanguages,
    Engines,
    Listening,
    ModelMissingError,
    Speech,
)

__all__ = [
    "EngineError",
    "EngineLanguages",
    "Engines",
    "Listening",
    "ModelMissingError",
    "Speech",
]
