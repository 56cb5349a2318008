"""The bounds that go with every job, and how a script is given a job's specification. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from storage.job import JobSpec
from storage.keys import key_text
from storage.tenant_share import EQUAL_SHARE, TenantShare


@dataclass(frozen=True, slots=True)
class JobLimits:
    """The bounds that go with every job. Durations in ms."""

    pending_timeout_ms: int = 10000
    """How long a job may wait for a node."""
    job_timeout_ms: int = 30000
    """How long a node may take, from the assignment."""
    turn_wait_ms: int = 2000
    """How long a segment waits for its turn's node before the turn moves."""
    max_attempts: int = 3
    max_queued_jobs: int = 1000
    max_queued_per_session: int = 20
    record_outcomes_ttl_ms: int = 90000
    """How long recorded outcomes outlive the last one."""
    stream_reserve: float = 0.25
    """Part of the slots of a pair that utterances which are being spoken leave free."""
    shares: Mapping[str, TenantShare] = field(default_factory=dict)
    """By tenant; one that is not here has `EQUAL_SHARE`."""


def spec_arguments(spec: JobSpec, limits: JobLimits) -> dict[str, str | int]:
    """Return the arguments that say what a job is, by name."""
    share = limits.shares.get(spec.tenant_id, EQUAL_SHARE)
    return {
        "job": spec.job_id,
        "request": spec.request_id,
        "session": spec.session_id,
        "session_epoch": spec.session_epoch,
        "cut": spec.cut,
        "index": spec.utterance_index,
        "language": spec.language,
        "source": spec.source,
        "requirement": spec.requirement,
        "preference": spec.preference,
        "turn": spec.turn_id,
        "part": spec.turn_part,
        "continues": int(spec.turn_continues),
        "tenant": key_text(spec.tenant_id),
        "weight": share.weight,
        "slots_cap": share.slots,
        "trace": spec.trace_id,
        "cost_ms": spec.cost_ms,
        "deadline_ms": spec.deadline_in_ms,
    }
