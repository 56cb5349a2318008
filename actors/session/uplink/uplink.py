"""Uplink: from audio that arrives to utterances that want a node.

The receiving half of a session: segmentation, indexes and the audio it holds. It decides and
counts; the session's actor tells others what came of it.
"""

from collections.abc import Sequence

from actors.held_audio import HeldShare
from actors.media import CONVERTED_RATE_HZ, is_usable
from actors.messages.session import ChunkArrived, UtteranceArrived
from actors.session.cut import Cut
from actors.session.options import UplinkOptions
from actors.session.profile.profile import SessionProfile
from actors.session.uplink.conversion import BUSY, Piece
from actors.session.uplink.declared import declared_by
from actors.session.uplink.indexes import IndexUse, Repeated
from actors.session.uplink.intake import AudioIntake, Taken
from actors.session.uplink.opening import Opening
from actors.session.uplink.parts import UplinkParts
from actors.session.uplink.segmenter import Segmenter
from actors.session.uplink.whole import whole_audio, whole_cut
from actors.session.utterances import Utterance
from protocol.audio.framing import TICKS_PER_MS, AudioFormat, audio_ticks, measure, ticks_to_ms
from protocol.errors import ErrorCode, ProtocolError
from protocol.ids import JobId
from protocol.messages.session_inbound import Utterance as UtteranceMessage
from protocol.messages.shared import LONGEST_TIMING_MS

_NONE: Sequence[Utterance] = ()
_LATE_MS = 100
"""So long after its time a wake-up comes only from a loop that was held up."""
_LOOK_AGAIN_MS = 200
_SAME_TURN_MS = 500
"""Audio so soon after a pause was due, and before the alarm rang, was here before the pause."""


