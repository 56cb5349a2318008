"""SessionActor: one speaker, from the first chunk to the last outcome.

Its parts: `Speech` is what the speaker says and hears, by way of `Uplink` and `Downlink`;
`RoomPart` is its part in a room; `Connection` are the sockets that speak for it, `Ending` the ways
to end; `Notes` is what the store keeps of it, `Welcome` and `Doubt` are for clients that may
resume. The phases of its life stand in `actors.session.life`. Here is what comes in, in which order
the parts have their turn, and time.

It does not end before everything that was said has its outcome. A resume that reception has let in
always finds the session: it is told so by a claim, at once.
"""

from math import inf
from typing import assert_never

from actors.messages.job import (
    JobDispatched,
    JobEnded,
    JobProgressed,
    JobQueued,
    PartialArrived,
    ResultReplaced,
    SpeechConverted,
    UtteranceWanted,
)
from actors.messages.process import DispatcherRestarted, StoreEmptied
from actors.messages.room import (
    MemberMessage,
    RoomMessage,
    RoomOver,
    RoomRequested,
    RoomSeen,
    SignalArrived,
)
from actors.messages.session import (
    AudioConverted,
    CancelRequested,
    ChunkArrived,
    ClientBeat,
    CloseRequested,
    ConversionFailed,
    GraceRevoked,
    PlaybackEnded,
    PlaybackStarted,
    SessionClaimed,
    SessionRefused,
    SocketAttached,
    SocketLost,
    UpdateRequested,
    UtteranceArrived,
)
from actors.messages.stream import StreamEnded, StreamOpened
from actors.messages.takeover import (
    DrainRequested,
    OwnershipConfirmed,
    OwnershipUnclear,
    SessionRecorded,
    SessionReleased,
    SocketDraining,
    SocketResumed,
)
from actors.ports import Outbox
from actors.runtime.actor import LoopActor, tell
from actors.runtime.alarm import earliest
from actors.session.composition import compose
from actors.session.handlers.beginning import go_on_here, open_in_store
from actors.session.handlers.changes import Changes
from actors.session.handlers.connection import Connection
from actors.session.handlers.converting import converting_of
from actors.session.handlers.ending import Ending, SessionUnservedError
from actors.session.inbound import CLIENT_SPOKE, MOVE_NO_DEADLINE, SessionMessage
from actors.session.life import Event, Phase
from actors.session.profile.profile import SessionProfile
from actors.session.record.moved import TakenOverSession
from actors.session.resume.parts import ResumeParts
from actors.session.setup import SessionSetup
from actors.session.speech import Speech
from protocol.errors import ErrorCode, MissingReason, ProtocolError
from storage.job import JobState


