"""A node without engines: it answers each job at once or after a given delay.

It speaks the node's side of the wire (`node_register`, `node_heartbeat`, `job_assign` in,
`job_result` out) and counts what a scheduler must guarantee: how many jobs are open at the same
moment, and how long a final took to become a `job_assign` (the stamp in the job's audio). Its
results carry that stamp as recognised text, so that a client can tell whose result it got.
"""

import asyncio
import base64
import time
from dataclasses import dataclass
from typing import Any, Final

from pydantic_core import from_json, to_json

from peers.bench.counts import Counts
from peers.bench.raw_socket import Address, RawSocket, open_socket
from peers.bench.stamped_chunk import now_ns, read_stamp, read_stamp_of
from protocol.stream_frames import STREAM_AUDIO, parse_stream_frame

HEARTBEAT_SECONDS: Final = 15.0
REGISTER_TIMEOUT_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class NodeShape:
    """What a simulated node offers and how it answers."""

    capacity: int = 4
    """Jobs at once, told to the scheduler as `max_concurrent_jobs`."""
    delay_ms: int = 0
    """From `job_assign` to `job_result`; 0 answers within the same turn of the loop."""
    result_bytes: int = 11_000
    """Length of a `job_result`, almost all of it speech in base64."""
    languages: tuple[str, ...] = ("en", "es")
    streams: bool = False
    """It takes jobs while they are being spoken."""


@dataclass(slots=True)
class _Stream:
    job: dict[str, Any]
    frames: int = 0
    stamp_ns: int | None = None
    """Of the last one."""


