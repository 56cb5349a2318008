"""Ending: the ways in which a session ends.

It is over when all utterances have their outcomes; it leaves or is released when another instance
goes on with the session; or it fails. Whatever the way, nobody finds it any more and nothing it
held stays behind.
"""

from collections.abc import Callable

from actors.messages.job import EndJob
from actors.messages.session import CloseRequested, GraceRevoked, SessionEnded, SocketLost
from actors.messages.takeover import DrainRequested, SessionDrained
from actors.runtime.actor import tell
from actors.session.handlers.connection import Connection
from actors.session.life import Event, Phase
from actors.session.parts import Parts
from actors.session.resume.parts import ResumeParts
from actors.session.speech import Speech
from actors.session.utterances import Utterance
from protocol.errors import CloseCode, ErrorCode, MissingReason
from protocol.messages.session_outbound import SessionCloseAck, error_message
from storage.job import JobState


class SessionUnservedError(RuntimeError):
    """The dispatcher cannot take the session on: it ends as one that failed itself."""


class Ending:
    """The last steps of a session."""

    def __init__(
        self,
        parts: Parts,
        speech: Speech,
        connection: Connection,
        resume: ResumeParts | None,
        stop: Callable[[], None],
    ) -> None:
        self._parts = parts
        self._setup = parts.setup
        self._life = parts.life
        self._speech = speech
        self._connection = connection
        self._resume = resume
        self._stop = stop
        """Ends the actor after the message that is handled now."""

    # ---- the beginning of the end -----------------------------------------------------------

    def requested(
        self, message: CloseRequested | DrainRequested | GraceRevoked, now_ms: float
    ) -> None:
        """The client, its absence or this instance's end asks for the session's."""
        match message:
            case CloseRequested():
                self.close(message, now_ms)
            case DrainRequested():
                self.drain(message, now_ms)
            case GraceRevoked():
                self.grace_over(now_ms)
        self.finish_if_done(now_ms)

    def socket_lost(self, message: SocketLost, now_ms: float) -> None:
        """The client is gone, perhaps for good."""
        self._connection.lost(message, now_ms)
        self.finish_if_done(now_ms)

    def close(self, message: CloseRequested, now_ms: float) -> None:
        """Cut what was spoken so far and wait for what is open, not for ever."""
        life, resume = self._life, self._resume
        life.acknowledge = life.acknowledge or message.acknowledge
        life.lingers = life.lingers or (message.acknowledge and resume is not None)
        if message.forgets:
            self._forget(now_ms)
        if message.reconnect_after_ms is not None:
            life.lingers = False
            self._connection.send_away(message.reconnect_after_ms, message.reason)
        within_ms = self._setup.close_flush_ms if message.within_ms is None else message.within_ms
        ends_ms, was_open = now_ms + within_ms, life.is_open
        life.take(Event.CLOSE)
        if not was_open:
            if life.phase is Phase.CLOSING and life.ends_ms is not None:
                life.ends_ms = min(life.ends_ms, ends_ms)
            return
        life.ends_ms = ends_ms
        self._setup.presence.leave(self._parts.session_id)
        cut = self._parts.uplink.flush(now_ms)
        self._speech.dispatch(cut)
        self._leave_room(now_ms)
        if not cut and life.lingers and resume is not None:
            resume.notes.note()  # nothing else tells another instance that nothing more is taken

    def _forget(self, now_ms: float) -> None:
        """Nobody may come back for what was not heard, here or elsewhere."""
        self._life.lingers, self._life.grace_ends_ms = False, now_ms
        if self._resume is not None and self._life.is_open:
            self._resume.notes.end_offer()

    def grace_over(self, now_ms: float) -> None:
        """The client is not waited for any longer: nobody may come back, here or elsewhere."""
        if self._life.phase is not Phase.DETACHED or self._connection.is_claimed:
            return  # its client is back in time
        self._setup.presence.withdraw(self._parts.session_id)
        if self._resume is not None:
            self._resume.notes.end_offer()
        self.close(CloseRequested("grace", acknowledge=False), now_ms)

    def drain(self, message: DrainRequested, now_ms: float) -> None:
        """This instance goes away: take nothing more, finish what is open, leave the rest."""
        life, within_ms, after_ms = self._life, message.within_ms, message.reconnect_after_ms
        if self._resume is None or not life.is_open:
            self.close(CloseRequested(message.reason, False, within_ms, after_ms), now_ms)
            return
        life.take(Event.DRAIN)
        life.ends_ms = now_ms + within_ms
        self._connection.send_away(after_ms, message.reason)
        self._setup.presence.leave(self._parts.session_id)

    def _cancel_open(self, now_ms: float) -> None:
        """What has no outcome by now gets it."""
        for utterance in list(self._parts.uplink.open):
            reason = MissingReason.SESSION_CLOSED
            self._speech.end_everywhere(utterance, JobState.CANCELLED, reason, now_ms)

    def _leave_room(self, now_ms: float) -> None:
        member = self._parts.room.member
        if member is not None:
            member.close(now_ms)

    # ---- the end ----------------------------------------------------------------------------

    def phase_ends(self, now_ms: float) -> None:
        """Do what is due at the end of a phase."""
        self._life.ends_ms = None
        match self._life.phase:
            case Phase.DETACHED:
                self.grace_over(now_ms)
            case Phase.CLOSING:
                self._cancel_open(now_ms)
            case Phase.LEAVING:
                self._leave()
            case _:
                pass  # `finish_if_done` looks when a session has lingered for long enough

    def finish_if_done(self, now_ms: float) -> None:
        """End a closing session that has nothing open, once its client has heard all it can."""
        life, downlink = self._life, self._parts.downlink
        if not life.is_ending or len(self._parts.uplink.open):
            self._connection.let_go()
            return
        downlink.flush(now_ms)
        if downlink.is_cut:
            self._connection.notice_cut(now_ms)
        if self._connection.is_claimed or not downlink.is_caught_up:
            return
        if life.phase is Phase.LEAVING:
            self._leave()
        elif life.lingers and downlink.outbox is None and now_ms < life.grace_ends_ms:
            life.take(Event.LINGER)
            life.ends_ms = life.grace_ends_ms
        else:
            self._finish()

    def _finish(self) -> None:
        """All utterances have their outcomes."""
        session_id, setup = self._parts.session_id, self._setup
        self._life.take(Event.FINISH)
        if self._life.acknowledge:
            self._parts.downlink.send(SessionCloseAck(session_id=session_id))
        self._drop_all()
        self._connection.let_go()
        setup.presence.withdraw(session_id)
        self._parts.dispatcher.tell(SessionEnded(session_id))
        setup.directory.remove_session(session_id, self._parts.ref)
        self._parts.log.info("session closed")
        self._stop()

    def _leave(self) -> None:
        """What is in the store is enough to go on elsewhere."""
        if self._resume is not None:
            self._resume.notes.note()
        self._life.take(Event.FINISH)
        self._end_silently(CloseCode.GOING_AWAY, "the service restarts")
        self._parts.dispatcher.tell(SessionDrained(self._parts.session_id))
        self._parts.log.info("session left to another instance")

    def release(self) -> None:
        """Another instance has the session: nobody hears anything of it from here any more."""
        if self._life.is_over:
            return
        self._life.take(Event.RELEASE)
        self._end_silently(CloseCode.SESSION_TAKEN_OVER, "the session was resumed elsewhere")
        self._parts.log.info("session released to another instance")

    def _end_silently(self, code: CloseCode, reason: str) -> None:
        outbox = self._parts.downlink.outbox
        self._parts.downlink.disconnect()
        if outbox is not None:
            outbox.close(code, reason)
        if self._parts.room.member is not None:
            self._parts.room.member.vacate()
        self._drop_all()
        self._withdraw()
        self._stop()

    def _drop_all(self) -> None:
        self._parts.uplink.drop_all()
        self._parts.waiting.drop()
        if self._resume is not None and self._resume.again is not None:
            self._resume.again.drop()

    def _withdraw(self) -> None:
        """Nobody finds this actor any more; a successor of the same session stays."""
        session_id, setup, ref = self._parts.session_id, self._setup, self._parts.ref
        if setup.directory.sessions.get(session_id) is ref:
            setup.presence.leave(session_id)
            setup.presence.withdraw(session_id)
            setup.directory.remove_session(session_id, ref)

    # ---- a bug ------------------------------------------------------------------------------

    def fail(self, now_ms: float) -> None:
        """A bug ended this actor: the client is notified, nothing stays behind."""
        session_id, setup = self._parts.session_id, self._setup
        unanswered = list(self._parts.uplink.open)
        for utterance in unanswered:
            job_id = utterance.spec.job_id
            end = EndJob(job_id, JobState.CANCELLED, MissingReason.PROCESSING_ERROR)
            tell(self._parts.dispatcher, end)
        tell(self._parts.dispatcher, SessionEnded(session_id))
        self._drop_all()
        setup.presence.leave(session_id)
        setup.presence.withdraw(session_id)
        setup.directory.remove_session(session_id, self._parts.ref)
        self._answer_failed(unanswered, now_ms)  # last, for it may fail as well

    def _answer_failed(self, unanswered: list[Utterance], now_ms: float) -> None:
        """What is open gets its outcome all the same; then the socket is of no further use."""
        client = self._parts.downlink.outbox
        if self._resume is not None and self._resume.resumption.is_claimed:
            client = self._resume.resumption.speaker  # it waits for an ack
        error = error_message(ErrorCode.INTERNAL_ERROR, "the session failed and is over")
        try:
            self._speech.end_failed(unanswered, now_ms)
            self._leave_room(now_ms)
        finally:
            if client is not None:
                client.send(error)
                client.close(CloseCode.INTERNAL_ERROR, "the session failed")
