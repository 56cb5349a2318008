"""Speech: what a session's actor does for its speaker, whatever phase it is in.

What the client says goes into the `Uplink`, what becomes of it comes out of the `Downlink`, and
the dispatcher is told in between. Must not: know when the session begins, pauses or ends.
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
    UtteranceCut,
    UtteranceWanted,
)
from actors.messages.room import RoomMessage
from actors.messages.session import (
    ChunkArrived,
    ClientBeat,
    PlaybackEnded,
    PlaybackStarted,
    UtteranceArrived,
)
from actors.ports import Outbox
from actors.room.setup import RoomSetup
from actors.runtime.actor import LoopActor
from actors.session.downlink.outcome import Outcome, is_failure
from actors.session.member.member import Member
from actors.session.profile import SessionProfile
from actors.session.resume.downlink import DownlinkRestore
from actors.session.setup import SessionSetup
from actors.session.uplink.uplink import Repeated, Uplink
from actors.session.utterances import Utterance
from protocol.errors import ErrorCode, MissingReason, ProtocolError
from protocol.ids import RequestId
from protocol.session_outbound import AudioAck, ServerHeartbeat, UiEventKind, error_message
from storage.job import JobState


class Speech(LoopActor):
    """The working half of a session; every utterance it cut has exactly one outcome."""

    def __init__(self, profile: SessionProfile, setup: SessionSetup, outbox: Outbox | None) -> None:
        super().__init__()
        self.key = profile.session_id
        self._profile = profile
        self._setup = setup
        self._uplink = Uplink(profile, setup.uplink, setup.held)
        self._downlink = DownlinkRestore(
            profile.session_id,
            setup.downlink,
            setup.wall_ms,
            self._on_delivered if profile.is_resumable else None,
        )
        self._downlink.outbox = outbox
        self._uplink.wall_ms = setup.wall_ms
        self._downlink.next_number = self._uplink.next_number
        self._downlink.knows_results_only = profile.is_gateway
        self._room: Member | None = None
        """Made when the client first asks for a room."""
        self._log = logger.bind(session_id=profile.session_id)

    # ---- what the client says ---------------------------------------------------------------

    def _on_chunk(self, message: ChunkArrived) -> None:
        try:
            cut = self._uplink.chunk(message, self.now_ms(), self._setup.wall_ms())
        except ProtocolError as error:
            self._refuse(error)
            return
        if cut:
            self._dispatch(cut)
        elif self._uplink.has_filled:
            self._send_filled()

    def _on_utterance(self, message: UtteranceArrived) -> None:
        try:
            cut = self._uplink.whole(message, self.now_ms())
        except ProtocolError as error:
            self._refuse(error)
            return
        if isinstance(cut, Repeated):
            self._send_filled()
            self._repeat(cut)
        else:
            self._dispatch(cut)

    def _repeat(self, repeated: Repeated) -> None:
        """Never without an answer: some clients wait for one without a limit."""
        if not self._downlink.repeat(repeated.request_id):
            text = "utterance_index was used before, and its outcome is not kept any more"
            self._refuse(ProtocolError(ErrorCode.INVALID_MESSAGE, text))

    def _refuse(self, error: ProtocolError) -> None:
        self._downlink.send(error_message(error.code, error.message))
        self._downlink.hang_up(error.code.value)

    def _on_beat(self, message: ClientBeat) -> None:
        if message.last_delivery_seq is not None:
            self._downlink.free_replay(message.last_delivery_seq)
        self._downlink.send(
            ServerHeartbeat(session_id=self._profile.session_id, timestamp=self._setup.wall_ms())
        )

    def _on_playback(self, message: PlaybackStarted | PlaybackEnded) -> None:
        if isinstance(message, PlaybackStarted):
            self._uplink.playback_started(self.now_ms())
        else:
            self._uplink.playback_ended(self.now_ms())
            self._downlink.playback_ended(message, self.now_ms())

    # ---- utterances and their jobs ----------------------------------------------------------

    def _dispatch(self, utterances: Iterable[Utterance]) -> None:
        """Give each a place in the order and send it on its way."""
        said = None
        for utterance in utterances:
            index = utterance.spec.utterance_index
            is_first, said = index != said, index
            if utterance.is_for_speaker:
                self._downlink.expect(utterance)
            if self._room is not None:
                self._room.cut(utterance, is_first=is_first)
            if is_first:
                self._setup.metrics.cut_made(utterance.reason.value)
            if self._uplink.is_over_bound:
                self._end(utterance, JobState.FAILED, MissingReason.QUEUE_FULL)
            else:
                self._tell_cut(utterance)

    def _tell_cut(self, utterance: Utterance) -> None:
        spec, work, audio = utterance.spec, utterance.work, utterance.audio or b""
        self._setup.directory.dispatcher.tell(
            UtteranceCut(self.actor_ref, spec, work, audio, self._state_with(utterance))
        )

    def _supply(self, utterance: Utterance, attempt: int) -> None:
        """Give the audio again that an attempt asks for."""
        audio = AudioSupplied(utterance.spec.job_id, attempt, utterance.audio or b"")
        self._setup.directory.dispatcher.tell(audio)

    def _state_with(self, utterance: Utterance) -> str:  # noqa: ARG002 - for who remembers
        """Return what the store keeps with a cut for another instance."""
        return ""

    def _on_known(self, utterance: Utterance) -> None:
        """The store has the utterance's job."""

    def _send_filled(self) -> None:
        """The audio of utterances that were cut elsewhere is whole again."""

    def _on_progress(self, message: JobQueued | JobProgressed) -> None:
        utterance = self._uplink.open.get(message.job_id)
        if utterance is None:
            return
        if isinstance(message, JobQueued):
            self._on_known(utterance)
            wait_ms = message.wait_ms_estimate
            self._downlink.progress(utterance, UiEventKind.QUEUED, self.now_ms(), wait_ms)
        else:
            self._downlink.progress(utterance, UiEventKind.NODE_ACCEPTED, self.now_ms())

    def _on_dispatched(self, message: JobDispatched) -> None:
        utterance = self._uplink.open.get(message.job_id)
        if utterance is None:
            return
        now_ms = self.now_ms()
        self._on_known(utterance)
        if message.attempt == 1:
            self._setup.metrics.final_to_assign(now_ms - utterance.cut_at_ms)
        self._downlink.progress(utterance, UiEventKind.DISPATCHED, now_ms)
        if not self._setup.keep_audio_after_sending:
            self._uplink.release_audio(utterance)

    def _on_wanted(self, message: UtteranceWanted) -> None:
        utterance = self._uplink.open.get(message.job_id)
        if utterance is None:
            end = EndJob(message.job_id, JobState.CANCELLED, MissingReason.SESSION_CLOSED)
        elif utterance.audio is None:
            end = EndJob(message.job_id, JobState.FAILED, MissingReason.NODE_LOST)
        else:
            self._supply(utterance, message.attempt)
            return
        self._setup.directory.dispatcher.tell(end)

    def _on_partial(self, message: PartialArrived) -> None:
        utterance = self._uplink.open.get(message.job_id)
        if utterance is not None:
            self._downlink.progress(utterance, UiEventKind.ASR_PARTIAL, self.now_ms())
            if utterance.work.further_language is None:  # it is the same in all languages
                self._downlink.partial(utterance, message.text, is_final=message.is_final)

    def _on_ended(self, message: JobEnded) -> None:
        """One outcome per utterance: what comes for a closed one changes nothing."""
        utterance = self._uplink.close(message.job_id)
        if utterance is None:
            return
        now_ms = self.now_ms()
        self._setup.metrics.final_to_result(now_ms - utterance.cut_at_ms)
        self._deliver(utterance, message, now_ms)
        if message.reason is not None and is_failure(message.reason):
            self._end_turn(utterance, message.reason)

    def _end_turn(self, last: Utterance, reason: MissingReason) -> None:
        """A turn whose end has failed is over: nodes hold earlier words until an end comes."""
        if last.spec.turn_continues or not last.spec.turn_part:
            return
        turn = (last.spec.turn_id, last.spec.language)
        for said in list(self._uplink.open):
            if (said.spec.turn_id, said.spec.language) == turn:
                self._end_everywhere(said, JobState.FAILED, reason)

    def _deliver(self, utterance: Utterance, ended: JobEnded, now_ms: float) -> None:
        """Bring an outcome to whoever hears the utterance: the speaker, members of its room."""
        if utterance.track is not None and self._room is not None:
            self._room.ended(Outcome(utterance, ended))
        if utterance.is_for_speaker:
            self._downlink.ended(utterance, ended, now_ms)
        else:
            self._downlink.show_end(utterance, ended, now_ms)
            self._on_delivered(utterance.spec.request_id)

    def _on_replaced(self, message: ResultReplaced) -> None:
        self._downlink.replace(message)
        said = None if self._room is None else self._room.take_empty(message.job_id)
        if said is not None and self._room is not None:
            ended = JobEnded(message.job_id, JobState.DONE, None, message.result, 1, None)
            self._room.replaced(Outcome(said, ended))

    def _end(self, utterance: Utterance, state: JobState, reason: MissingReason) -> None:
        """Give an utterance its outcome here, without a word from the store."""
        job_id = utterance.spec.job_id
        self._on_ended(JobEnded(job_id, state, reason, None, 0, None))

    def _give_up(self, unanswered: list[Utterance]) -> None:
        """Tell the client what became of these, and of all that waits for them."""
        for utterance in unanswered:
            job_id, reason = utterance.spec.job_id, MissingReason.PROCESSING_ERROR
            ended = JobEnded(job_id, JobState.FAILED, reason, None, 0, None)
            self._deliver(utterance, ended, self.now_ms())
        self._downlink.flush(self.now_ms())
        self._downlink.open_gate()

    def _end_everywhere(self, utterance: Utterance, state: JobState, reason: MissingReason) -> None:
        self._setup.directory.dispatcher.tell(EndJob(utterance.spec.job_id, state, reason))
        self._end(utterance, state, reason)

    # ---- the room ---------------------------------------------------------------------------

    def _on_room(self, message: RoomMessage) -> None:
        if self._setup.rooms is None:
            text = "rooms and voice links are not offered here"
            self._refuse(ProtocolError(ErrorCode.UNSUPPORTED_FEATURE, text))
            return
        room = self._room or self._make_room(self._setup.rooms)
        room.on(message, self.now_ms())

    def _make_room(self, rooms: RoomSetup) -> Member:
        overdue_ms = self._setup.uplink.job_lifetime_ms + self._setup.uplink.overdue_ms
        take_index = self._uplink.take_index
        room = Member(self._profile, rooms, self._downlink, take_index, overdue_ms)
        self._room = room
        self._uplink.audience = room.audience
        room.speech.on_settled = self._uplink.said_settled
        return room

    def _leave_room(self) -> None:
        if self._room is not None:
            self._room.close(self.now_ms())

    # ---- what a client that may resume hears beside it --------------------------------------

    def _on_delivered(self, key: RequestId) -> None:
        if self._uplink.progress is not None:
            self._uplink.progress.answered(key)

    def _acknowledge_audio(self) -> float | None:
        """Tell the client what it may forget, if that is due; return when to look again."""
        progress = self._uplink.progress
        if progress is None or self._downlink.outbox is None:
            return None
        next_seq = progress.acknowledge(self.now_ms())
        if next_seq is not None:
            session_id = self._profile.session_id
            self._downlink.send(AudioAck(session_id=session_id, next_seq=next_seq))
        return progress.due_ms