class SessionActor(LoopActor):
    """Owns one session; every utterance it cut has exactly one outcome before it ends.

    Or it ends without another message to anybody, when another instance goes on with the session.
    """

    mailbox_limit = 256
    """About a minute of speech: a reader that is this far ahead waits."""

    def __init__(
        self,
        profile: SessionProfile,
        setup: SessionSetup,
        outbox: Outbox | None,
        moved: TakenOverSession | None = None,
    ) -> None:
        """Begin a session on this socket, or go on with one from elsewhere, without a socket."""
        super().__init__()
        self.key = profile.session_ref
        self._profile = profile
        self._setup = setup
        self._moved = moved
        parts, resume = compose(self.actor_ref, profile, setup, outbox, moved)
        self._parts = parts
        self._life = parts.life
        self._uplink = parts.uplink
        self._downlink = parts.downlink
        self._room = parts.room
        self._resume = resume
        """None: the client did not ask for `resume`."""
        notes, again = (None, None) if resume is None else (resume.notes, resume.again)
        self._speech = Speech(parts, notes, again)
        self._abilities = setup.directory.abilities
        self._conversion = parts.uplink.conversion
        self._converting = converting_of(parts, self._speech, again)
        self._connection = Connection(parts, self._speech, resume)
        self._ending = Ending(parts, self._speech, self._connection, resume, self.stop)
        self._changes = Changes(parts, self._speech, self._ending, notes)
        self._alarm_ms = inf
        """When it wants to be woken at the latest; the first deadline is no earlier."""
        if resume is not None:
            setup.presence.offer(profile.session_id, resume.resumption)

    def __repr__(self) -> str:
        phase, open_ = self._life.phase.name, len(self._uplink.open)
        return f"<SessionActor {self._profile.session_id} {phase} open={open_}>"

    # ---- the beginning ----------------------------------------------------------------------

    def on_start(self) -> None:
        """Acknowledge first: some clients take whatever frame comes first for the answer."""
        now_ms = self.now_ms()
        moved, self._moved = self._moved, None
        if moved is not None:
            speaking = self._speech, self._connection
            go_on_here(self._parts, self._resume, speaking, moved, now_ms)
            return
        self._setup.presence.attach(self._profile.session_id, self._profile.tenant_id)
        open_in_store(self._parts, self._resume)
        if self._resume is None:
            self._downlink.send(self._profile.acknowledgement(self._setup.directory.abilities))
        else:
            self._resume.welcome.wait(now_ms)
            self._arm(now_ms)
        self._parts.log.info("session opened", platform=self._profile.platform)

    # ---- what comes in ----------------------------------------------------------------------

    def on_receive(self, message: SessionMessage) -> None:  # noqa: C901, PLR0912, PLR0915 - a table
        """Handle one message, then set the alarm for what time brings next."""
        now_ms = self.now_ms()
        may_wait = self._resume or (self._conversion and self._conversion.is_active)
        if may_wait and not self._is_heard(message, now_ms):
            return
        match message:
            case ChunkArrived():
                if not self._on_chunk(message, now_ms):
                    return
            case JobEnded() | SpeechConverted():
                if not self._on_job_ended(message, now_ms):
                    return
            case JobDispatched():
                self._speech.dispatched(message, now_ms)
            case JobQueued() | JobProgressed():
                self._speech.progressed(message, now_ms)
            case AudioConverted() | ConversionFailed():
                self._on_converted(message, now_ms)
            case UtteranceArrived():
                self._on_utterance(message, now_ms)
            case PartialArrived() | StreamOpened() | StreamEnded():
                self._speech.while_spoken(message, now_ms)
            case UtteranceWanted():
                self._speech.wanted(message)
            case ResultReplaced():
                self._speech.replaced(message)
            case ClientBeat():
                self._speech.beat(message)
            case PlaybackStarted() | PlaybackEnded():
                self._speech.playback(message, now_ms)
            case UpdateRequested() | CancelRequested():
                self._changes.on(message, now_ms)
            case RoomMessage():
                self._on_room(message, now_ms)
            case SocketLost():
                self._ending.socket_lost(message, now_ms)
            case SocketAttached() | SocketDraining():
                self._connection.on(message, now_ms)
            case SocketResumed():
                self._on_socket_resumed(message, now_ms)
            case CloseRequested() | DrainRequested() | GraceRevoked():
                self._ending.requested(message, now_ms)
            case SessionClaimed():
                self._on_claimed(message)
            case SessionRefused():
                raise SessionUnservedError("the dispatcher failed of this session")
            case SessionRecorded():
                self._on_recorded(message, now_ms)
            case SessionReleased():
                self._ending.release()
            case OwnershipConfirmed():
                self._lift_doubt(message.stalls)
            case StoreEmptied() | DispatcherRestarted():
                self._on_forgotten(message)
            case _:
                assert_never(message)
        if self._resume is not None or not isinstance(message, MOVE_NO_DEADLINE):
            self._arm(now_ms)

    def _is_heard(self, message: SessionMessage, now_ms: float) -> bool:
        """Whether a message is handled now; it waits in doubt whose the session is, and for audio.

        Audio that is being converted is not overtaken by what was said after it.
        """
        resume, converting = self._resume, self._converting
        if converting is not None and converting.puts_off(message, now_ms):
            self._arm(now_ms)
            return False
        if resume is None:
            return True
        if resume.doubt.stands(now_ms) and not resume.doubt.admits(message):
            if isinstance(message, DispatcherRestarted):  # it asks the store in place of the other
                tell(self._parts.dispatcher, OwnershipUnclear(resume.doubt.stalls))
            self._arm(now_ms)
            return False
        if resume.welcome.is_token_fresh and isinstance(message, CLIENT_SPOKE):
            resume.welcome.is_token_fresh = False
            resume.notes.settle_token()
        return True

    def _on_chunk(self, message: ChunkArrived, now_ms: float) -> bool:
        """Take a piece of audio; False if there is nothing to do but to wait for more."""
        if self._resume is not None or not self._life.is_open:
            self._speech.chunk(message, now_ms, is_open=self._life.is_open)
            if self._abilities.has_streaming:
                self._speech.streaming.heard(now_ms)
            return True
        try:
            cut = self._uplink.chunk(message, now_ms)
        except ProtocolError as error:
            self._speech.refuse(error)
            return True
        if cut:
            self._speech.dispatch(cut)
            return self._is_nearer()
        if self._abilities.has_streaming:
            self._speech.streaming.heard(now_ms)
        return self._uplink.segmenter.due_ms < self._alarm_ms

    def _on_converted(
        self, message: AudioConverted | ConversionFailed | None, now_ms: float
    ) -> None:
        """Take what a converter says, or what time brings, then what waited for it."""
        if self._converting is not None:
            if message is None:
                self._converting.poll(now_ms)
            else:
                self._converting.take(message, now_ms)
            if self._abilities.has_streaming:
                self._speech.streaming.heard(now_ms)
            for late in self._converting.released():
                self.on_receive(late)

    def _on_job_ended(self, message: JobEnded | SpeechConverted, now_ms: float) -> bool:
        """Take an outcome; False if there is nothing to do but to wait for more."""
        self._speech.ended(message, now_ms)
        if not self._life.is_open or self._connection.draining is not None:
            self._ending.finish_if_done(now_ms)
            return True
        return self._resume is not None or self._is_nearer()

    def _is_nearer(self) -> bool:
        """Whether a deadline may be nearer than the alarm, which may be early, never late."""
        if self._downlink.is_cut or self._room.member is not None:
            return True
        return min(self._uplink.due_ms, self._downlink.due_ms) < self._alarm_ms

    def _on_utterance(self, message: UtteranceArrived, now_ms: float) -> None:
        if self._life.take(Event.ASK):
            self._speech.utterance(message, now_ms)
        else:
            self._speech.refuse_late()

    def _on_room(self, message: MemberMessage, now_ms: float) -> None:
        if isinstance(message, RoomRequested | SignalArrived) and not self._life.take(Event.ASK):
            self._speech.refuse_late()
            return
        waiting = None if self._resume is None else self._resume.welcome.waiting
        if waiting is not None and isinstance(message, RoomSeen | RoomOver):
            self._on_socket_resumed(waiting, now_ms)
        member = self._room.made()
        if member is not None:
            member.on(message, now_ms)
            return
        text = "rooms and voice links are not offered here"
        self._speech.refuse(ProtocolError(ErrorCode.UNSUPPORTED_FEATURE, text))

    def _on_socket_resumed(self, message: SocketResumed, now_ms: float) -> None:
        if self._connection.resumed(message, now_ms):
            self._ending.finish_if_done(now_ms)

    # ---- the store and the dispatcher -------------------------------------------------------

    def _on_claimed(self, message: SessionClaimed) -> None:
        self._uplink.opening.epoch = message.epoch
        resume = self._resume
        if resume is not None:
            resume.notes.claimed()
            if resume.welcome.due_ms is not None:
                resume.welcome.acknowledge(resumed=False)

    def _on_recorded(self, message: SessionRecorded, now_ms: float) -> None:
        if self._resume is not None:
            self._resume.notes.recorded(message)
        self._ending.finish_if_done(now_ms)

    def _lift_doubt(self, stalls: int | None = None) -> None:
        """The session is its own, as far as this stall goes: do what was put off."""
        doubt = None if self._resume is None else self._resume.doubt
        if doubt is not None and stalls in (None, doubt.stalls):
            for late in doubt.lift():
                self.on_receive(late)

    def _on_forgotten(self, message: StoreEmptied | DispatcherRestarted) -> None:
        if self._life.is_over:
            return  # it must not be opened again: nobody would end it
        open_in_store(self._parts, self._resume)
        if isinstance(message, DispatcherRestarted):
            for utterance in self._uplink.open:
                self._speech.tell_cut(utterance)
        elif self._room.member is not None:
            self._room.member.store_emptied()

    # ---- time -------------------------------------------------------------------------------

    def on_wake(self, now_ms: float) -> None:
        """Pauses, outcomes held back for too long, the end of the grace, overdue outcomes."""
        self._alarm_ms = inf
        resume, life = self._resume, self._life
        if resume is not None and resume.doubt.stands(now_ms):
            if not resume.doubt.is_over(now_ms):
                self._arm(now_ms)
                return  # what is due is done when the doubt is over
            self._lift_doubt()
        self._on_converted(None, now_ms)
        if life.is_open:
            is_unread = self._downlink.is_unread or not self.actor_inbox.empty()
            self._speech.dispatch(self._uplink.poll(now_ms, is_unread=is_unread))
        # Whatever `_arm` counts is done here, or this would be called again and again.
        self._speech.streaming.poll(now_ms)
        self._downlink.poll(now_ms)
        if self._room.member is not None:
            self._room.member.poll(now_ms)
        if resume is not None and resume.welcome.is_due(now_ms):
            self._welcome_now(resume, now_ms)
        for utterance in self._uplink.overdue(now_ms):
            self._parts.log.warning("an outcome is overdue", job_id=utterance.spec.job_id)
            reason = MissingReason.JOB_TIMEOUT
            self._speech.end_everywhere(utterance, JobState.FAILED, reason, now_ms)
        if life.ends_ms is not None and now_ms >= life.ends_ms:
            self._ending.phase_ends(now_ms)
        self._ending.finish_if_done(now_ms)
        self._arm(now_ms)

    def _welcome_now(self, resume: ResumeParts, now_ms: float) -> None:
        """The store, or the room, is not waited for any longer."""
        if resume.welcome.waiting is None:
            resume.welcome.acknowledge(resumed=False)
        else:
            self._on_socket_resumed(resume.welcome.waiting, now_ms)

    def _arm(self, now_ms: float) -> None:
        """One alarm for the earliest of all deadlines; most messages only move it later."""
        if self._downlink.is_cut and self._connection.notice_cut(now_ms):
            self._ending.finish_if_done(now_ms)
        if self._life.phase is Phase.OVER:
            return
        resume, member, welcome_ms, ack_ms = self._resume, self._room.member, None, None
        if resume is not None:
            if resume.doubt.ends_ms is not None:
                self.wake_at(resume.doubt.ends_ms)
                return
            resume.notes.acknowledge_audio(now_ms)
            welcome_ms, ack_ms = resume.welcome.due_ms, resume.notes.due_ms
        own_ms = min(self._uplink.due_ms, self._downlink.due_ms, self._speech.streaming.due_ms)
        member_ms = None if member is None else member.deadline_ms(now_ms)
        converting_ms = None if self._converting is None else self._converting.due_ms
        due_ms = earliest(own_ms, self._life.ends_ms, welcome_ms, ack_ms, member_ms, converting_ms)
        self._alarm_ms = inf if due_ms is None else due_ms
        self.wake_at(None if due_ms == inf else due_ms)
        if resume is not None:
            resume.notes.note_if_needed()

    def on_failure(self, *_exception: object) -> None:
        """A bug ended this actor: the client is notified, nothing stays behind."""
        self._ending.fail(self.now_ms())
