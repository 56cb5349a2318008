"""Where one session's stream of chunks is cut into utterances.

Pure: audio and times (monotonic ms) go in, cuts come out. It owns the audio until it is cut.
Must not: know sockets, nodes, jobs or the clock.

The rules, strongest reason first when several hold at once:

- manual: the client said so; max_length: `max_utterance_bytes`; max_turn: `max_turn_ms` of the
  whole turn; max_duration: `max_duration_ms`; endpoint: speech, then silence, where the server
  listens (`endpointing`); pause: no audio for `pause_ms`.
- A chunk is never split: the one that reaches a limit belongs to the segment.
- After manual, max_turn and max_duration a hangover passes before the cut: what comes within it
  (also a chunk overtaken by its own final) joins the segment. The other reasons have waited
  enough, or may not wait.
- An empty segment makes nothing, nor does one that is silent throughout. A turn with open segments
  is the exception: nodes hold their words until the turn's end comes, so it always comes.
- Times decide, not timers: what a late timer should have cut is cut before a chunk is added.
"""

from collections.abc import Callable
from math import inf
from typing import Final

from actors.session.cut import Cut, CutReason
from actors.session.options import NewDetector, SegmenterOptions
from actors.session.uplink.audio_framing import AudioFraming
from actors.session.uplink.endpointing import Endpointing, LeadChunk
from actors.session.uplink.pause_clock import PauseClock
from actors.session.uplink.segment import Segment, Turn
from protocol.audio.framing import (
    TICKS_PER_MS,
    AudioFormat,
    audio_ticks,
    pcm_ticks,
    silence,
    ticks_to_ms,
)
from protocol.ids import TurnId, new_turn_id
from protocol.messages.shared import EndpointingMode

CLOSING_SILENCE_MS: Final = 200
"""What an utterance consists of that only ends its turn: nodes refuse jobs without audio."""

_RANK: Final = {reason: rank for rank, reason in enumerate(CutReason)}


