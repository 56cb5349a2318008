"""NodeStreams: what one node hears while it is being spoken, on behalf of its actor.

Frames are written as they come. A node that takes no more has its own sessions' frames wait here,
for `stream_lag_ms` at most: then the stream is broken, and its session's audio goes elsewhere.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from actors.messages.job import JobUndelivered
from actors.messages.stream import StreamBroken, StreamCut, StreamFrame
from protocol.ids import InstanceId, JobId, NodeId, NodeJobId
from protocol.messages.node_outbound import JobEnd
from protocol.stream_frames import stream_frame_head
from protocol.wire import WireMessage

MOST_UNSENT_BYTES = 65_536
"""As long as more waits in the node's socket, frames wait here."""
LOOK_MS = 50
"""So often it is looked whether the node has read; a further frame looks, too."""


class AudioPart(NamedTuple):
    """A frame on its way to the socket, see `Outbox.send_frame`."""

    head: bytes
    body: bytes
    most_unsent_bytes: int = MOST_UNSENT_BYTES


@dataclass(slots=True)
class _Stream:
    known_as: NodeJobId
    owner: InstanceId
    came: int = 0
    """Frames that came, written or waiting."""
    waiting: deque[tuple[int, bytes]] = field(default_factory=deque)
    waits_since_ms: float = 0.0
    cut: StreamCut | None = None
    """All came: the node hears so behind the last frame."""


class NodeStreams:
    """Streams of a node by job. One is here from its `job_assign` to its `job_end`."""

    def __init__(
        self,
        node_id: NodeId,
        send: Callable[[WireMessage | bytes | AudioPart], bool],
        tell_owner: Callable[[InstanceId, StreamBroken | JobUndelivered], None],
        lag_ms: float,
    ) -> None:
        self._lag_ms = lag_ms
        self._node_id = node_id
        self._send = send
        self._tell_owner = tell_owner
        self._streams: dict[JobId, _Stream] = {}
        self.due_ms: float | None = None
        """When `poll` has something to do; None: no frame waits."""

    def __contains__(self, job_id: JobId) -> bool:
        return job_id in self._streams

    def __len__(self) -> int:
        return len(self._streams)

    def begin(self, job_id: JobId, known_as: NodeJobId, owner: InstanceId) -> None:
        """The node was told of it."""
        self._streams[job_id] = _Stream(known_as, owner)

    def drop(self, job_id: JobId) -> None:
        """The node need not hear the rest of it."""
        self._streams.pop(job_id, None)

    def frame(self, message: StreamFrame, now_ms: float) -> NodeJobId | None:
        """Write a frame; return the id of a stream that is broken by it, its owner being told."""
        stream = self._streams.get(message.job_id)
        if stream is None:
            return None
        if message.number != stream.came:
            return self.break_off(message.job_id, "frames_missing")
        if not stream.waiting:
            stream.waits_since_ms = now_ms
        stream.came += 1
        stream.waiting.append((message.number, message.audio))
        return self._go_on(message.job_id, stream, now_ms)

    def poll(self, now_ms: float) -> list[NodeJobId]:
        """Write what waits; return the ids of streams that are broken, their owners being told."""
        if self.due_ms is None or now_ms < self.due_ms:
            return []
        self.due_ms = None
        waiting = [(job_id, one) for job_id, one in self._streams.items() if one.waiting]
        looked_at = [self._go_on(job_id, stream, now_ms) for job_id, stream in waiting]
        return [known_as for known_as in looked_at if known_as is not None]

    def _go_on(self, job_id: JobId, stream: _Stream, now_ms: float) -> NodeJobId | None:
        if self._write(stream):
            if stream.cut is not None:
                if not self._send(_job_end(stream.known_as, stream.cut)):
                    return self.break_off(job_id, "node_lost")
                del self._streams[job_id]
            return None
        if now_ms - stream.waits_since_ms > self._lag_ms:
            return self.break_off(job_id, "node_lags")
        if self.due_ms is None:
            self.due_ms = now_ms + LOOK_MS
        return None

    def end(self, message: StreamCut, now_ms: float) -> NodeJobId | None:
        """Tell the node that this was all, as soon as it has read the rest; else as `frame`."""
        stream = self._streams.get(message.job_id)
        if stream is None:
            self._tell_owner(message.owner, JobUndelivered(message.job_id, 1, self._node_id))
            return None
        if not stream.waiting:
            stream.waits_since_ms = now_ms
        stream.cut = message
        if stream.came != message.frames:
            return self.break_off(message.job_id, "frames_missing")
        return self._go_on(message.job_id, stream, now_ms)

    def break_off(self, job_id: JobId, reason: str, *, erred: bool = False) -> NodeJobId | None:
        """Give a stream up, and tell who drives it; return its id at the node."""
        stream = self._streams.pop(job_id, None)
        if stream is None:
            return None
        if stream.cut is None:
            self._tell_owner(stream.owner, StreamBroken(job_id, self._node_id, reason, erred))
        else:  # it is a job already, as any other that did not reach its node
            self._tell_owner(stream.owner, JobUndelivered(job_id, 1, self._node_id))
        return stream.known_as

    def break_all(self, reason: str) -> None:
        """The node has lost what it heard: it is gone, or speaks on another socket."""
        for job_id in tuple(self._streams):
            self.break_off(job_id, reason)

    def _write(self, stream: _Stream) -> bool:
        """Write what waits; False if the node's socket does not take it now."""
        name = stream.known_as.encode()
        while stream.waiting:
            number, audio = stream.waiting[0]
            if not self._send(AudioPart(stream_frame_head(name, number), audio)):
                return False
            stream.waiting.popleft()
        return True


def _job_end(known_as: NodeJobId, cut: StreamCut) -> JobEnd:
    return JobEnd(
        job_id=known_as,
        attempt_id=1,
        frames=cut.frames,
        duration_ms=cut.duration_ms,
        padding_ms=cut.padding_ms,
        cut_reason=cut.cut_reason,
        is_manual_cut=True if cut.is_manual_cut else None,
    )
