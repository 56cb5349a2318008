"""Repositories: the store's scripts and reads, by subject, with the limits that operators set."""

from dataclasses import dataclass

from cli.settings import Settings
from protocol.ids import InstanceId
from storage.instances import InstanceRepository
from storage.jobs import JobLimits, JobRepository
from storage.nodes import NodeRepository
from storage.rooms import RoomRepository
from storage.sessions import SessionRepository
from storage.store import Store

_RECORD_BEYOND_GRACE_MS = 60_000
"""Recorded outcomes outlive the grace by this much."""


@dataclass(frozen=True, slots=True)
class Repositories:
    """All there is of them."""

    jobs: JobRepository
    nodes: NodeRepository
    sessions: SessionRepository
    instances: InstanceRepository
    rooms: RoomRepository


def repositories(settings: Settings, store: Store, instance_id: InstanceId) -> Repositories:
    """Return those of one instance."""
    dispatch = settings.dispatch
    grace_ms = int(settings.session.session_grace_seconds * 1000)
    limits = JobLimits(
        pending_timeout_ms=dispatch.pending_timeout_ms,
        job_timeout_ms=dispatch.job_timeout_ms,
        turn_wait_ms=dispatch.turn_wait_ms,
        max_attempts=dispatch.max_attempts,
        max_queued_jobs=dispatch.max_queued_jobs,
        max_queued_per_session=dispatch.max_queued_per_session,
        record_outcomes_ttl_ms=grace_ms + _RECORD_BEYOND_GRACE_MS,
    )
    return Repositories(
        JobRepository(store, instance_id, limits),
        NodeRepository(store, instance_id),
        SessionRepository(store, instance_id),
        InstanceRepository(store, instance_id, grace_ms),
        RoomRepository(store, instance_id),
    )
