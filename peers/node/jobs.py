"""The jobs a node has in hand: taken, started, answered, given up.

Owns one task per job and how many run at once. What is done in a job is `pipeline`'s; how messages
reach the scheduler is the caller's.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable

from loguru import logger

from peers.node.pipeline import JobPipeline
from peers.node.profile import WorkLoad
from protocol.errors import ErrorCode
from protocol.ids import NodeJobId
from protocol.messages.node_inbound import JobAck, JobError, JobResult, JobStarted, NodeAsrPartial
from protocol.messages.node_outbound import JobAssign
from protocol.wire import WireMessage

MAX_KNOWN_JOBS = 10_000
"""Ids remembered, to refuse one that comes a second time."""


class NodeJobs:
    """At most `max_jobs` run; more than that wait in the order they came."""

    def __init__(
        self, pipeline: JobPipeline, max_jobs: int, send: Callable[[WireMessage], None]
    ) -> None:
        self._pipeline = pipeline
        self._send = send
        self._max_jobs = max_jobs
        self._free = asyncio.Semaphore(max_jobs)
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._known: OrderedDict[str, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._tasks)

    def load(self) -> WorkLoad:
        """Return how much there is to do at this moment."""
        running = min(len(self._tasks), self._max_jobs)
        return WorkLoad(running, len(self._tasks) - running)

    def assign(self, job: JobAssign) -> None:
        """Take a job; the answers follow in their time."""
        if job.job_id in self._known:
            self._refuse(job)
            return
        self._known[job.job_id] = None
        if len(self._known) > MAX_KNOWN_JOBS:
            self._known.popitem(last=False)
        self._send(
            JobAck(
                job_id=NodeJobId(job.job_id),
                attempt_id=job.attempt_id,
                session_id=job.session_id,
                trace_id=job.trace_id,
            )
        )
        task = asyncio.create_task(self._work(job))
        self._tasks[job.job_id] = task
        task.add_done_callback(lambda _: self._tasks.pop(job.job_id, None))

    def cancel(self, job_id: str) -> None:
        """Give a job up, if it is still in hand; nothing more is sent about it."""
        task = self._tasks.get(job_id)
        if task is not None:
            logger.info("job cancelled", job_id=job_id)
            task.cancel()

    async def finish(self) -> None:
        """Return when no job is in hand any more."""
        while self._tasks:
            await asyncio.wait(list(self._tasks.values()))

    async def stop(self) -> None:
        """Give all jobs up."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _work(self, job: JobAssign) -> None:
        async with self._free:
            self._send(
                JobStarted(
                    job_id=NodeJobId(job.job_id),
                    attempt_id=job.attempt_id,
                    session_id=job.session_id,
                    trace_id=job.trace_id,
                )
            )
            result = await self._pipeline.run(job, self._partials_of(job))
        logger.info(
            "job done",
            job_id=job.job_id,
            success=result.success,
            total_ms=result.processing_time_ms,
        )
        self._send(result)

    def _partials_of(self, job: JobAssign) -> Callable[[str], None] | None:
        """Return what sends the text so far, at most once per interval; None if nobody asked."""
        if not job.enable_streaming_asr:
            return None
        interval = (job.partial_update_interval_ms or 0) / 1000
        sent_at = -interval

        def send_partial(text: str) -> None:
            nonlocal sent_at
            now = time.monotonic()
            if now - sent_at < interval:
                return
            sent_at = now
            self._send(
                NodeAsrPartial(
                    job_id=NodeJobId(job.job_id),
                    session_id=job.session_id,
                    utterance_index=job.utterance_index,
                    text=text,
                    is_final=False,
                    trace_id=job.trace_id,
                )
            )

        return send_partial

    def _refuse(self, job: JobAssign) -> None:
        """Answer an id that was used before, as the existing nodes do: once per node, for ever."""
        logger.warning("a job id came a second time", job_id=job.job_id)
        self._send(
            JobResult(
                job_id=NodeJobId(job.job_id),
                attempt_id=job.attempt_id,
                session_id=job.session_id,
                utterance_index=job.utterance_index,
                success=False,
                error=JobError(
                    code=ErrorCode.PROCESSING_ERROR,
                    message="DUPLICATE_JOB_ID: this node has seen the id before",
                ),
                trace_id=job.trace_id,
            )
        )
