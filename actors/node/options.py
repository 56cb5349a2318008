"""What an operator may set about nodes: capacity and liveness. Must not: decide anything."""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Le


@dataclass(frozen=True, slots=True)
class NodeOptions:
    """How many jobs a node gets, and when it counts as loaded or lost."""

    max_jobs_per_node: Annotated[int, Ge(1)] = 4
    """Open slots of a node that does not say how many jobs it can take."""
    node_timeout_ms: Annotated[int, Ge(1)] = 45_000
    """Milliseconds without a heartbeat after which a node is lost."""
    node_probe_ms: Annotated[int, Ge(1)] = 2_000
    """Milliseconds that a node's socket has for a sign of life when another one claims its id."""
    node_error_limit: Annotated[int, Ge(0), Le(16)] = 3
    """Errors of a node in a row after which others are chosen in its stead; 0: never."""
    suspect_ms: Annotated[int, Ge(1), Le(300_000)] = 10_000
    """Milliseconds until such a node gets a job on trial; doubled with each failure, to 300000."""
    stream_lag_ms: Annotated[int, Ge(1)] = 2_000
    """Milliseconds for which speech waits for a node that hears it while it is spoken, at most."""
    resource_threshold: Annotated[float, Le(100)] = 95.0
    """Per cent of CPU, GPU or memory above which a node is chosen last."""
    overload_hold_ms: int = 3_000
    """Milliseconds after which the mark of an overloaded node lapses by itself."""
