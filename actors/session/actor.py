"""SessionActor: one speaker, from the first chunk to the last outcome.

Life, by phase:

- Active with a socket. A resume on another socket takes it over.
- Detached without one, for the grace period. A socket may attach, or the client may resume.
- Closing once it was asked to end or the grace has passed: what was said so far is cut, and what
  is open gets its outcome, here if nowhere else. Nothing more is taken.
- Lingering when only the client is missing: it may resume, asked for the end itself, and lost its
  socket before it heard all. Within the grace it still can.
- Leaving while its instance shuts down and another one can go on with it: what is open ends here,
  nothing more is taken, the rest stays in the store.
- Over. It does not end before everything that was said has its outcome.

A resume that reception has let in always finds the session: it is told so by a claim, at once.
"""

from typing import Any

from actors.messages.job import (
    JobDispatched,
    JobEnded,
    JobProgressed,
    JobQueued,
    PartialArrived,
    ResultReplaced,
    UtteranceWanted,
)
from actors.messages.process import DispatcherRestarted, StoreEmptied
from actors.messages.room import RoomMessage, RoomRequested, SignalArrived
from actors.messages.session import (
    ChunkArrived,
    ClientBeat,
    CloseRequested,
    PlaybackEnded,
    PlaybackStarted,
    SessionClaimed,
    SessionRefused,
    SocketAttached,
    SocketLost,
    UtteranceArrived,
)
from actors.messages.takeover import (
    DrainRequested,
    OwnershipConfirmed,
    SessionRecorded,
    SessionReleased,
    SocketDraining,
    SocketResumed,
)
from actors.ports import Outbox
from actors.runtime.alarm import earliest
from actors.session.ending import ENDING, OPEN, Ending, Phase, SessionUnservedError
from actors.session.profile import SessionProfile
from actors.session.record.moved import TakenOverSession
from actors.session.resume.notes import STORE_WAIT_MS
from actors.session.setup import SessionSetup
from protocol.errors import ErrorCode, MissingReason, ProtocolError
from protocol.session_outbound import Reconnect
from storage.job import JobState

__all__ = ["SessionActor", "SessionSetup"]

_SAID = (ChunkArrived, UtteranceArrived, ClientBeat, PlaybackStarted, PlaybackEnded)
"""What only a client says that has read its acknowledgement."""