class Segmenter:
    """The uncut audio of one session, its turn and its clocks.

    A turn exists while segments cut by max_duration wait for its end. A reason that waits for
    its hangover is `_pending`; a stronger one may take its place. `due_ms` is always the next
    moment at which time alone cuts, infinite when none does. All times are monotonic ms.
    """

    __slots__ = (
        "_clock",
        "_max_bytes",
        "_max_ticks",
        "_new_turn_id",
        "_options",
        "_pending",
        "_turn",
        "_turn_ticks_left",
        "due_ms",
        "endpointing",
        "framing",
        "heard_ticks",
        "segment",
        "whole_ticks",
    )

    def __init__(
        self,
        options: SegmenterOptions,
        *,
        audio_format: AudioFormat | None = None,
        sample_rate_hz: int = 16_000,
        endpointing: EndpointingMode = EndpointingMode.CLIENT,
        new_detector: NewDetector | None = None,
        new_turn_id: Callable[[], TurnId] = new_turn_id,
    ) -> None:
        self._options, self._max_bytes = options, options.max_utterance_bytes
        self._max_ticks = options.max_duration_ms * TICKS_PER_MS
        self.framing = AudioFraming(audio_format, sample_rate_hz)
        self._clock = PauseClock(options.pause_ms)
        self.endpointing = Endpointing(options, endpointing, new_detector)
        self._new_turn_id = new_turn_id
        self.heard_ticks = 0
        """Length of all chunks that came so far, cut or not, in 1/48000 s."""
        self.whole_ticks = 0
        """Length of the whole utterances that came between them; they are cut already."""
        self.segment = Segment()
        self._pending: CutReason | None = None
        self.due_ms = inf
        """When `poll` has something to do; infinite while time alone changes nothing."""
        self._turn: Turn | None = None
        self._turn_ticks_left = options.max_turn_ms * TICKS_PER_MS

    def __repr__(self) -> str:
        parts = [repr(self.framing), repr(self.segment), repr(self._turn), repr(self._clock)]
        if self.due_ms != inf:
            parts.append(f"{self._pending or CutReason.PAUSE} at {self.due_ms:.0f}")
        return f"<Segmenter {', '.join(parts)}>"

    @property
    def held_bytes(self) -> int:
        """Bytes of audio not yet cut."""
        return self.segment.held_bytes + self.endpointing.held_bytes

    def is_in_hangover(self, now_ms: float) -> bool:
        """Return whether a cut is decided, and what comes now still joins it."""
        return self._pending is not None and now_ms <= self.due_ms

    @property
    def heard_ms(self) -> int:
        """Milliseconds of audio that came in chunks so far, cut or not."""
        return ticks_to_ms(self.heard_ticks)

    @property
    def settled_ticks(self) -> int:
        """Length of what came before the audio that is not cut yet, in 1/48000 s."""
        uncut = self.segment.ticks + self.endpointing.lead_ticks
        return max(0, self.heard_ticks + self.whole_ticks - uncut)

    @property
    def first_seq(self) -> int | None:
        """Lowest `seq` that is not cut yet; None without one."""
        in_segment, before = self.segment.first_seq, self.endpointing.first_seq
        if in_segment is None or before is None:
            return before if in_segment is None else in_segment
        return min(in_segment, before)

    @property
    def turn(self) -> Turn | None:
        """The turn that goes on behind the last cut; None: the next cut begins one."""
        return self._turn

    def restore(self, turn: Turn, now_ms: float) -> None:
        """Go on with a turn that began elsewhere."""
        self._begin(turn, now_ms)

    @property
    def audio_format(self) -> AudioFormat | None:
        """What the session's chunks are; None before the first one of an undeclared session."""
        return self.framing.audio_format

    def declare_format(self, audio_format: AudioFormat, sample_rate_hz: int) -> None:
        """Take the client's word for what its chunks are, unless that was decided before."""
        self.framing.declare(audio_format, sample_rate_hz)

    def redeclare(self, audio_format: AudioFormat | None, sample_rate_hz: int) -> None:
        """What comes from now on is of this format; nothing of another one is held.

        None: it shows in what comes.
        """
        self.framing = AudioFraming(audio_format, sample_rate_hz)
        self.endpointing.forget()

    def measure(self, audio: bytes, opus_ticks: int | None = None) -> int:
        """Return the length of a chunk that comes next, in 1/48000 s; 0 for no audio.

        `opus_ticks`: as in `ChunkArrived`.

        Raises:
            ProtocolError: the audio does not fit the session's format.
        """
        if not audio:
            return 0
        framing = self.framing
        if not framing.is_settled:
            return self._weigh(audio, opus_ticks)
        if opus_ticks and opus_ticks > 0 and framing.audio_format is AudioFormat.OPUS:
            return opus_ticks
        return framing.measure(audio, opus_ticks)

    def chunk(
        self, audio: bytes, ticks: int, *, seq: int, is_final: bool, now_ms: float
    ) -> list[Cut]:
        """Add a piece of audio (or none), or end the utterance, or both; return what was cut.

        `ticks` is what `measure` has said of it.
        """
        if not audio and not is_final:
            return []
        cuts = self.poll(now_ms) if now_ms > self.due_ms else []
        segment, endpointing = self.segment, self.endpointing
        if audio:
            if endpointing.is_on:
                self._add(LeadChunk(audio, ticks, seq, now_ms))
            else:
                segment.add(audio, ticks, seq, now_ms)
            self.heard_ticks += ticks
            clock = self._clock
            if clock.is_running:
                clock.since_ms = now_ms
                pause_due_ms = now_ms + clock.pause_ms
            else:
                pause_due_ms = clock.heard(now_ms)
            if self._pending is None:
                self.due_ms = pause_due_ms
        else:
            segment.note_seq(seq)
        if is_final:
            endpointing.client_cuts()
            if endpointing.held_bytes:
                self._take_lead()
            return cuts + self._end(CutReason.MANUAL, now_ms)
        if segment.held_bytes >= self._max_bytes and not segment.is_streamed:
            return cuts + self._end(CutReason.MAX_LENGTH, now_ms)
        if segment.ticks >= self._turn_ticks_left:
            return cuts + self._end(CutReason.MAX_TURN, now_ms)
        if segment.ticks >= self._max_ticks and not segment.is_streamed:
            return cuts + self._end(CutReason.MAX_DURATION, now_ms)
        if endpointing.is_on:
            is_turn_open = self._turn is not None and self._turn.open_parts > 0
            if endpointing.is_over(is_turn_open=is_turn_open):
                return cuts + self._end(CutReason.ENDPOINT, now_ms)
        return cuts

    def client_cuts(self) -> None:
        """The client has ended an utterance itself, by other means than a final."""
        self._take_lead()
        self.endpointing.client_cuts()

    def poll(self, now_ms: float) -> list[Cut]:
        """Return what time alone has cut: a hangover that passed, or a pause."""
        if now_ms < self.due_ms:
            return []
        return self._cut(self._pending or CutReason.PAUSE, now_ms)

    def end_hangover(self, now_ms: float) -> list[Cut]:
        """Cut at once: what comes next was said some time ago, that it comes now means nothing."""
        cuts = self.poll(now_ms) if now_ms > self.due_ms else []
        return cuts if self._pending is None else cuts + self._cut(self._pending, now_ms)

    def excuse_pause(self, now_ms: float, for_ms: float) -> bool:
        """What was said may wait to be read: a pause that is due by now is not one yet.

        False where no pause is due.
        """
        if self._pending is not None or now_ms < self.due_ms or not self._clock.is_running:
            return False
        self.due_ms = self._clock.excuse(now_ms, for_ms)
        return True

    def flush(self, now_ms: float) -> list[Cut]:
        """Cut what is held because the session ends, and end its turn."""
        if self._pending is CutReason.MANUAL:
            return self._cut(CutReason.MANUAL, now_ms)
        return self._cut(CutReason.SESSION_CLOSE, now_ms)

    def finish(self, now_ms: float) -> list[Cut]:
        """Cut what is held as if the client had ended it; with nothing held nothing happens."""
        self._take_lead()
        cuts = self.poll(now_ms)
        if not self.segment.held_bytes and self._turn is None:
            return cuts
        return cuts + self._cut(CutReason.MANUAL, now_ms)

    def discard(self, now_ms: float) -> list[Cut]:
        """Let go of what is held; what was to end a turn ends it all the same."""
        pending, self.segment = self._pending, Segment()
        if pending is not None and pending is not CutReason.MAX_DURATION:
            return self._cut(pending, now_ms)
        self._begin(self._turn, now_ms)
        return []

    def playback_started(self, now_ms: float) -> None:
        """The client plays speech, its microphone is off: quiet is no pause meanwhile."""
        self._clock.playback_started(now_ms)
        self._rearm(now_ms)

    def playback_ended(self, now_ms: float) -> None:
        """The client is done playing: quiet counts again, on top of the quiet before."""
        self._clock.playback_ended(now_ms)
        self._rearm(now_ms)

    def hold_pause(self, now_ms: float) -> None:
        """The client is gone and may come back: quiet is no pause meanwhile."""
        self._clock.hold(now_ms)
        self._rearm(now_ms)

    def release_pause(self, now_ms: float) -> None:
        """The client is back: quiet counts again, on top of the quiet before."""
        self._clock.release(now_ms)
        self._rearm(now_ms)

    def turn_segment_closed(self, turn_id: TurnId, turn_part: int) -> None:
        """Note that a segment got its outcome: its turn's end need not come for its sake."""
        if self._turn is not None and self._turn.turn_id == turn_id:
            self._turn.close(turn_part)

    def _weigh(self, audio: bytes, opus_ticks: int | None) -> int:
        """Measure a chunk of a session whose format is not settled, and perhaps settle it."""
        framing, segment = self.framing, self.segment
        if framing.weigh(audio, opus_ticks):
            if framing.audio_format is AudioFormat.PCM16:
                segment.ticks = pcm_ticks(segment.held_bytes, framing.sample_rate_hz)
            else:
                segment.drop_audio()  # taken for PCM, it was an opus chunk with broken framing
        return framing.measure(audio, opus_ticks)

    def _add(self, chunk: LeadChunk) -> None:
        """Take a chunk into the segment, or keep it aside as silence before speech."""
        endpointing, framing = self.endpointing, self.framing
        audio_format = framing.audio_format
        if endpointing.is_on and framing.is_settled and audio_format is not None:
            audio, ticks, _, _ = chunk
            is_lead = endpointing.hear(audio, ticks, audio_format, framing.sample_rate_hz)
            if is_lead and self._turn is None and self._pending is None:
                endpointing.lead(chunk)
                return
            if endpointing.held_bytes:
                self._take_lead()
        self.segment.add(*chunk)

    def _take_lead(self) -> None:
        for chunk in self.endpointing.take_lead():
            self.segment.add(*chunk)

    def _rearm(self, now_ms: float) -> None:
        """Let the pause clock say what is due next, unless a cut waits or is due already."""
        if self._pending is None and self.due_ms > now_ms:
            has_end = self.segment.held_bytes or self._turn is not None
            self.due_ms = self._clock.due_ms if has_end else inf

    def _end(self, reason: CutReason, now_ms: float) -> list[Cut]:
        """Cut for this reason or begin its hangover; a stronger one that waits, waits on."""
        pending = self._pending
        if pending is None or _RANK[reason] < _RANK[pending]:
            self._pending = pending = reason
            self.due_ms = now_ms + self._options.hangover_ms(reason)
        if self.due_ms <= now_ms or self.segment.held_bytes >= self._max_bytes:
            return self._cut(pending, now_ms)
        return []

    def _cut(self, reason: CutReason, now_ms: float) -> list[Cut]:
        """Take what is held, as an utterance if it is one; the next segment begins."""
        segment, turn = self.segment, self._turn
        audio = segment.join()
        goes_on = reason is CutReason.MAX_DURATION
        framing = self.framing
        is_nothing = not audio or (
            framing.audio_format is not None
            and self._options.is_silent(audio, framing.audio_format, framing.sample_rate_hz)
        )
        closing = is_nothing and not goes_on and turn is not None and turn.open_parts > 0
        cuts: list[Cut] = []
        if closing or not is_nothing:
            turn = turn or Turn(segment.turn_id or self._new_turn_id())
            cuts.append(self._make(reason, audio, turn, closing=closing, now_ms=now_ms))
        self._begin(turn if goes_on else None, now_ms)
        return cuts

    def _begin(self, turn: Turn | None, now_ms: float) -> None:
        """Begin a segment, in this turn or in one yet to come."""
        if turn is not None:
            turn.ticks += self.segment.ticks
        ticks_before = 0 if turn is None else turn.ticks
        self._turn = turn
        self._turn_ticks_left = self._options.max_turn_ms * TICKS_PER_MS - ticks_before
        self.segment = Segment()
        if self.endpointing.is_on:
            self.endpointing.begin()
        self._pending = None
        clock = self._clock
        if clock.is_running:
            clock.since_ms = now_ms
        else:
            clock.restart(now_ms)
        self.due_ms = inf if turn is None else clock.due_ms

    def _make(
        self, reason: CutReason, audio: bytes, turn: Turn, *, closing: bool, now_ms: float
    ) -> Cut:
        """Make an utterance of what is held, or of silence when nothing is."""
        segment, sample_rate_hz = self.segment, self.framing.sample_rate_hz
        audio_format = self.framing.audio_format or AudioFormat.PCM16
        audio = audio or silence(audio_format, CLOSING_SILENCE_MS, sample_rate_hz)
        if audio_format is AudioFormat.OPUS and segment.ticks:
            ticks = segment.ticks  # walked packet by packet already
        else:
            ticks = audio_ticks(audio, audio_format, sample_rate_hz)
        first_chunk_at_ms = segment.first_chunk_at_ms
        return Cut(
            reason=reason,
            audio=audio,
            audio_format=audio_format,
            sample_rate_hz=sample_rate_hz,
            duration_ms=ticks // TICKS_PER_MS,
            turn_id=turn.turn_id,
            turn_part=turn.open_next(),
            ends_turn=reason is not CutReason.MAX_DURATION,
            closing=closing,
            first_seq=segment.first_seq,
            last_seq=segment.last_seq,
            padding_ms=self._options.padding_for_ms(reason),
            start_ms=ticks_to_ms(max(0, self.heard_ticks + self.whole_ticks - segment.ticks)),
            first_chunk_at_ms=now_ms if first_chunk_at_ms is None else first_chunk_at_ms,
        )
