"""SessionActor: one speaker, from the first chunk to the last outcome.

It owns its `Uplink` (what was said and is not answered yet, audio included) and its `Downlink`
(what the client hears, in order), and tells the dispatcher what was cut.

Life: active with a socket; detached without one, for the grace period; closing once it was asked
to end or the grace has passed. It does not end before everything that was said has its outcome.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from loguru import logger

from actors.admission import HeldAudio
from actors.directory import Directory
from actors.downlink import Downlink, DownlinkOptions
from actors.messages import (
    ChunkArrived,
    ClientBeat,
    CloseRequested,
    DispatcherRestarted,
    EndJob,
    JobDispatched,
    JobEnded,
    JobProgressed,
    JobQueued,
    PartialArrived,
    PlaybackEnded,
    PlaybackStarted,
    ResultReplaced,
    SessionClaimed,
    SessionEnded,
    SessionOpened,
    SocketAttached,
    SocketLost,
    StoreEmptied,
    UtteranceArrived,
    UtteranceCut,
    UtteranceWanted,
)
from actors.metrics import Metrics
from actors.ports import Outbox
from actors.presence import Presence
from actors.profile import SessionProfile
from actors.runtime import LoopActor, tell
from actors.uplink import Repeated, Uplink, UplinkOptions
from actors.utterances import Utterance
from protocol.errors import CloseCode, ErrorCode, MissingReason, ProtocolError
from protocol.session_outbound import (
    Reconnect,
    ServerHeartbeat,
    SessionCloseAck,
    UiEventKind,
    error_message,
)
from storage.job import JobState


@dataclass(frozen=True, slots=True)
class SessionSetup:
    """What all sessions of a process have in common."""

    directory: Directory
    presence: Presence
    held: HeldAudio
    metrics: Metrics
    uplink: UplinkOptions
    downlink: DownlinkOptions
    grace_ms: float
    close_flush_ms: float
    keep_audio_after_sending: bool
    """False: a lost node ends the job as `node_lost`, because its audio is gone."""
    wall_ms: Callable[[], int]
    """Unix ms, for what peers are told."""


class _Phase(Enum):
    ACTIVE = auto()
    DETACHED = auto()
    CLOSING = auto()


class SessionActor(LoopActor):
    """Owns one session; every utterance it cut has exactly one outcome before it ends."""

    mailbox_limit = 256
    """About a minute of speech: a reader that is this far ahead waits."""

    def __init__(self, profile: SessionProfile, setup: SessionSetup, outbox: Outbox) -> None:
        super().__init__()
        self.key = profile.session_id
        self._profile = profile
        self._setup = setup
        self._uplink = Uplink(profile, setup.uplink, setup.held)
        self._downlink = Downlink(profile.session_id, setup.downlink, setup.wall_ms)
        self._downlink.outbox = outbox
        self._phase = _Phase.ACTIVE
        self._phase_ends_ms: float | None = None
        self._acknowledge = False
        self._log = logger.bind(session_id=profile.session_id)

    def __repr__(self) -> str:
        sid, phase, open_ = self._profile.session_id, self._phase.name, len(self._uplink.open)
        return f"<SessionActor {sid} {phase} open={open_}>"

    def on_start(self) -> None:
        """Acknowledge first: some clients take whatever frame comes first for the answer."""
        self._setup.presence.attach(self._profile.session_id)
        self._downlink.send(self._profile.acknowledgement())
        self._open_in_store()
        self._log.info("session opened", platform=self._profile.platform)

    def _open_in_store(self) -> None:
        profile = self._profile
        self._setup.directory.dispatcher.tell(
            SessionOpened(self.actor_ref, profile.session_id, profile.tenant_id)
        )

    def on_receive(self, message: Any) -> None:
        """Handle one message, then set the alarm for what time brings next."""
        match message:
            case ChunkArrived():
                self._on_chunk(message)
            case JobEnded():
                self._on_ended(message)
            case JobDispatched():
                self._on_dispatched(message)
            case UtteranceArrived():
                self._on_utterance(message)
            case PartialArrived():
                self._on_partial(message)
            case JobQueued() | JobProgressed():
                self._on_progress(message)
            case UtteranceWanted():
                self._on_wanted(message)
            case ResultReplaced():
                self._on_replaced(message)
            case ClientBeat():
                self._on_beat(message)
            case PlaybackStarted() | PlaybackEnded():
                self._on_playback(message)
            case _:
                self._on_life(message)
        self._arm()

    def _on_life(self, message: Any) -> None:
        match message:
            case SessionClaimed():
                self._uplink.epoch = message.epoch
            case SocketLost():
                self._on_socket_lost(message)
            case SocketAttached():
                self._on_attached(message)
            case CloseRequested():
                self._on_close_requested(message)
            case StoreEmptied():
                self._open_in_store()
            case DispatcherRestarted():
                self._on_dispatcher_restarted()
            case _:
                raise TypeError(f"{self!r} cannot handle {type(message).__name__}")

    # ---- what the client says ---------------------------------------------------------------

    def _on_chunk(self, message: ChunkArrived) -> None:
        if self._phase is _Phase.CLOSING:
            return  # said after the end
        try:
            cut = self._uplink.chunk(message, self.now_ms(), self._setup.wall_ms())
        except ProtocolError as error:
            self._refuse(error)
            return
        if cut:
            self._dispatch(cut)

    def _on_utterance(self, message: UtteranceArrived) -> None:
        if self._phase is _Phase.CLOSING:
            return
        try:
            cut = self._uplink.whole(message, self.now_ms())
        except ProtocolError as error:
            self._refuse(error)
            return
        if isinstance(cut, Repeated):
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
        for utterance in utterances:
            self._downlink.expect(utterance)
            self._setup.metrics.cut_made(utterance.reason.value)
            if self._uplink.is_over_bound:
                self._end(utterance, JobState.FAILED, MissingReason.QUEUE_FULL)
            else:
                self._tell_cut(utterance, attempt=0)

    def _tell_cut(self, utterance: Utterance, attempt: int) -> None:
        audio = utterance.audio or b""
        self._setup.directory.dispatcher.tell(
            UtteranceCut(self.actor_ref, utterance.spec, utterance.work, audio, attempt)
        )

    def _on_progress(self, message: JobQueued | JobProgressed) -> None:
        utterance = self._uplink.open.get(message.job_id)
        if utterance is None:
            return
        if isinstance(message, JobQueued):
            wait_ms = message.wait_ms_estimate
            self._downlink.progress(utterance, UiEventKind.QUEUED, self.now_ms(), wait_ms)
        else:
            self._downlink.progress(utterance, UiEventKind.NODE_ACCEPTED, self.now_ms())

    def _on_dispatched(self, message: JobDispatched) -> None:
        utterance = self._uplink.open.get(message.job_id)
        if utterance is None:
            return
        now_ms = self.now_ms()
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
            self._tell_cut(utterance, message.attempt)
            return
        self._setup.directory.dispatcher.tell(end)

    def _on_partial(self, message: PartialArrived) -> None:
        utterance = self._uplink.open.get(message.job_id)
        if utterance is not None:
            self._downlink.progress(utterance, UiEventKind.ASR_PARTIAL, self.now_ms())
            self._downlink.partial(utterance, message.text, is_final=message.is_final)

    def _on_ended(self, message: JobEnded) -> None:
        """One outcome per utterance: what comes for a closed one changes nothing."""
        utterance = self._uplink.close(message.job_id)
        if utterance is None:
            return
        now_ms = self.now_ms()
        self._setup.metrics.final_to_result(now_ms - utterance.cut_at_ms)
        self._downlink.ended(utterance, message, now_ms)
        self._finish_if_done()

    def _on_replaced(self, message: ResultReplaced) -> None:
        self._downlink.replace(message, self.now_ms())

    def _end(self, utterance: Utterance, state: JobState, reason: MissingReason) -> None:
        """Give an utterance its outcome here, without a word from the store."""
        job_id = utterance.spec.job_id
        self._on_ended(JobEnded(job_id, state, reason, None, 0, None))

    # ---- life -------------------------------------------------------------------------------

    def _on_socket_lost(self, message: SocketLost) -> None:
        if message.outbox is not self._downlink.outbox:
            return  # the end of a socket that this session has left
        self._downlink.outbox = None
        if self._phase is _Phase.ACTIVE:
            self._phase = _Phase.DETACHED
            self._phase_ends_ms = self.now_ms() + self._setup.grace_ms
            self._setup.presence.detach(self._profile.session_id, self._profile.tenant_id)
            self._log.info("session detached", open=len(self._uplink.open))

    def _on_attached(self, message: SocketAttached) -> None:
        self._downlink.outbox = message.outbox
        if self._phase is _Phase.DETACHED:
            self._phase = _Phase.ACTIVE
            self._phase_ends_ms = None
            self._setup.presence.attach(self._profile.session_id)
            self._log.info("session attached to another socket")

    def _on_dispatcher_restarted(self) -> None:
        self._open_in_store()
        for utterance in self._uplink.open:
            self._tell_cut(utterance, attempt=0)

    def _on_close_requested(self, message: CloseRequested) -> None:
        """Cut what was said so far and wait for what is open, not for ever."""
        self._acknowledge = self._acknowledge or message.acknowledge
        if message.reconnect_after_ms is not None:
            self._downlink.send(
                Reconnect(after_ms=message.reconnect_after_ms, reason=message.reason)
            )
        if self._phase is _Phase.CLOSING:
            return
        self._phase = _Phase.CLOSING
        within_ms = self._setup.close_flush_ms if message.within_ms is None else message.within_ms
        self._phase_ends_ms = self.now_ms() + within_ms
        self._setup.presence.leave(self._profile.session_id)
        self._dispatch(self._uplink.flush(self.now_ms()))
        self._finish_if_done()

    def _finish_if_done(self) -> None:
        if self._phase is not _Phase.CLOSING or self.actor_stopped.is_set():
            return
        if len(self._uplink.open):
            return
        self._phase_ends_ms = None
        self._downlink.flush()
        session_id = self._profile.session_id
        if self._acknowledge:
            self._downlink.send(SessionCloseAck(session_id=session_id))
        self._uplink.drop_all()
        self._setup.directory.dispatcher.tell(SessionEnded(session_id))
        self._setup.directory.remove_session(session_id, self.actor_ref)
        self._log.info("session closed")
        self.stop()

    def on_failure(self, *_exception: object) -> None:
        """A bug ended this actor: the client is told, nothing stays behind."""
        profile, setup = self._profile, self._setup
        error = error_message(ErrorCode.INTERNAL_ERROR, "the session failed and is over")
        self._downlink.send(error)
        if self._downlink.outbox is not None:
            self._downlink.outbox.close(CloseCode.INTERNAL_ERROR, "the session failed")
        for utterance in self._uplink.open:
            job_id = utterance.spec.job_id
            end = EndJob(job_id, JobState.CANCELLED, MissingReason.PROCESSING_ERROR)
            tell(setup.directory.dispatcher, end)
        tell(setup.directory.dispatcher, SessionEnded(profile.session_id))
        self._uplink.drop_all()
        setup.presence.leave(profile.session_id)
        setup.directory.remove_session(profile.session_id, self.actor_ref)

    # ---- time -------------------------------------------------------------------------------

    def on_wake(self, now_ms: float) -> None:
        """Pauses, outcomes held back for too long, the end of the grace, overdue outcomes."""
        if self._phase is not _Phase.CLOSING:
            self._dispatch(self._uplink.poll(now_ms))
        self._downlink.poll(now_ms)
        for utterance in self._uplink.overdue(now_ms):
            self._log.warning("an outcome is overdue", job_id=utterance.spec.job_id)
            self._end_everywhere(utterance, JobState.FAILED, MissingReason.JOB_TIMEOUT)
        if self._phase_ends_ms is not None and now_ms >= self._phase_ends_ms:
            self._on_phase_end()
        self._arm()

    def _on_phase_end(self) -> None:
        self._phase_ends_ms = None
        if self._phase is _Phase.DETACHED:
            self._on_close_requested(CloseRequested("grace", acknowledge=False))
        elif self._phase is _Phase.CLOSING:
            for utterance in list(self._uplink.open):
                self._end_everywhere(utterance, JobState.CANCELLED, MissingReason.SESSION_CLOSED)

    def _end_everywhere(self, utterance: Utterance, state: JobState, reason: MissingReason) -> None:
        self._setup.directory.dispatcher.tell(EndJob(utterance.spec.job_id, state, reason))
        self._end(utterance, state, reason)

    def _arm(self) -> None:
        """One alarm for the earliest of all deadlines; most messages only move it later."""
        earliest_ms = self._phase_ends_ms
        for at_ms in (
            self._uplink.deadline_ms,
            self._uplink.overdue_at_ms,
            self._downlink.deadline_ms,
        ):
            if at_ms is not None and (earliest_ms is None or at_ms < earliest_ms):
                earliest_ms = at_ms
        self.wake_at(earliest_ms)