class SimulatedNode:
    """One node on one socket; never reconnects."""

    def __init__(self, name: str, shape: NodeShape, counts: Counts) -> None:
        self.node_id = name
        """What it asks to be called; the scheduler's acknowledgement may change it."""
        self.open_jobs: set[str] = set()
        self.jobs_answered = 0
        self._shape = shape
        self._counts = counts
        self._socket: RawSocket | None = None
        self._registered: asyncio.Future[None] | None = None
        self._heartbeat: asyncio.TimerHandle | None = None
        self._streams: dict[str, _Stream] = {}
        speech = base64.b64encode(b"\x5a" * (max(shape.result_bytes - 700, 0) * 3 // 4))
        self._speech = b',"tts_audio":"' + speech + b'","tts_format":"opus"}'

    async def open(self, host: str, port: int) -> None:
        """Connect, register and wait for the acknowledgement.

        Raises:
            ConnectionError: the server is not there or refused the node.
            TimeoutError: no acknowledgement in time.
        """
        loop = asyncio.get_running_loop()
        self._registered = loop.create_future()
        self._socket = await open_socket(Address(host, port, "/ws/node"), self._on_message)
        self._socket.closed.add_done_callback(self._on_closed)
        self._socket.send_text(to_json(self.register_message()))
        async with asyncio.timeout(REGISTER_TIMEOUT_SECONDS):
            await self._registered
        self._beat()

    def close(self) -> None:
        """Leave; open jobs stay unanswered."""
        if self._heartbeat is not None:
            self._heartbeat.cancel()
        self.open_jobs.clear()
        if self._socket is not None:
            self._socket.closed.remove_done_callback(self._on_closed)
            self._socket.close()

    def register_message(self) -> dict[str, Any]:
        """Return the `node_register` of this node."""
        return {
            "type": "node_register",
            "node_id": self.node_id,
            "version": "2.0.0",
            "capability_schema_version": "2.0",
            "platform": "linux",
            "hardware": {"cpu_cores": 1, "memory_gb": 1},
            "installed_models": [],
            "capability_by_type": [],
            "features_supported": {},
            "accept_public_jobs": True,
            "language_capabilities": self._languages(),
            "max_concurrent_jobs": self._shape.capacity,
            "streaming": self._shape.streams,
        }

    def heartbeat_message(self) -> dict[str, Any]:
        """Return a `node_heartbeat` of this node."""
        return {
            "type": "node_heartbeat",
            "node_id": self.node_id,
            "timestamp": time.time_ns() // 1_000_000,
            "resource_usage": {
                "cpu_percent": 5.0,
                "gpu_percent": 0.0,
                "mem_percent": 5.0,
                "running_jobs": len(self.open_jobs),
            },
            "installed_services": [],
            "capability_by_type": [],
            "language_capabilities": self._languages(),
        }

    def result_message(self, job: dict[str, Any], text: str) -> bytes:
        """Return the `job_result` that answers `job` with `text` as what was heard."""
        head = to_json(
            {
                "type": "job_result",
                "job_id": job["job_id"],
                "attempt_id": job.get("attempt_id", 1),
                "node_id": self.node_id,
                "session_id": job["session_id"],
                "utterance_index": job["utterance_index"],
                "success": True,
                "text_asr": text,
                "text_translated": text,
                "extra": {"language_probability": 1.0},
                "processing_time_ms": self._shape.delay_ms,
                "trace_id": job.get("trace_id", ""),
            }
        )
        return head[:-1] + self._speech

    def _languages(self) -> dict[str, Any]:
        spoken = list(self._shape.languages)
        return {
            "asr_languages": spoken,
            "semantic_languages": spoken,
            "tts_languages": spoken,
            "semantic_core_ready": True,
        }

    def _beat(self) -> None:
        if self._socket is not None:
            self._socket.send_text(to_json(self.heartbeat_message()))
        loop = asyncio.get_running_loop()
        self._heartbeat = loop.call_later(HEARTBEAT_SECONDS, self._beat)

    def _on_message(self, data: bytes) -> None:
        received_ns = now_ns()
        if data[0] == STREAM_AUDIO:
            self._heard(data)
            return
        message = from_json(data)
        match message["type"]:
            case "job_assign" if message.get("streaming"):
                self._begin(message)
            case "job_assign":
                self._assigned(message, received_ns)
            case "job_end":
                self._ended(message, received_ns)
            case "job_cancel":
                self.open_jobs.discard(message["job_id"])
                self._streams.pop(message["job_id"], None)
            case "node_register_ack":
                self._acknowledged(message)
            case _:
                pass

    def _acknowledged(self, ack: dict[str, Any]) -> None:
        if self._registered is None or self._registered.done():
            return
        if ack.get("error"):
            self._registered.set_exception(
                ConnectionError(f"node {self.node_id} was refused: {ack['error']}")
            )
            return
        self.node_id = ack["node_id"]
        self._registered.set_result(None)

    def _assigned(self, job: dict[str, Any], received_ns: int) -> None:
        job_id = job["job_id"]
        if job_id in self.open_jobs:
            self._counts.problem(f"node {self.node_id} got {job_id} while it was still open")
        self.open_jobs.add(job_id)
        self._do(job, read_stamp(job["audio"]), received_ns)

    def _begin(self, job: dict[str, Any]) -> None:
        """Somebody has begun to speak."""
        self.open_jobs.add(job["job_id"])
        self._streams[job["job_id"]] = _Stream(job)
        self._counts.most_open_at_a_node = max(
            self._counts.most_open_at_a_node, len(self.open_jobs)
        )

    def _heard(self, data: bytes) -> None:
        """Take a frame; all that is kept of it is the moment that it carries."""
        frame = parse_stream_frame(data)
        stream = self._streams.get(frame.job_id)
        if stream is None:
            return  # of one that was cancelled, or is not known
        if frame.number != stream.frames:
            self._counts.problem(f"frame {frame.number} of {frame.job_id} after {stream.frames}")
        stream.frames += 1
        stream.stamp_ns = read_stamp_of(bytes(frame.audio))

    def _ended(self, end: dict[str, Any], received_ns: int) -> None:
        """All was said: it is a job like any other now."""
        stream = self._streams.pop(end["job_id"], None)
        if stream is None:
            self._counts.problem(f"node {self.node_id} hears the end of what it did not get")
            return
        if end["frames"] != stream.frames:
            self._counts.problem(f"{stream.frames} of {end['frames']} frames came")
        self._counts.streamed += 1
        self._do(stream.job, stream.stamp_ns, received_ns)

    def _do(self, job: dict[str, Any], stamp_ns: int | None, received_ns: int) -> None:
        """Answer a job of which all is there."""
        job_id = job["job_id"]
        if stamp_ns is None:
            self._counts.problem(f"the audio of {job_id} does not end in a stamped chunk")
            stamp_ns = received_ns
        self._counts.job_received(received_ns - stamp_ns, len(self.open_jobs))
        answer = self.result_message(job, str(stamp_ns))
        if self._shape.delay_ms:
            delay_seconds = self._shape.delay_ms / 1000
            asyncio.get_running_loop().call_later(delay_seconds, self._answer, job_id, answer)
        else:
            self._answer(job_id, answer)

    def _answer(self, job_id: str, answer: bytes) -> None:
        """Answer unless the job was cancelled or the node has left meanwhile."""
        if job_id in self.open_jobs and self._socket is not None:
            self.open_jobs.discard(job_id)
            self.jobs_answered += 1
            self._socket.send_text(answer)

    def _on_closed(self, closed: "asyncio.Future[str]") -> None:
        if self._heartbeat is not None:
            self._heartbeat.cancel()
        self._counts.problem(f"node {self.node_id} lost its connection: {closed.result()}")
        if self._registered is not None and not self._registered.done():
            self._registered.set_exception(ConnectionError(closed.result()))
