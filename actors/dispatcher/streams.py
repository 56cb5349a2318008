"""Streams: what is being spoken at nodes, for the sessions of this dispatcher.

Each is opened by a script, and becomes a job by the `dispatch_task` of its cut or is closed by one.
It has no deadline of its own before that, and nothing ever waits for it.
"""

from collections.abc import Sequence
from functools import partial

from loguru import logger

from actors.dispatcher.claims import Claims
from actors.dispatcher.job_ends import JobEnds
from actors.dispatcher.open_jobs import OpenJob
from actors.dispatcher.step import Expiry, Step
from actors.messages.job import AssignJob, UtteranceCut
from actors.messages.stream import (
    StreamBroken,
    StreamClosed,
    StreamCut,
    StreamEnded,
    StreamOpened,
    StreamWanted,
)
from actors.runtime.actor import tell
from protocol.ids import InstanceId, JobId, NodeId, SessionId
from storage.job import FINAL_STATES
from storage.replies.job import Assigned, Duplicate, Fenced, Moved, NoNode

_WANTED_FOR_MS = 1_000
"""So long a session is worth asking the store for: then more has been said, and it asks again."""


class Streams:
    """Open streams by job. What is in the store as a stream of ours is here, or on its way out."""

    def __init__(self, ends: JobEnds, claims: Claims) -> None:
        self._ends = ends
        self._claims = claims
        self._directory = ends.directory
        self.by_id: dict[JobId, OpenJob] = {}
        """Read by who holds them; changed here."""

    def on(
        self, message: StreamWanted | StreamClosed | StreamBroken, now_ms: float
    ) -> Sequence[Step]:
        """Handle one message."""
        match message:
            case StreamWanted():
                return self.wanted(message, now_ms)
            case StreamClosed():
                return self.closed(message)
            case StreamBroken():
                return self.broken(message)

    # ---- opening ----------------------------------------------------------------------------

    def wanted(self, message: StreamWanted, now_ms: float) -> Sequence[Step]:
        """A session has begun to say something."""
        spec, claims = message.spec, self._claims
        if spec.session_id in claims.under_way:
            again = partial(self.wanted, message, now_ms)
            expiry = Expiry(now_ms + _WANTED_FOR_MS, partial(self._refuse, message))
            return claims.claim(spec.session_id, again, expiry)
        if spec.session_id not in claims:
            return self._refuse(message)

        def give_up() -> Sequence[Step]:
            return (*self._refuse(message), self._close(spec.job_id))

        call = self._ends.jobs.open_stream(
            spec, message.excluded, claims.epochs.get(spec.session_id, 0)
        )
        expiry = Expiry(now_ms + _WANTED_FOR_MS, give_up)
        return (Step(call, partial(self._answered, message, now_ms), expiry, spec.job_id),)

    @staticmethod
    def _refuse(message: StreamWanted) -> Sequence[Step]:
        tell(message.session, StreamEnded(message.spec.job_id))
        return ()

    def _answered(
        self,
        message: StreamWanted,
        now_ms: float,
        reply: Assigned | Duplicate | NoNode | Moved | Fenced,
    ) -> Sequence[Step]:
        spec, here = message.spec, self._directory.instance_id
        is_open = isinstance(reply, Assigned) or (
            isinstance(reply, Duplicate) and reply.state not in FINAL_STATES
        )
        if not isinstance(reply, Assigned | Duplicate) or not is_open or reply.node_id is None:
            return self._refuse(message)
        job = OpenJob(message.session, spec, message.work, since_ms=now_ms)
        job.place(1, reply.node_id, reply.node_instance)
        self.by_id[spec.job_id] = job
        node = self._ends.node_of(job)
        assignment = AssignJob(message.session, spec, message.work, 1, b"", here, streaming=True)
        if node is None or not tell(node, assignment):
            return self._give_up(job, failed=job.node_id)
        if not tell(message.session, StreamOpened(spec.job_id, reply.node_id, node)):
            return self._give_up(job)
        return ()

    # ---- its cut ----------------------------------------------------------------------------

    def take(self, message: UtteranceCut, reply: Assigned) -> OpenJob | None:
        """Return what was cut just now, if its node has all of it and the store knows it there."""
        if not message.frames:
            return None
        job = self.by_id.pop(message.spec.job_id, None)
        if job is None:
            return None
        if reply.attempt == 1 and reply.node_id == job.node_id:
            return job
        self._ends.withdraw(job, "stream_lost")
        return None

    def cut(self, job: OpenJob, message: UtteranceCut) -> bool:
        """Tell the node that this was all; False if there is no way to it."""
        spec, work = message.spec, message.work
        node = self._ends.node_of(job)
        ended = StreamCut(
            job_id=spec.job_id,
            owner=self._directory.instance_id,
            frames=message.frames,
            duration_ms=spec.cost_ms,
            padding_ms=work.padding_ms,
            cut_reason=message.reason,
            is_manual_cut=work.is_manual_cut,
        )
        return node is not None and tell(node, ended)

    # ---- its end before the cut ---------------------------------------------------------------

    def closed(self, message: StreamClosed) -> Sequence[Step]:
        """What was spoken comes to nothing."""
        job = self.by_id.pop(message.job_id, None)
        if job is not None:
            self._ends.withdraw(job, "stream_closed")
        return (self._close(message.job_id),)

    def taken_back(self, job_id: JobId) -> Sequence[Step]:
        """The store gave its slot to one that waited."""
        job = self.by_id.pop(job_id, None)
        if job is not None:
            self._ends.withdraw(job, "stream_taken")
            tell(job.session, StreamEnded(job_id))
        return ()

    def broken(self, message: StreamBroken) -> Sequence[Step]:
        """Its node does not hear it any more."""
        job = self.by_id.get(message.job_id)
        if job is None or job.node_id != message.node_id:
            return ()
        logger.warning(
            "a node lost what is being spoken",
            job_id=message.job_id,
            node_id=message.node_id,
            reason=message.reason,
        )
        return self._give_up(job, message.node_id, erred=message.erred)

    def node_lost(self, job_id: JobId) -> Sequence[Step]:
        """Its node is gone."""
        job = self.by_id.get(job_id)
        return () if job is None else self._give_up(job, failed=job.node_id)

    def unreachable(self, instance_id: InstanceId) -> Sequence[Step]:
        """There is no way to the nodes of an instance."""
        lost = [job for job in self.by_id.values() if job.node_instance == instance_id]
        return [step for job in lost for step in self._give_up(job, failed=job.node_id)]

    def session_gone(self, session_id: SessionId) -> Sequence[Step]:
        """The session is over, or lives elsewhere."""
        left = [job for job in self.by_id.values() if job.spec.session_id == session_id]
        return [step for job in left for step in self._give_up(job)]

    def give_up_all(self) -> Sequence[Step]:
        """The store has lost its data, or this dispatcher took over from another."""
        return [step for job in tuple(self.by_id.values()) for step in self._give_up(job)]

    def _give_up(
        self, job: OpenJob, failed: NodeId | None = None, *, erred: bool = False
    ) -> Sequence[Step]:
        self.by_id.pop(job.job_id, None)
        self._ends.withdraw(job, "stream_lost")
        tell(job.session, StreamEnded(job.job_id, failed))
        return (self._close(job.job_id, erred=erred),)

    def _close(self, job_id: JobId, *, erred: bool = False) -> Step:
        call = self._ends.jobs.close_stream(job_id, erred=erred)
        return Step(call, lambda _reply: ())