class Uplink:
    """Takes audio and says what was cut.

    Invariant: what it holds in bytes (chunks not cut yet and open utterances) is what it has
    taken from the process's ledger.
    """

    def __init__(
        self, profile: SessionProfile, options: UplinkOptions, held: HeldShare, parts: UplinkParts
    ) -> None:
        self.open = parts.open
        self.indexes = parts.indexes
        self.progress = parts.progress
        """What has arrived and what may be forgotten; None unless the client may resume."""
        self.options = options
        self.has_spoken = False
        """Whether any audio has come, here or where the session was before."""
        self.opening = Opening(profile, options.job_lifetime_ms, parts)
        """Makes utterances of what is cut."""
        self.segmenter = Segmenter(
            options.segmenter,
            audio_format=profile.audio_format,
            sample_rate_hz=profile.sample_rate_hz,
            endpointing=profile.endpointing,
            new_detector=options.new_detector,
        )
        self.conversion = parts.conversion
        """What has to become PCM16 first; None: nothing is converted here."""
        self.intake = AudioIntake(declared_by(profile, can_convert=parts.conversion is not None))
        self._socket = parts.socket
        self._profile = profile
        self._held = held
        self._wall_ms = parts.wall_ms
        self._replayed_bytes = 0
        self.counts_from_seq = profile.is_browser
        """The first `seq` is still to come, and with it the first index."""
        self._has_tiny = False
        """What is not cut yet came in tiny utterances, at least in part."""
        self._was_late = False
        self._uplink_ms: int | None = None

    @property
    def due_ms(self) -> float:
        """When time alone cuts, or an outcome is overdue (monotonic ms); infinite: never."""
        cut_ms, since_ms = self.segmenter.due_ms, self.open.waiting_since_ms
        if since_ms is None:
            return cut_ms
        overdue_ms = since_ms + self.options.job_lifetime_ms + self.options.overdue_ms
        return min(cut_ms, overdue_ms)

    @property
    def overdue_at_ms(self) -> float | None:
        """When the first open utterance must have had its outcome; None when nothing is open."""
        since_ms = self.open.waiting_since_ms
        if since_ms is None:
            return None
        return since_ms + self.options.job_lifetime_ms + self.options.overdue_ms

    @property
    def limit(self) -> str | None:
        """The limit that is reached, here or in the process: what is cut is refused."""
        is_full = len(self.open.jobs) > self.options.max_open
        return "max_open_per_session" if is_full else self._held.limit

    # ---- audio ------------------------------------------------------------------------------

    def chunk(self, message: ChunkArrived, now_ms: float) -> list[Utterance]:
        """Take a piece of audio; return what was cut.

        Raises:
            ProtocolError: the audio is not in the session's format; nothing has changed.
        """
        seq, progress = message.seq, self.progress
        if progress is not None and (progress.has(seq) or self.is_on_its_way(seq)):
            return []
        if self.counts_from_seq:
            self.counts_from_seq = False
            self.indexes.begin_at(seq)
        segmenter, intake, is_final = self.segmenter, self.intake, message.is_final
        audio, ticks, earlier = message.audio, message.opus_ticks or 0, _NONE
        if intake.passes_opus and (not audio or (ticks and segmenter.framing.is_opus)):
            intake.is_at_start = is_final or (intake.is_at_start and not audio)
        else:
            came = self._taken_in(message, now_ms)
            if came is None:
                return []
            audio, ticks, earlier = came
        if progress is not None:
            progress.take(seq)
        if message.client_timestamp_ms is not None:
            took_ms = self._wall_ms() - message.client_timestamp_ms
            self._uplink_ms = took_ms if 0 <= took_ms <= LONGEST_TIMING_MS else None
        if progress is not None or segmenter.due_ms < now_ms:
            return [*earlier, *self._chunk(audio, ticks, seq, now_ms, is_final=is_final)]
        cuts = segmenter.chunk(audio, ticks, seq=seq, is_final=is_final, now_ms=now_ms)
        if cuts:
            return [*earlier, *self.utterances(cuts, now_ms)]
        self.account()
        return [*earlier]

    def _taken_in(
        self, message: ChunkArrived, now_ms: float
    ) -> tuple[bytes, int, Sequence[Utterance]] | None:
        """Return what the session's stream makes of a chunk, its length, and what was cut before.

        None: it has to be converted first, and comes back.

        Raises:
            ProtocolError: the audio is not in the session's format, or nobody can read it.
        """
        segmenter = self.segmenter
        taken = self.take_in(message)
        if taken is None:
            return None
        earlier: Sequence[Utterance] = _NONE
        if taken.begins is not None:
            earlier = self.utterances(segmenter.end_hangover(now_ms), now_ms)
            segmenter.redeclare(*taken.begins)
        return taken.audio, segmenter.measure(taken.audio, taken.opus_ticks), earlier

    def take_in(self, message: ChunkArrived) -> Taken | None:
        """Return what the session's stream makes of a chunk; None: it has to be converted first.

        Raises:
            ProtocolError: UNSUPPORTED_AUDIO.
        """
        is_final, conversion = message.is_final, self.conversion
        taken = self.intake.take(
            message.audio, message.opus_ticks, self.segmenter.audio_format, is_final=is_final
        )
        if self.progress is not None:
            self.progress.in_stream(message.seq, needs_begin=self.intake.needs_begin)
        if conversion is None or not taken.is_fed:
            return taken
        source = taken.source
        if source is not None and not conversion.begin(source):
            if is_usable(source):
                return self.intake.keep_rate(taken.audio, source.rate_hz)
            raise self.intake.refuse(BUSY, is_final=is_final)
        conversion.feed(message, taken.audio)
        self.settle_flow()
        return None

    def converted(self, piece: Piece, now_ms: float) -> list[Utterance]:
        """Take audio that comes back from a converter; return what was cut."""
        segmenter, chunk = self.segmenter, piece.chunk
        cuts = segmenter.end_hangover(now_ms) if piece.begins else segmenter.poll(now_ms)
        earlier = self.utterances(cuts, now_ms)
        if piece.begins:
            segmenter.redeclare(AudioFormat.PCM16, CONVERTED_RATE_HZ)
        ticks = segmenter.measure(chunk.audio, 0)
        if self.progress is not None and not piece.part:
            self.progress.take(chunk.seq)
        if chunk.client_timestamp_ms is not None:
            self._uplink_ms = max(0, self._wall_ms() - chunk.client_timestamp_ms)
        later = self._chunk(chunk.audio, ticks, chunk.seq, now_ms, is_final=chunk.is_final)
        self.settle_flow()
        return earlier + later

    def is_on_its_way(self, seq: int) -> bool:
        """Tell whether a chunk with this number is being converted."""
        return self.conversion is not None and self.conversion.has(seq)

    def settle_flow(self) -> None:
        """Count what is being converted, and have the socket read as fast as that goes."""
        self.account()
        if self.conversion is not None and self._socket is not None:
            outbox = self._socket.outbox
            if outbox is not None:
                outbox.set_flow(self.conversion.flow)

    def whole(self, message: UtteranceArrived, now_ms: float) -> list[Utterance] | Repeated:
        """Take a whole utterance, or a tiny one that is a chunk of a stream.

        Raises:
            ProtocolError: no audio, audio not in its format, or an index that is taken.
        """
        spoken = message.message
        if not spoken.audio:
            raise ProtocolError(ErrorCode.INVALID_MESSAGE, "utterance: audio is empty")
        whole = whole_audio(spoken, can_convert=(conversion := self.conversion) is not None)
        if whole.is_as_declared and self._is_tiny(spoken):
            measure(spoken.audio, spoken.audio_format, spoken.sample_rate)  # it declares that
            return self._tiny(spoken, now_ms)
        if conversion is not None and conversion.convert_whole(message, whole.source, whole.audio):
            self.settle_flow()
            return []
        options, segmenter = self.options.segmenter, self.segmenter
        start_ms = ticks_to_ms(segmenter.heard_ticks + segmenter.whole_ticks)
        cut = whole_cut(whole, options, start_ms, now_ms)
        if self._profile.is_gateway:  # the index is but a label: other audio may come under it
            is_open = self.open.has_same(spoken.utterance_index, cut.audio)
            return [] if is_open else self._whole(cut, spoken, now_ms)
        match self.indexes.take(spoken.utterance_index):
            case IndexUse.TAKEN:
                text = f"utterance_index {spoken.utterance_index} is in use"
                raise ProtocolError(ErrorCode.INVALID_MESSAGE, text)
            case IndexUse.REPEATED:
                return Repeated(spoken.utterance_index, whole.audio)
            case IndexUse.FRESH:
                if spoken.manual_cut:
                    segmenter.client_cuts()
                return self._whole(cut, spoken, now_ms)

    def _whole(self, cut: Cut, spoken: UtteranceMessage, now_ms: float) -> list[Utterance]:
        self.segmenter.whole_ticks += cut.duration_ms * TICKS_PER_MS
        options = self.options.segmenter
        is_silent = options.is_silent(cut.audio, cut.audio_format, cut.sample_rate_hz)
        utterances = self._opened(cut, spoken.utterance_index, spoken, now_ms)
        for utterance in utterances:
            utterance.is_silent = is_silent
        return utterances

    def _chunk(
        self, audio: bytes, ticks: int, seq: int, now_ms: float, *, is_final: bool
    ) -> list[Utterance]:
        segmenter = self.segmenter
        if segmenter.due_ms < now_ms <= segmenter.due_ms + _SAME_TURN_MS:
            segmenter.excuse_pause(now_ms, _LOOK_AGAIN_MS)
        if self.progress is None or not audio:
            cuts = segmenter.chunk(audio, ticks, seq=seq, is_final=is_final, now_ms=now_ms)
            return self.utterances(cuts, now_ms)
        earlier: list[Cut] = []
        is_late = self.progress.is_late(segmenter.heard_ms, now_ms)
        if is_late and seq > self.progress.joined_seq:
            earlier = segmenter.end_hangover(now_ms)
        if segmenter.is_in_hangover(now_ms):
            self.progress.joined(seq)
        cuts = segmenter.chunk(audio, ticks, seq=seq, is_final=is_final, now_ms=now_ms)
        return self.utterances(earlier + cuts, now_ms)

    def _tiny(self, spoken: UtteranceMessage, now_ms: float) -> list[Utterance]:
        """Take a tiny utterance as a chunk; its index is no `seq`, so it stands with the last."""
        index, progress = spoken.utterance_index, self.progress
        if progress is not None and progress.has_tiny(index):
            return []
        self.segmenter.declare_format(spoken.audio_format, spoken.sample_rate)
        ticks = self.segmenter.measure(spoken.audio)
        if progress is not None:
            progress.take_tiny(index)
            index = progress.last_seq
        self._has_tiny = True
        return self._chunk(spoken.audio, ticks, index, now_ms, is_final=spoken.manual_cut)

    def _is_tiny(self, spoken: UtteranceMessage) -> bool:
        """Whether it is a chunk of a stream; one that is cut by hand ends it, if there is one."""
        if self._profile.is_gateway or (spoken.manual_cut and not self._has_tiny):
            return False
        ticks = audio_ticks(spoken.audio, spoken.audio_format, spoken.sample_rate)
        return ticks_to_ms(ticks) < self.options.tiny_utterance_ms

    # ---- time -------------------------------------------------------------------------------

    def poll(self, now_ms: float, *, is_unread: bool = False) -> list[Utterance]:
        """Return what a pause or a hangover has cut by now.

        A speaker whose audio waits to be read is not quiet. Who is asked late cannot know: what
        came meanwhile is read right after this, so it is asked once more.
        """
        is_late = now_ms >= self.segmenter.due_ms + _LATE_MS and not self._was_late
        self._was_late = is_late
        is_unread = is_unread or (self.conversion is not None and self.conversion.is_busy)
        if (is_unread or is_late) and self.segmenter.excuse_pause(now_ms, _LOOK_AGAIN_MS):
            return []
        return self.utterances(self.segmenter.poll(now_ms), now_ms)

    def flush(self, now_ms: float) -> list[Utterance]:
        """Cut what was spoken so far into a last utterance."""
        return self.utterances(self.segmenter.flush(now_ms), now_ms)

    def detached(self, now_ms: float) -> None:
        """The client lost its socket: if it may resume, its quiet is no pause.

        Else the pause clock runs, whatever it played: it says no more that it has ended.
        """
        if self.progress is not None:
            self.segmenter.hold_pause(now_ms)
        else:
            self.segmenter.playback_ended(now_ms)

    def resumed(self, now_ms: float) -> None:
        """The client is back and sends again what it does not know to have arrived."""
        if self.progress is not None:
            self.segmenter.release_pause(now_ms)
            self.progress.resumed(self.segmenter.heard_ms, now_ms)

    # ---- what is open -----------------------------------------------------------------------

    def close(self, job_id: JobId) -> Utterance | None:
        """An utterance has its outcome: let go of it. None when it had one before."""
        utterance = self.open.close(job_id)
        if utterance is not None:
            spec = utterance.spec
            is_last = utterance.track is None or not self.open.has_spoken(spec.utterance_index)
            if is_last and (spec.turn_part or spec.turn_continues):
                self.segmenter.turn_segment_closed(utterance.work.turn_id, spec.turn_part)
            self.account()
        return utterance

    def release_audio(self, utterance: Utterance) -> None:
        """Let go of an open utterance's audio."""
        self.open.release(utterance)
        self.account()

    def overdue(self, now_ms: float) -> list[Utterance]:
        """Return the open utterances whose outcome is not waited for any longer."""
        due_ms = self.overdue_at_ms
        if due_ms is None or now_ms < due_ms:
            return []
        limit_ms = self.options.job_lifetime_ms + self.options.overdue_ms
        return [one for one in self.open if one.turn_cut_at_ms + limit_ms <= now_ms]

    def drop_all(self) -> None:
        """The session is over: nothing is held any more."""
        for utterance in list(self.open):
            self.open.close(utterance.spec.job_id)
        if self.conversion is not None:
            self.conversion.close()
            self.settle_flow()
        self._held.hold(0, 0)
        self._replayed_bytes = 0

    def replayed(self, held_bytes: int) -> None:
        """So many bytes are held of audio that comes again, for cuts made elsewhere."""
        self._replayed_bytes = held_bytes
        self.account()

    def account(self) -> None:
        """Tell the process what is held now."""
        open_, held = self.open, self._held
        holds = self.segmenter.held_bytes + open_.held_bytes + self._replayed_bytes
        if self.conversion is not None:
            holds += self.conversion.held_bytes
        if holds > held.held_bytes:
            self.has_spoken = True
        held.hold(holds, len(open_.jobs))

    # ---- from cuts to utterances ------------------------------------------------------------

    def utterances(self, cuts: list[Cut], now_ms: float) -> list[Utterance]:
        """Return what was cut, with an index each."""
        cut_now: list[Utterance] = []
        for cut in cuts:
            self._has_tiny = False
            cut_now += self._opened(cut, self.indexes.take_next(), None, now_ms)
        if self.progress is not None:
            self.progress.segment(self.segmenter.first_seq)
        if not cuts:
            self.account()
        return cut_now

    def _opened(
        self, cut: Cut, index: int, message: UtteranceMessage | None, now_ms: float
    ) -> list[Utterance]:
        """Return what was cut, once or once for each language in which it is heard."""
        utterances = self.opening.opened(cut, index, message, now_ms)
        for utterance in utterances:
            utterance.uplink_ms = self._uplink_ms
        self._uplink_ms = None
        if not (cut.ends_turn or any(one.spec.turn_continues for one in utterances)):
            self.segmenter.turn_segment_closed(cut.turn_id, cut.turn_part)
        self.account()
        return utterances
