"""What an operator may set about jobs: how long they wait and run. Must not: decide anything."""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Le

from protocol.beginning import OUTCOME_MAX_BYTES


@dataclass(frozen=True, slots=True)
class DispatchOptions:
    """Bounds of a job's life and of the queues it waits in."""

    pending_timeout_ms: int = 10_000
    """Milliseconds for which a job waits for a free node, at most."""
    job_timeout_ms: Annotated[int, Ge(1)] = 30_000
    """Milliseconds that a node has for a job, from its dispatch."""
    max_attempts: Annotated[int, Ge(1)] = 3
    """Nodes that a job is given to, one after the other, at most."""
    turn_wait_ms: int = 2_000
    """Milliseconds for which a segment waits for its turn's node before the turn moves."""
    model_penalty_ms: int = 60_000
    """Milliseconds for which a node that lacked a model is not chosen for that pair."""
    max_queued_jobs: int = 1_000
    """Jobs that may wait for a node in the whole cluster."""
    max_queued_per_session: int = 20
    """Jobs of one session that may wait for a node."""
    stream_reserve: Annotated[float, Ge(0), Le(1)] = 0.25
    """Part of a pair's slots that stays free of speech which is still being spoken."""
    record_outcomes: bool = True
    """Outcomes are recorded in the store, without speech, until the session's grace has passed."""
    outcome_max_bytes: Annotated[int, Ge(1024)] = OUTCOME_MAX_BYTES
    """Bytes of a recorded outcome; of a longer one the beginning is recorded. Delivery is whole."""
