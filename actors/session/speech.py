"""Speech: what the speaker says and hears, in whatever phase its session is.

What the client says goes into the `Uplink`, what becomes of it comes out of the `Downlink`, and
the dispatcher is asked in between. Must not: know when the session begins, pauses or ends.
"""

from collections.abc import Iterable

from loguru import logger

from actors.messages.job import (
    AudioSupplied,
    EndJob,
    JobDispatched,
    JobEnded,
    JobProgressed,
    JobQueued,
    PartialArrived,
    ResultReplaced,
    SpeechConverted,
    UtteranceCut,
    UtteranceWanted,
)
from actors.messages.session import (
    ChunkArrived,
    ClientBeat,
    PlaybackEnded,
    PlaybackStarted,
    UtteranceArrived,
)
from actors.messages.stream import StreamEnded, StreamOpened
from actors.metrics import COMPLETED, UtteranceEnded
from actors.missing_log import Waited, log_missing
from actors.runtime.actor import tell
from actors.session.downlink.outcome import Outcome, ends_turn
from actors.session.options import quiet_before
from actors.session.parts import Parts
from actors.session.playback_format import PlaybackFormat
from actors.session.resume.notes import Notes
from actors.session.resume.uplink import UplinkRestore
from actors.session.streaming.streaming import Streaming
from actors.session.uplink.indexes import Repeated
from actors.session.utterances import Utterance
from protocol.encode import encode_server_heartbeat
from protocol.errors import ErrorCode, MissingReason, ProtocolError
from protocol.ids import JobId
from protocol.messages.session_outbound import UiEventKind, error_message
from storage.job import JobState


