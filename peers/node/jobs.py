"""The jobs a node has in hand: taken, started, heard, answered, given up.

Owns one task per job and how many run at once. What is done in a job is `pipeline`'s; how messages
reach the scheduler is the caller's.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable

from loguru import logger

from peers.node.partial_sender import PartialSender
from peers.node.pipeline import JobPipeline
from peers.node.profile import WorkLoad
from peers.node.spoken_audio import SpokenAudio
from protocol.errors import ErrorCode
from protocol.ids import NodeJobId
from protocol.messages.node_inbound import JobAck, JobError, JobResult, JobStarted, NodeAsrPartial
from protocol.messages.node_outbound import JobAssign, JobEnd
from protocol.stream_frames import StreamFrame
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
        self._spoken: dict[str, SpokenAudio] = {}
        """Audio of the jobs that are taken while they are being spoken."""

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
        if job.streaming:
            self._spoken[job.job_id] = SpokenAudio()
        task = asyncio.create_task(self._work(job))
        self._tasks[job.job_id] = task
        task.add_done_callback(lambda _: self._forget(job.job_id))

    def take_audio(self, frame: StreamFrame) -> None:
        """Take a piece of what is being spoken; one of a job that is not in hand is too late."""
        audio = self._spoken.get(frame.job_id)
        if audio is not None:
            audio.add(frame.number, frame.audio)

    def end(self, message: JobEnd) -> None:
        """Note that a job is spoken to its end: its result is due."""
        audio = self._spoken.get(message.job_id)
        if audio is not None:
            audio.end(message.frames, message.padding_ms or 0)

    def give_up_unfinished(self) -> None:
        """Give up what is still being spoken: its frames come no more, the socket is lost."""
        for job_id, audio in list(self._spoken.items()):
            if audio.ended_at is None:
                self.cancel(job_id)

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
            audio = self._spoken.get(job.job_id)
            if audio is None:
                result = await self._pipeline.run(job, self._partials_of(job))
            else:
                result = await self._hear(job, audio)
        logger.info(
            "job done",
            job_id=job.job_id,
            success=result.success,
            total_ms=result.processing_time_ms,
        )
        self._send(result)

    async def _hear(self, job: JobAssign, audio: SpokenAudio) -> JobResult:
        if not job.enable_streaming_asr:
            return await self._pipeline.run_stream(job, audio, None)
        async with PartialSender(job, self._pipeline.translated, self._send) as partials:
            return await self._pipeline.run_stream(job, audio, partials.heard)

    def _forget(self, job_id: str) -> None:
        self._tasks.pop(job_id, None)
        self._spoken.pop(job_id, None)

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
