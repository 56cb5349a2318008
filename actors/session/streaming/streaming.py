"""Streaming: what a speaker is saying goes to a node while it is being said.

One stream at a time, of the segment that is not cut yet, and in one of the languages in which it is
heard; in the others it waits for its cut. A stream that is lost or taken back costs nothing: the
session holds all audio, asks again for what is still being said, and else the segment waits for its
cut. Must not: cut, or hold audio.
"""

from enum import Enum, auto
from math import inf

from actors.messages.job import PartialArrived, Work
from actors.messages.stream import (
    StreamClosed,
    StreamEnded,
    StreamFrame,
    StreamOpened,
    StreamWanted,
)
from actors.ports import Mailbox
from actors.runtime.actor import tell
from actors.session.parts import Parts
from actors.session.streaming.draft import draft_cut
from actors.session.uplink.segment import Segment
from actors.session.utterances import Utterance
from protocol.audio.framing import TICKS_PER_MS
from protocol.ids import JobId, NodeId, TurnId, new_turn_id
from storage.job import JobSpec

ASK_AGAIN_MS = 1_000
"""A segment for which there was no slot asks again no earlier."""


class _Phase(Enum):
    """How far the open segment is."""

    QUIET = auto()
    """It is not asked for."""
    ASKED = auto()
    OPEN = auto()