class Speech:
    """Every utterance that was cut has exactly one outcome."""

    def __init__(self, parts: Parts, notes: Notes | None, again: UplinkRestore | None) -> None:
        self._parts = parts
        self._log = logger if again is None else parts.log
        """Bound to the session with its first utterance: an idle session needs none."""
        self._setup = parts.setup
        self._uplink = parts.uplink
        self._downlink = parts.downlink
        self._room = parts.room
        self._waiting = parts.waiting
        self._format = PlaybackFormat(parts)
        self._notes = notes
        """None: nobody can resume the session."""
        self._again = again
        """Set where the session was taken over: audio that was cut elsewhere comes again."""
        self.streaming = Streaming(parts)
        """Has what is being spoken at a node already, where one streams."""
        self._quiet_ms = quiet_before(parts.setup.uplink.segmenter, parts.profile.endpointing)
        """For how long nothing was spoken before a cut, by what was cut for."""

    # ---- what the client says ---------------------------------------------------------------

    def chunk(self, message: ChunkArrived, now_ms: float, *, is_open: bool) -> None:
        """Take a piece of audio, which may have been cut before: else it counts if still open."""
        try:
            if self._again is not None and self._again.take(message):
                self.send_filled()
            elif is_open:
                self.dispatch(self._uplink.chunk(message, now_ms))
        except ProtocolError as error:
            self.refuse(error)

    def utterance(self, message: UtteranceArrived, now_ms: float) -> None:
        """Take a whole utterance."""
        try:
            cut = self._uplink.whole(message, now_ms)
        except ProtocolError as error:
            self.refuse(error)
            return
        if not isinstance(cut, Repeated):
            self.dispatch(cut)
            return
        if self._again is not None:
            self._again.repeated(cut.utterance_index, cut.audio)
            self.send_filled()
        if not self._downlink.repeat(cut.utterance_index):  # some clients wait without a limit
            text = "utterance_index was used before, and its outcome is not kept any more"
            self.refuse(ProtocolError(ErrorCode.INVALID_MESSAGE, text))

    def refuse(self, error: ProtocolError) -> None:
        """Tell the client that its message does not count."""
        self._downlink.send(error_message(error.code, error.message))
        self._downlink.hang_up(error.code.value)

    def refuse_late(self) -> None:
        """Tell the client that its session takes nothing more."""
        self.refuse(ProtocolError(ErrorCode.SESSION_CLOSED, "the session is closing"))

    def beat(self, message: ClientBeat) -> None:
        """Answer a sign of life."""
        if message.last_delivery_seq is not None:
            self._downlink.free_replay(message.last_delivery_seq)
        wall_ms = self._setup.wall_ms()
        self._downlink.send(encode_server_heartbeat(self._parts.session_id, wall_ms))

    def playback(self, message: PlaybackStarted | PlaybackEnded, now_ms: float) -> None:
        """The client plays speech, or is done: its silence is no pause meanwhile."""
        if isinstance(message, PlaybackStarted):
            self._uplink.segmenter.playback_started(now_ms)
        else:
            self._uplink.segmenter.playback_ended(now_ms)
            self._downlink.playback_ended(message, now_ms)

    # ---- utterances and their jobs ----------------------------------------------------------

    def dispatch(self, utterances: Iterable[Utterance]) -> None:
        """Give each a place in the order and send it on its way."""
        before, member, waiting = None, self._room.member, self._waiting
        abilities = self._setup.directory.abilities
        if self._log is logger:
            self._log = self._parts.log
        for utterance in utterances:
            index = utterance.spec.utterance_index
            is_first, before = index != before, index
            track = utterance.track
            if track is None or track.for_speaker:
                self._downlink.expect(utterance)
            if member is not None:
                member.cut(utterance, is_first=is_first)
            if is_first:
                self._setup.metrics.cut_made(utterance.reason)
            limit, is_unserved = self._uplink.limit, False
            if limit is None and not utterance.is_silent:
                is_unserved = not abilities.serve(utterance.spec.requirement)
                limit = waiting.limit or (waiting.limit_of_unserved if is_unserved else None)
            if limit is not None:
                self._setup.metrics.limit_reached(limit)
                self.end(utterance, JobState.FAILED, MissingReason.QUEUE_FULL, utterance.cut_at_ms)
            elif utterance.is_silent:
                silence, now_ms = MissingReason.SILENCE_DETECTED, utterance.cut_at_ms
                self.end(utterance, JobState.EMPTY, silence, now_ms)
            else:
                spec = utterance.spec
                self._waiting.add(spec.job_id, is_unserved=is_unserved)
                self._setup.directory.usage.job_made(spec.tenant_id, spec.cost_ms * is_first)
                self.tell_cut(utterance)

    def tell_cut(self, utterance: Utterance) -> None:
        """Ask for a node."""
        state = "" if self._notes is None else self._notes.state_with(utterance)
        spec, work, audio = utterance.spec, utterance.work, utterance.audio or b""
        frames = self.streaming.claim(utterance) if self.streaming.is_begun else 0
        cut_at_ms, why = utterance.cut_at_ms, utterance.reason
        cut = UtteranceCut(self._parts.ref, spec, work, audio, cut_at_ms, state, frames, why)
        tell(self._setup.directory.dispatcher, cut)
        self._log.debug(
            "utterance cut",
            job_id=spec.job_id,
            index=spec.utterance_index,
            reason=utterance.reason,
            speech_ms=spec.cost_ms,
            needs=spec.requirement,
        )

    def _supply(self, utterance: Utterance, attempt: int) -> None:
        """Give the audio that an attempt asks for."""
        audio = AudioSupplied(utterance.spec.job_id, attempt, utterance.audio or b"")
        self._parts.dispatcher.tell(audio)

    def send_filled(self) -> None:
        """What was cut elsewhere is whole again: a node waits for it, or it never was a job."""
        if self._again is None:
            return
        for utterance in self._again.take_filled():
            if utterance.wanted_attempt is not None:
                self._supply(utterance, utterance.wanted_attempt)
                utterance.wanted_attempt = None
            elif not utterance.has_job:
                utterance.has_job = True
                self.tell_cut(utterance)

    def progressed(self, message: JobQueued | JobProgressed, now_ms: float) -> None:
        """Show that a job waits, or that its node has taken it."""
        utterance = self._uplink.open.jobs.get(message.job_id)
        if utterance is None:
            return
        if isinstance(message, JobQueued):
            abilities, needed = self._setup.directory.abilities, utterance.spec.requirement
            is_served = abilities.serve(needed)
            self._waiting.add(message.job_id, is_unserved=not is_served)
            if self._notes is not None:
                self._notes.stored(utterance)
            if not is_served and abilities.lacks_format(needed):
                self._end_unread(message.job_id, needed)
                return
            wait_ms = message.wait_ms_estimate if is_served else None
            self._downlink.progress(utterance, UiEventKind.QUEUED, now_ms, wait_ms)
            self._log.debug("job waits", job_id=message.job_id, wait_ms_estimate=wait_ms)
        else:
            self._downlink.progress(utterance, UiEventKind.NODE_ACCEPTED, now_ms)
            self._log.debug("node works on job", job_id=message.job_id, node_id=message.node_id)

    def _end_unread(self, job_id: JobId, needed: str) -> None:
        """No node of its languages reads the audio of a job: there is nothing to wait for."""
        self._log.warning("no node reads the audio of a job", job_id=job_id, requirement=needed)
        reason = MissingReason.NO_AVAILABLE_NODE
        self._parts.dispatcher.tell(EndJob(job_id, JobState.FAILED, reason))

    def dispatched(self, message: JobDispatched, now_ms: float) -> None:
        """A node has the job."""
        self._waiting.remove(message.job_id)
        utterance = self._uplink.open.jobs.get(message.job_id)
        if utterance is None:
            return
        spec = utterance.spec
        if (spec.turn_continues or spec.turn_part) and not message.stays_in_turn:
            turn_id = utterance.work.turn_id
            if self._uplink.opening.stand_alone(utterance):
                self._uplink.segmenter.turn_segment_closed(turn_id, spec.turn_part)
        if self._notes is not None:
            self._notes.stored(utterance)
        utterance.sent_at_ms = now_ms
        if utterance.first_sent_at_ms is None:
            utterance.first_sent_at_ms = now_ms
            self._setup.metrics.final_to_assign(now_ms - utterance.cut_at_ms)
        self._downlink.progress(utterance, UiEventKind.DISPATCHED, now_ms)
        self._log.debug(
            "job assigned",
            job_id=message.job_id,
            node_id=message.node_id,
            attempt=message.attempt,
            after_ms=round(now_ms - utterance.cut_at_ms),
        )
        if not self._setup.keep_audio_after_sending:
            self._uplink.release_audio(utterance)

    def wanted(self, message: UtteranceWanted) -> None:
        """Send the audio once more, or say why not."""
        utterance = self._uplink.open.jobs.get(message.job_id)
        if utterance is None:
            end = EndJob(message.job_id, JobState.CANCELLED, MissingReason.SESSION_CLOSED)
        elif utterance.awaits_replay:
            utterance.wanted_attempt = message.attempt
            return
        elif utterance.audio is None:
            end = EndJob(message.job_id, JobState.FAILED, message.because)
        else:
            self._supply(utterance, message.attempt)
            return
        self._parts.dispatcher.tell(end)

    def while_spoken(
        self, message: PartialArrived | StreamOpened | StreamEnded, now_ms: float
    ) -> None:
        """Show what a node has recognised so far, or take where it hears what is being spoken."""
        if not isinstance(message, PartialArrived):
            self.streaming.on(message, now_ms)
            return
        utterance = self._uplink.open.jobs.get(message.job_id)
        if utterance is not None:
            self._downlink.progress(utterance, UiEventKind.ASR_PARTIAL, now_ms)
        else:
            utterance = self.streaming.spoken(message.job_id)
        if utterance is not None and utterance.work.further_language is None:  # the same in all
            self.streaming.partial(utterance, message, now_ms)

    # ---- outcomes ---------------------------------------------------------------------------

    def ended(self, message: JobEnded | SpeechConverted, now_ms: float) -> None:
        """A job is over; its speech may have to be turned into what the client plays, first."""
        if isinstance(message, JobEnded):
            if not self._format.puts_off(message):
                self._end(message, now_ms)
        elif isinstance(message.message, JobEnded):
            self._end(message.message, now_ms)
        else:
            self._replace(message.message)

    def _end(self, message: JobEnded, now_ms: float) -> None:
        """One outcome per utterance: what comes for a closed one changes nothing."""
        self._waiting.remove(message.job_id)
        utterance = self._uplink.close(message.job_id)
        if utterance is None:
            return
        self.streaming.ended(message.job_id)
        if self._notes is not None:
            self._notes.ended(utterance, message)
        if self._again is not None:
            self._again.forget(utterance)
        self._measure(utterance, message, now_ms)
        self._deliver(utterance, message, now_ms)
        if message.reason is None:
            self._log.debug(
                "utterance translated",
                job_id=message.job_id,
                node_id=message.node_id,
                attempt=message.attempt,
                after_ms=round(now_ms - utterance.cut_at_ms),
            )
        else:
            waited = Waited.of(utterance.cut_at_ms, utterance.first_sent_at_ms, now_ms)
            log_missing(self._log, message, utterance.spec, waited)
            if ends_turn(message.reason):
                self._end_turn(utterance, message.reason, now_ms)

    def _measure(self, utterance: Utterance, ended: JobEnded, now_ms: float) -> None:
        spec, extra = utterance.spec, ended.result.extra if ended.result is not None else None
        self._setup.metrics.utterance_ended(
            UtteranceEnded(
                source=spec.source,
                target=spec.language,
                outcome=COMPLETED if ended.reason is None else ended.reason,
                has_job=not utterance.is_silent,
                cut_at_ms=utterance.cut_at_ms,
                first_sent_at_ms=utterance.first_sent_at_ms,
                sent_at_ms=utterance.sent_at_ms,
                ended_at_ms=now_ms,
                quiet_ms=self._quiet_ms.get(utterance.reason, 0),
                speech_ms=spec.cost_ms,
                node_id=ended.node_id,
                timings=None if extra is None else extra.get("service_timings"),
                begun_at_ms=utterance.begun_at_ms,
                cut_reason=utterance.reason,
                attempt=ended.attempt,
                traceparent=utterance.work.traceparent,
                spec=spec,
            )
        )

    def _end_turn(self, last: Utterance, reason: MissingReason, now_ms: float) -> None:
        """A turn whose end has failed is over: nodes hold earlier words until an end comes."""
        if last.spec.turn_continues or not last.spec.turn_part:
            return
        turn = (last.spec.turn_id, last.spec.language)
        for earlier in list(self._uplink.open):
            if (earlier.spec.turn_id, earlier.spec.language) == turn:
                self.end_everywhere(earlier, JobState.FAILED, reason, now_ms)

    def _deliver(self, utterance: Utterance, ended: JobEnded, now_ms: float) -> None:
        """Bring an outcome to whoever hears the utterance: the speaker, members of its room."""
        track = utterance.track
        if track is not None and self._room.member is not None:
            self._room.member.ended(Outcome(utterance, ended))
        if track is None or track.for_speaker:
            self._downlink.ended(utterance, ended, now_ms)
            if self._downlink.outbox is None:
                self._setup.presence.answered(self._parts.session_id)
        else:
            self._downlink.show_end(utterance, ended, now_ms)
            if self._notes is not None:
                self._notes.records.answered(utterance.spec.request_id)

    def replaced(self, message: ResultReplaced) -> None:
        """A full result counts instead of an empty one that was not delivered."""
        if not self._format.puts_off(message):
            self._replace(message)

    def _replace(self, message: ResultReplaced) -> None:
        self._downlink.replace(message)
        member = self._room.member
        if member is None:
            return
        utterance = member.take_empty(message.job_id)
        if utterance is not None:
            ended = JobEnded(message.job_id, JobState.DONE, None, message.result, 1, None)
            member.replaced(Outcome(utterance, ended))

    def end(
        self, utterance: Utterance, state: JobState, reason: MissingReason, now_ms: float
    ) -> None:
        """Give an utterance its outcome here; the store does not know it."""
        self._end(JobEnded(utterance.spec.job_id, state, reason, None, 0, None), now_ms)

    def end_everywhere(
        self, utterance: Utterance, state: JobState, reason: MissingReason, now_ms: float
    ) -> None:
        """Give an utterance its outcome, and end its job."""
        self._parts.dispatcher.tell(EndJob(utterance.spec.job_id, state, reason))
        self.end(utterance, state, reason, now_ms)

    def end_failed(self, unanswered: list[Utterance], now_ms: float) -> None:
        """A bug ends the session: tell the client what became of these, and of what waits."""
        for utterance in unanswered:
            job_id, reason = utterance.spec.job_id, MissingReason.PROCESSING_ERROR
            ended = JobEnded(job_id, JobState.FAILED, reason, None, 0, None)
            self._deliver(utterance, ended, now_ms)
        self._downlink.flush(now_ms)
        self._downlink.open_gate()