class SessionActor(Ending):
    """Owns one session; every utterance it cut has exactly one outcome before it ends.

    Or it ends without a word, when another instance goes on with the session.
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
        super().__init__(profile, setup, outbox, moved)
        self._moved = moved
        self._grace_ends_ms = 0.0
        """Until when a client whose socket was lost last may come back."""
        self._lingers = False
        """The client asked for the end and may come back for what it has not heard."""
        self._reconnect_notice: Reconnect | None = None
        """What clients are told while the process shuts down."""

    def __repr__(self) -> str:
        sid, phase, open_ = self._profile.session_id, self._phase.name, len(self._uplink.open)
        return f"<SessionActor {sid} {phase} open={open_}>"

    def on_start(self) -> None:
        """Acknowledge first: some clients take whatever frame comes first for the answer.

        A token is given when the store can vouch for it: this instance may be gone a moment later.
        """
        if self._moved is not None:
            self._begin_in_the_middle(self._moved)
            return
        self._setup.presence.attach(self._profile.session_id)
        self._open_in_store()
        if self._resumption is None:
            self._welcome(resumed=False)
        else:
            self._welcome_at_ms = self.now_ms() + STORE_WAIT_MS
            self._arm()
        self._log.info("session opened", platform=self._profile.platform)

    def _begin_in_the_middle(self, moved: TakenOverSession) -> None:
        """It comes from another instance, and its client is on the way: as if it were detached."""
        self._moved = None
        self._restore(moved)
        self._grace_ends_ms = self.now_ms() + self._setup.grace_ms
        if self._is_closing:
            self._phase, self._lingers = Phase.CLOSING, self._acknowledge
            self._phase_ends_ms = self.now_ms() + self._setup.close_flush_ms
        else:
            self._phase, self._phase_ends_ms = Phase.DETACHED, self._grace_ends_ms
            self._setup.presence.detach(self._profile.session_id, None)
        self._log.info("session goes on here", open=len(self._uplink.open))

    def on_receive(self, message: Any) -> None:
        """Handle one message, then set the alarm for what time brings next."""
        if self._resumption is not None and self._is_unclear():
            self._on_unclear(message)
            self._arm()
            return
        if self._is_token_fresh and isinstance(message, _SAID):
            self._is_token_fresh = False
            self._settle_token()
        match message:
            case ChunkArrived() if self._phase not in OPEN:
                self._on_chunk_again(message)  # what else is said after the end does not count
            case UtteranceArrived() if self._phase not in OPEN:
                self._refuse(ProtocolError(ErrorCode.SESSION_CLOSED, "the session is closing"))
            case ChunkArrived():
                self._on_chunk(message)
            case JobEnded():
                self._on_ended(message)
                self._finish_if_done()
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
            case SessionRefused():
                raise SessionUnservedError("the dispatcher failed of this session")
            case SessionClaimed():
                self._on_claimed(message)
                if self._welcome_at_ms is not None:
                    self._welcome(resumed=False)
            case SocketLost():
                self._on_socket_lost(message)
            case SocketAttached():
                self._on_attached(message)
            case SocketResumed():
                self._on_resumed(message)
            case CloseRequested():
                self._on_close_requested(message)
            case RoomRequested() | SignalArrived() if self._phase not in OPEN:
                self._refuse(ProtocolError(ErrorCode.SESSION_CLOSED, "the session is closing"))
            case RoomMessage():
                self._on_room(message)
            case StoreEmptied() | DispatcherRestarted() if self._phase is Phase.OVER:
                pass  # it must not be opened again: nobody would end it
            case StoreEmptied():
                self._open_in_store()
                if self._room is not None:
                    self._room.store_emptied()
            case DispatcherRestarted():
                self._on_dispatcher_restarted()
            case _:
                self._on_news_of_others(message)

    def _on_news_of_others(self, message: Any) -> None:
        """Handle what has to do with other instances."""
        match message:
            case SessionRecorded():
                self._on_noted(message)
                self._finish_if_done()
            case SessionReleased():
                self._on_released()
            case OwnershipConfirmed():
                pass  # it was not in doubt, or has heard of it before
            case DrainRequested():
                self._on_leave_requested(message)
            case SocketDraining():
                self._on_socket_leaves(message)
            case _:
                raise TypeError(f"{self!r} cannot handle {type(message).__name__}")

    # ---- sockets come and go ----------------------------------------------------------------

    def _on_socket_lost(self, message: SocketLost) -> None:
        if message.outbox is not self._downlink.outbox:
            return  # the end of a socket that this session has left
        now_ms = self.now_ms()
        self._downlink.disconnect()
        self._grace_ends_ms = now_ms + self._setup.grace_ms
        if self._phase is Phase.ACTIVE:
            self._phase = Phase.DETACHED
            self._phase_ends_ms = self._grace_ends_ms
            self._uplink.detached(now_ms)
            self._setup.presence.detach(self._profile.session_id, self._attachable_by)
            if self._room is not None and self._resumption is None:
                self._room.listen(is_listening=False)
            self._log.info("session detached", open=len(self._uplink.open))
        else:
            self._finish_if_done()

    @property
    def _attachable_by(self) -> str | None:
        """The tenant whose sockets may speak for it by naming it; a resumable one takes a token."""
        return None if self._profile.is_resumable else self._profile.credential

    def _on_attached(self, message: SocketAttached) -> None:
        self._downlink.connect(message.outbox)
        if self._phase is Phase.DETACHED:
            self._become_active()
            self._log.info("session attached to another socket")

    def _become_active(self) -> None:
        self._phase = Phase.ACTIVE
        self._phase_ends_ms = None
        self._setup.presence.attach(self._profile.session_id)
        if self._room is not None:
            self._room.listen(is_listening=True)

    def _on_resumed(self, message: SocketResumed) -> None:
        """Speak with the client on this socket: the ack, what it has missed, then what comes."""
        if self._waits_for_room(message) or self._resumption is None:
            return
        if not self._resumption.meet():
            return  # a later resume is on its way
        now_ms = self.now_ms()
        self._downlink.connect(message.outbox)
        if self._phase in OPEN:
            self._become_active()
            self._uplink.resumed(now_ms)
        self._welcome(resumed=True)
        if self._reconnect_notice is not None:
            self._downlink.send(self._reconnect_notice)
        self._downlink.replay(message.last_delivery_seq, now_ms)
        self._log.info("session resumed", open=len(self._uplink.open))
        self._finish_if_done()

    def _notice_cut(self) -> None:
        """Count a socket that takes no more as lost: what its client says does not arrive."""
        resumption, outbox = self._resumption, self._downlink.outbox
        self._downlink.is_cut = False
        if resumption is not None and not resumption.is_claimed and outbox is not None:
            self._on_socket_lost(SocketLost(outbox))

    # ---- the end ----------------------------------------------------------------------------

    def _on_dispatcher_restarted(self) -> None:
        self._open_in_store()
        for utterance in self._uplink.open:
            self._tell_cut(utterance)

    def _on_close_requested(self, message: CloseRequested) -> None:
        """Cut what was said so far and wait for what is open, not for ever."""
        self._acknowledge = self._acknowledge or message.acknowledge
        self._lingers = self._lingers or (message.acknowledge and self._resumption is not None)
        if message.reconnect_after_ms is not None:
            self._lingers = False
            self._reconnect_notice = Reconnect(
                after_ms=message.reconnect_after_ms, reason=message.reason
            )
            self._downlink.send(self._reconnect_notice)
        within_ms = self._setup.close_flush_ms if message.within_ms is None else message.within_ms
        ends_ms = self.now_ms() + within_ms
        if self._phase not in OPEN:
            if self._phase is Phase.CLOSING and self._phase_ends_ms is not None:
                self._phase_ends_ms = min(self._phase_ends_ms, ends_ms)
            self._finish_if_done()
            return
        self._phase, self._phase_ends_ms = Phase.CLOSING, ends_ms
        self._is_closing = True
        self._setup.presence.leave(self._profile.session_id)
        cut = self._uplink.flush(self.now_ms())
        self._dispatch(cut)
        self._leave_room()
        if not cut and self._lingers:
            self._note()  # nothing else tells another instance that nothing more is taken
        self._finish_if_done()

    # ---- to another instance ----------------------------------------------------------------

    def _on_leave_requested(self, message: DrainRequested) -> None:
        """This instance goes away: take nothing more, finish what is open, leave the rest."""
        if self._resumption is None or self._phase not in OPEN:
            within_ms, after_ms = message.within_ms, message.reconnect_after_ms
            close = CloseRequested(message.reason, False, within_ms, after_ms)
            self._on_close_requested(close)
            return
        self._phase, self._phase_ends_ms = Phase.LEAVING, self.now_ms() + message.within_ms
        self._reconnect_notice = Reconnect(
            after_ms=message.reconnect_after_ms, reason=message.reason
        )
        self._downlink.send(self._reconnect_notice)
        self._setup.presence.leave(self._profile.session_id)
        self._finish_if_done()

    def _finish_if_done(self) -> None:
        """End a closing session that has nothing open, once its client has heard all it can."""
        if self._phase not in ENDING or len(self._uplink.open):
            self._let_socket_go()
            return
        self._downlink.flush(self.now_ms())
        if self._downlink.is_cut:
            self._notice_cut()
        is_claimed = self._resumption is not None and self._resumption.is_claimed
        if self._is_over() or is_claimed or not self._downlink.is_caught_up:
            return
        if self._phase is Phase.LEAVING:
            self._leave()
            return
        if self._lingers and self._downlink.outbox is None and self.now_ms() < self._grace_ends_ms:
            self._phase = Phase.LINGERING
            self._phase_ends_ms = self._grace_ends_ms
            return
        self._finish()

    # ---- time -------------------------------------------------------------------------------

    def on_wake(self, now_ms: float) -> None:
        """Pauses, outcomes held back for too long, the end of the grace, overdue outcomes."""
        if self._resumption is not None and self._is_unclear():
            return  # what is due is done when the doubt is over
        if self._phase in OPEN:
            is_unread = self._downlink.is_unread or not self.actor_inbox.empty()
            self._dispatch(self._uplink.poll(now_ms, is_unread=is_unread))
        self._downlink.poll(now_ms)
        if self._room is not None:
            self._room.poll(now_ms)
        if self._welcome_at_ms is not None and now_ms >= self._welcome_at_ms:
            self._wait_no_longer()
        for utterance in self._uplink.overdue(now_ms):
            self._log.warning("an outcome is overdue", job_id=utterance.spec.job_id)
            self._end_everywhere(utterance, JobState.FAILED, MissingReason.JOB_TIMEOUT)
        if self._phase_ends_ms is not None and now_ms >= self._phase_ends_ms:
            self._on_phase_end()
        self._finish_if_done()
        self._arm()

    def _on_phase_end(self) -> None:
        self._phase_ends_ms = None
        if self._phase is Phase.DETACHED:
            if self._resumption is not None and self._resumption.is_claimed:
                return  # its client is back in time: it comes with one of the next messages
            self._end_offer()
            self._on_close_requested(CloseRequested("grace", acknowledge=False))
        elif self._phase is Phase.CLOSING:
            for utterance in list(self._uplink.open):
                self._end_everywhere(utterance, JobState.CANCELLED, MissingReason.SESSION_CLOSED)
        elif self._phase is Phase.LEAVING:
            self._leave()

    def _arm(self) -> None:
        """One alarm for the earliest of all deadlines; most messages only move it later."""
        if self._downlink.is_cut:
            self._notice_cut()
        if self._phase is Phase.OVER or self._stalls != self._setup.standing.stalls:
            return
        due_ms = earliest(
            self._uplink.deadline_ms,
            self._uplink.overdue_at_ms,
            self._downlink.deadline_ms,
            self._phase_ends_ms,
            self._welcome_at_ms,
            self._acknowledge_audio(),
            None if self._room is None else self._room.deadline_ms(self.now_ms()),
        )
        self.wake_at(due_ms)
        if self._resumption is not None:
            self._note_if_needed()
