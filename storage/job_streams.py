"""JobStreams: slots for utterances that are being spoken. Builders are pure and return a `Call`."""

from collections.abc import Iterable

from protocol.ids import InstanceId, JobId, NodeId
from storage.call import Call
from storage.cells import Cell
from storage.job import JobSpec
from storage.job_limits import JobLimits, spec_arguments
from storage.job_reads import JobReads
from storage.replies import reader
from storage.replies.job import Assigned, Completed, Duplicate, Fenced, Gone, Moved, NoNode
from storage.scripts import load_script
from storage.store import Store

_OPEN = load_script("job/open_stream")
_CLOSE = load_script("job/close_stream")
_OF_A_CUT = frozenset({"request"})
"""What a job is given at its cut only."""
STREAM_LIFE_MS = 600_000
"""A stream that nobody ends is given up then; what is spoken is cut long before."""


class JobStreams(JobReads):
    """A stream is opened, and becomes a job by `dispatch` at its cut or is closed."""

    def __init__(self, store: Store, instance_id: InstanceId, limits: JobLimits) -> None:
        super().__init__(store)
        self._instance_id = instance_id
        self._limits = limits

    def open_stream(
        self, spec: JobSpec, excluded: Iterable[NodeId] = (), epoch: int | None = None
    ) -> Call[Assigned | Duplicate | NoNode | Moved | Fenced]:
        """Give a slot to what is being spoken, if nobody waits and enough others stay free.

        Nothing is kept of it besides: it never waits, and has no deadline before its cut.
        """
        limits = self._limits
        given = spec_arguments(spec, limits)
        given = {name: text for name, text in given.items() if name not in _OF_A_CUT}
        given["deadline_ms"] = STREAM_LIFE_MS
        if epoch is not None:
            given["session_epoch"] = epoch
        args = _OPEN.arguments(
            now=self._store.clock_ms(),
            instance=self._instance_id,
            **given,
            job_ms=limits.job_timeout_ms,
            excluded="\n".join(excluded),
            reserve=round(limits.stream_reserve * 1000),
        )
        return Call(_OPEN, self._keys(spec.job_id, None), args, reader.borrowed)

    def close_stream(
        self, job_id: JobId, cell: Cell | None = None, *, erred: bool = False
    ) -> Call[Completed | Gone]:
        """Free the slot of a stream that comes to nothing; it never was a job.

        `erred`: its node has answered it, which counts as any error of that node.
        """
        args = _CLOSE.arguments(
            now=self._store.clock_ms(), instance=self._instance_id, job=job_id, erred=int(erred)
        )
        return Call(_CLOSE, self._keys(job_id, cell), args, reader.stream_closed)
