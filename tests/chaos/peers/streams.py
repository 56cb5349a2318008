"""What a node of a chaos run hears while it is being spoken: it joins the frames.

Its answer comes when all was said; at times an unsound node answers before. It complains of a frame
that is not the next one, of one that it was not told of, and of an end that counts other frames
than came.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.chaos.log import Complaint, StreamHeard
from tests.chaos.peers.node_messages import frame_of, partial
from tests.chaos.world import Message, Wire

if TYPE_CHECKING:
    from tests.chaos.peers.node import ChaosNode

_PARTIAL_EVERY = 3
"""Frames."""


@dataclass(slots=True)
class _Stream:
    message: Message
    wire: Wire
    audio: bytearray = field(default_factory=bytearray)
    frames: int = 0
    is_given_up: bool = False
    """Its node has answered already."""


class Streams:
    """Life: that of its node, over all of its wires."""

    def __init__(self, node: "ChaosNode") -> None:
        self._node = node
        self._open: dict[str, _Stream] = {}
        self.ended = 0
        """How many came to their end."""

    def __len__(self) -> int:
        return len(self._open)

    def begin(self, message: Message, wire: Wire) -> None:
        """Somebody has begun to speak."""
        self._open[message["job_id"]] = _Stream(message, wire)
        self._node.world.log(
            StreamHeard,
            node=self._node.name,
            job_id=message["job_id"],
            session=message["speaker_key"],
            turn=message["turn_id"],
            language=message["tgt_lang"],
        )

    def frame(self, data: bytes, wire: Wire) -> None:
        """Keep a frame; say what was recognised, now and then."""
        job_id, number, audio = frame_of(data)
        stream = self._open.get(job_id)
        if stream is None or stream.wire is not wire:
            if wire is self._node.wire:
                self._complain(f"gets a frame of {job_id}, which it was not told of")
            return
        if number != stream.frames:
            self._complain(f"gets frame {number} of {job_id} after {stream.frames}")
        stream.frames += 1
        stream.audio += audio
        node = self._node
        if number % _PARTIAL_EVERY == 0:
            node.say_soon(partial(job_id, f"so far {number}"))
        if not node.plan.is_sound and not stream.is_given_up and node.rng.random() < _EARLY:
            stream.is_given_up = True
            node.answer_early(stream.message)

    def end(self, message: Message, wire: Wire) -> None:
        """All was said."""
        stream = self._open.pop(message["job_id"], None)
        if stream is None or stream.wire is not wire:
            if wire is self._node.wire:
                self._complain(f"hears the end of {message['job_id']}, which it was not told of")
            return
        if message["frames"] != stream.frames:
            self._complain(f"has {stream.frames} of {message['frames']} frames of {message}")
        self.ended += 1
        if not stream.is_given_up:
            self._node.take(stream.message, bytes(stream.audio), wire)

    def drop(self, job_id: str) -> None:
        """It was cancelled."""
        self._open.pop(job_id, None)

    def lose(self, wire: Wire) -> None:
        """A wire is gone, and what was to come on it."""
        for job_id in [job_id for job_id, one in self._open.items() if one.wire is wire]:
            del self._open[job_id]

    def flood(self, count: int) -> None:
        """Say far more than anybody wants to read."""
        for job_id in list(self._open):
            for number in range(count):
                self._node.say_soon(partial(job_id, f"so far {number}"))

    def _complain(self, text: str) -> None:
        self._node.world.log(Complaint, text=f"{self._node.name} {text}")


_EARLY = 0.005
"""How often an unsound node answers in the middle, for each frame."""
