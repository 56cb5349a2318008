"""Repositories: what one instance reads and changes of the store, put together."""

from dataclasses import dataclass
from typing import Self

from cli.settings.settings import Settings
from protocol.ids import InstanceId
from storage.instances import InstanceRepository
from storage.job_limits import JobLimits
from storage.jobs import JobRepository
from storage.nodes import NodeRepository
from storage.note_stream import NoteStream
from storage.rooms import RoomRepository
from storage.sessions import SessionRepository
from storage.store import Store, open_executor
from storage.tenant_share import shares_of

_RECORD_BEYOND_GRACE_MS = 60_000
"""Recorded outcomes outlive the grace by this much."""


@dataclass(frozen=True, slots=True)
class Repositories:
    """All of them, over one store."""

    jobs: JobRepository
    nodes: NodeRepository
    sessions: SessionRepository
    instances: InstanceRepository
    rooms: RoomRepository

    @classmethod
    def of(cls, settings: Settings, store: Store, instance_id: InstanceId) -> Self:
        """Return the repositories of an instance."""
        dispatch = settings.dispatch
        grace_ms = int(settings.session.session_grace_seconds * 1000)
        record_ttl_ms = grace_ms + _RECORD_BEYOND_GRACE_MS
        limits = JobLimits(
            pending_timeout_ms=dispatch.pending_timeout_ms,
            job_timeout_ms=dispatch.job_timeout_ms,
            turn_wait_ms=dispatch.turn_wait_ms,
            max_attempts=dispatch.max_attempts,
            max_queued_jobs=dispatch.max_queued_jobs,
            max_queued_per_session=dispatch.max_queued_per_session,
            record_outcomes_ttl_ms=record_ttl_ms,
            stream_reserve=dispatch.stream_reserve,
            shares=shares_of(settings.admission.tenants),
        )
        return cls(
            JobRepository(store, instance_id, limits),
            NodeRepository(store, instance_id),
            SessionRepository(store, instance_id, record_ttl_ms),
            InstanceRepository(store, instance_id, grace_ms),
            RoomRepository(store, instance_id),
        )


def note_streams(store: Store, url: str, instance_id: InstanceId) -> list[NoteStream]:
    """Return an instance's mailbox in each cell, with connections of their own: reading waits."""
    return [
        NoteStream(
            open_executor(url, waits=True), instance_id, prefix=store.prefix_of(cell), cell=cell
        )
        for cell in store.cells.all
    ]