class Streaming:
    """Life: that of its session. Invariant: what the store knows as a stream is known here."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._options = parts.setup.streaming
        self._segmenter = parts.uplink.segmenter
        self._abilities = parts.setup.directory.abilities
        self._segment: Segment | None = None
        self._phase = _Phase.QUIET
        self._draft: Utterance | None = None
        self._node: Mailbox | None = None
        self._excluded: tuple[NodeId, ...] = ()
        self._checked_bytes = self._sent_bytes = self._frames = 0
        self._audible_from_ticks = 0
        self._ask_at_ms = 0.0
        self._shown_at_ms = -inf
        self._pending: tuple[Utterance, PartialArrived] | None = None
        parts.uplink.opening.streamed = self.job_for

    def __repr__(self) -> str:
        return f"<Streaming {self._phase.name} frames={self._frames}>"

    @property
    def is_begun(self) -> bool:
        """Whether a node may have what is being spoken."""
        return self._phase is not _Phase.QUIET

    # ---- what is spoken ---------------------------------------------------------------------

    def heard(self, now_ms: float) -> None:
        """Something was added to the segment, or it was cut."""
        segment = self._segmenter.segment
        if segment is not self._segment:
            self.settle()
            self._segment, self._excluded, self._ask_at_ms = segment, (), 0.0
            self._checked_bytes = 0
            self._audible_from_ticks = self._options.stream_after_ms * TICKS_PER_MS
        if self._phase is _Phase.OPEN:
            self._feed(segment)
        elif self._phase is _Phase.QUIET and segment.ticks >= self._audible_from_ticks:
            self._ask(segment, now_ms)
        if self._pending is not None:
            self._show(now_ms)

    @property
    def due_ms(self) -> float:
        """When text so far may be shown that waits (monotonic ms); infinite: none does."""
        if self._pending is None:
            return inf
        return self._shown_at_ms + self._options.partial_interval_ms

    def poll(self, now_ms: float) -> None:
        """Time has passed: something was cut by it perhaps, or waits to be shown."""
        self.settle()
        self._show(now_ms)

    def settle(self) -> None:
        """Give up a stream whose segment is gone without having become an utterance."""
        if self._phase is not _Phase.QUIET and self._segmenter.segment is not self._segment:
            self.close()

    def close(self) -> None:
        """Give up what is streamed."""
        draft, self._draft = self._draft, None
        if draft is not None:
            self._parts.dispatcher.tell(StreamClosed(draft.spec.job_id))
        self._rest()

    def _ask(self, segment: Segment, now_ms: float) -> None:
        uplink, framing = self._parts.uplink, self._segmenter.framing
        audio_format = framing.audio_format
        if self._segmenter.turn is not None or now_ms < self._ask_at_ms:
            return
        if not framing.is_settled or audio_format is None or not self._parts.life.is_open:
            return
        options = self._parts.setup.uplink.segmenter
        fresh = segment.since(self._checked_bytes)
        if not fresh or options.is_silent(fresh, audio_format, framing.sample_rate_hz):
            self._checked_bytes = segment.held_bytes
            self._audible_from_ticks = segment.ticks + self._options.stream_after_ms * TICKS_PER_MS
            return
        cut = draft_cut(self._segmenter, new_turn_id(), now_ms)
        draft = uplink.opening.draft(cut, uplink.indexes.next_index)
        if not self._abilities.streams(draft.spec.requirement):
            self._ask_at_ms = now_ms + ASK_AGAIN_MS
            return
        self._draft, self._phase, segment.is_streamed = draft, _Phase.ASKED, True
        self._ask_at_ms = now_ms + ASK_AGAIN_MS
        wanted = StreamWanted(self._parts.ref, draft.spec, draft.work, self._excluded)
        tell(self._parts.dispatcher, wanted)

    def _feed(self, segment: Segment) -> None:
        if self._node is None:
            return
        audio = segment.since(self._sent_bytes)
        if audio:
            self._send(audio)

    def _send(self, audio: bytes) -> None:
        if self._draft is not None and self._node is not None:
            tell(self._node, StreamFrame(self._draft.spec.job_id, self._frames, audio))
            self._sent_bytes += len(audio)
            self._frames += 1

    def _rest(self) -> None:
        self._phase, self._node, self._draft = _Phase.QUIET, None, None
        self._sent_bytes = self._frames = 0
        if self._segment is not None:
            self._segment.is_streamed, self._segment.turn_id = False, None  # used once

    # ---- its cut ----------------------------------------------------------------------------

    def job_for(self, spec: JobSpec, work: Work) -> JobId | None:
        """Return the job under which a node has this of what is cut now; None: no node has it.

        Who hears it may be others by now than when it began.
        """
        draft = self._draft
        if self._phase is not _Phase.OPEN or draft is None or draft.spec.turn_id != spec.turn_id:
            return None
        begun = draft.spec.requirement, draft.spec.language, draft.work.further_language
        is_same = begun == (spec.requirement, spec.language, work.further_language)
        return draft.spec.job_id if is_same else None

    def claim(self, utterance: Utterance) -> int:
        """Send the rest of what was cut to its node; return how many frames that has, 0: none."""
        draft = self._draft
        if draft is None or draft.spec.job_id != utterance.spec.job_id:
            return 0
        audio = utterance.audio or b""
        if len(audio) > self._sent_bytes:
            self._send(audio[self._sent_bytes :] if self._sent_bytes else audio)
        frames = self._frames
        self._rest()
        return frames

    # ---- what becomes of it -----------------------------------------------------------------

    def on(self, message: StreamOpened | StreamEnded, now_ms: float) -> None:
        """Take the dispatcher's word; one about what was given up before changes nothing.

        Where its node has failed, another one is asked for at once: a segment that is not streamed
        is cut where it is too long for one, and this one may be longer by now.
        """
        draft, segment = self._draft, self._segment
        if draft is None or segment is None or draft.spec.job_id != message.job_id:
            return
        if isinstance(message, StreamOpened):
            if self._segmenter.segment is not segment:  # it was cut meanwhile, and goes whole
                self.close()
                return
            # Not before: what is cut until then goes under a name that no node has heard.
            segment.turn_id = TurnId(draft.spec.turn_id)
            self._phase, self._node = _Phase.OPEN, message.node
            self._feed(segment)
            return
        self._rest()
        if message.failed is not None:
            self._excluded = (*self._excluded, message.failed)
            self._ask_at_ms = 0.0
            if self._segmenter.segment is segment:
                self._ask(segment, now_ms)

    # ---- partial text -----------------------------------------------------------------------

    def spoken(self, job_id: JobId) -> Utterance | None:
        """Return what is being spoken, as it would be cut now, if it is this job."""
        draft = self._draft
        return draft if draft is not None and draft.spec.job_id == job_id else None

    def partial(self, utterance: Utterance, message: PartialArrived, now_ms: float) -> None:
        """Show text so far, no more often than a client may hear of it: the latest counts."""
        self._pending = (utterance, message)
        self._show(now_ms)

    def ended(self, job_id: JobId) -> None:
        """Its outcome is there: text so far is worth nothing any more."""
        if self._pending is not None and self._pending[0].spec.job_id == job_id:
            self._pending = None

    def _show(self, now_ms: float) -> None:
        if self._pending is None or now_ms - self._shown_at_ms < self._options.partial_interval_ms:
            return
        (utterance, message), self._pending = self._pending, None
        self._shown_at_ms = now_ms
        self._parts.downlink.partial(utterance, message)
        if self._parts.room.member is not None:
            self._parts.room.member.partial(utterance, message)
