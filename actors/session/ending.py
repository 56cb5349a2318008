"""Ending: the ways in which a session's actor ends.

It is over when all that was said has its outcome; it leaves or is released when another instance
goes on with the session; or it fails. Whatever the way, nobody finds it any more and nothing it
held stays behind.
"""

from enum import Enum, auto
from typing import Any

from actors.messages.job import EndJob
from actors.messages.process import DispatcherRestarted
from actors.messages.session import SessionEnded
from actors.messages.takeover import (
    OwnershipConfirmed,
    OwnershipUnclear,
    SessionDrained,
    SessionReleased,
    SocketDraining,
)
from actors.ports import Outbox
from actors.runtime.actor import tell
from actors.session.profile import SessionProfile
from actors.session.record.moved import TakenOverSession
from actors.session.resume.notes import Notes
from actors.session.setup import SessionSetup
from actors.session.utterances import Utterance
from protocol.errors import CloseCode, ErrorCode, MissingReason
from protocol.session_outbound import Reconnect, SessionCloseAck, error_message
from storage.job import JobState


class Phase(Enum):
    """Where a session stands in its life; see `actors.session.actor`."""

    ACTIVE = auto()
    DETACHED = auto()
    CLOSING = auto()
    LINGERING = auto()
    LEAVING = auto()
    OVER = auto()


OPEN = (Phase.ACTIVE, Phase.DETACHED)
ENDING = (Phase.CLOSING, Phase.LINGERING, Phase.LEAVING)


class SessionUnservedError(RuntimeError):
    """The dispatcher cannot take the session on: it ends as one that failed itself."""


class Ending(Notes):
    """The last steps of a session."""

    def __init__(
        self,
        profile: SessionProfile,
        setup: SessionSetup,
        outbox: Outbox | None,
        moved: TakenOverSession | None,
    ) -> None:
        super().__init__(profile, setup, outbox, moved)
        self._phase = Phase.ACTIVE
        self._phase_ends_ms: float | None = None
        self._leaving: Outbox | None = None
        """A socket that goes with the instance that relays it, once what is open has its end."""
        self._stalls = setup.standing.stalls
        self._put_off: list[Any] = []
        """Messages that wait until the store has said whose the session is."""

    def _is_unclear(self) -> bool:
        """Whether the session may be another instance's without a word of it having come."""
        return self._setup.standing.check(self.now_ms()) != self._stalls

    def _on_unclear(self, message: Any) -> None:
        """Do nothing, and let nobody hear anything, before the store has been asked."""
        match message:
            case SessionReleased():
                self._on_released()
            case OwnershipConfirmed() if message.stalls == self._setup.standing.stalls:
                self._stalls = message.stalls
                put_off, self._put_off = self._put_off, []
                for late in put_off:
                    self.on_receive(late)
            case DispatcherRestarted():
                self._put_off.append(message)
                tell(
                    self._setup.directory.dispatcher, OwnershipUnclear(self._setup.standing.stalls)
                )
            case _:
                self._put_off.append(message)

    def _on_socket_leaves(self, message: SocketDraining) -> None:
        """Tell the client to come back on another socket; what it said so far is answered first."""
        if message.outbox is not self._downlink.outbox:
            return
        after_ms = message.reconnect_after_ms
        self._downlink.send(Reconnect(after_ms=after_ms, reason=message.reason))
        if self._phase is Phase.ACTIVE:
            self._leaving = message.outbox
            self._dispatch(self._uplink.flush(self.now_ms()))
            self._let_socket_go()

    def _let_socket_go(self) -> None:
        leaving = self._leaving
        if leaving is not None and not len(self._uplink.open):
            self._leaving = None
            leaving.close(CloseCode.GOING_AWAY, "the service restarts")

    def _leave(self) -> None:
        """What is in the store is enough to go on elsewhere."""
        self._note()
        self._end_silently(CloseCode.GOING_AWAY, "the service restarts")
        self._setup.directory.dispatcher.tell(SessionDrained(self._profile.session_id))
        self._log.info("session left to another instance")

    def _on_released(self) -> None:
        """Another instance has the session: nobody hears anything of it from here any more."""
        if self._phase is not Phase.OVER:
            self._end_silently(CloseCode.SESSION_TAKEN_OVER, "the session was resumed elsewhere")
            self._log.info("session released to another instance")

    def _end_silently(self, code: CloseCode, reason: str) -> None:
        self._phase, self._phase_ends_ms = Phase.OVER, None
        outbox = self._downlink.outbox
        self._downlink.disconnect()
        if outbox is not None:
            outbox.close(code, reason)
        if self._room is not None:
            self._room.vacate()
        self._uplink.drop_all()
        self._withdraw()
        self.stop()

    def _withdraw(self) -> None:
        """Nobody finds this actor any more; a successor of the same session stays."""
        session_id, setup = self._profile.session_id, self._setup
        if setup.directory.sessions.get(session_id) is self.actor_ref:
            setup.presence.leave(session_id)
            setup.presence.withdraw(session_id)
            setup.directory.remove_session(session_id, self.actor_ref)

    def _is_over(self) -> bool:
        return self._phase is Phase.OVER

    def _finish(self) -> None:
        self._phase = Phase.OVER
        self._phase_ends_ms = None
        session_id = self._profile.session_id
        if self._acknowledge:
            self._downlink.send(SessionCloseAck(session_id=session_id))
        self._uplink.drop_all()
        self._let_socket_go()
        self._setup.presence.withdraw(session_id)
        self._setup.directory.dispatcher.tell(SessionEnded(session_id))
        self._setup.directory.remove_session(session_id, self.actor_ref)
        self._log.info("session closed")
        self.stop()

    def on_failure(self, *_exception: object) -> None:
        """A bug ended this actor: the client is told, nothing stays behind."""
        profile, setup = self._profile, self._setup
        unanswered = list(self._uplink.open)
        for utterance in unanswered:
            job_id = utterance.spec.job_id
            end = EndJob(job_id, JobState.CANCELLED, MissingReason.PROCESSING_ERROR)
            tell(setup.directory.dispatcher, end)
        tell(setup.directory.dispatcher, SessionEnded(profile.session_id))
        self._uplink.drop_all()
        setup.presence.leave(profile.session_id)
        setup.presence.withdraw(profile.session_id)
        setup.directory.remove_session(profile.session_id, self.actor_ref)
        self._say_that_it_failed(unanswered)  # last, for it may fail as well

    def _say_that_it_failed(self, unanswered: list[Utterance]) -> None:
        """What is open gets its outcome all the same; then the socket is of no further use."""
        speaker = self._downlink.outbox
        if self._resumption is not None and self._resumption.is_claimed:
            speaker = self._resumption.speaker  # it waits for an ack
        error = error_message(ErrorCode.INTERNAL_ERROR, "the session failed and is over")
        try:
            self._give_up(unanswered)
            self._leave_room()
        finally:
            if speaker is not None:
                speaker.send(error)
                speaker.close(CloseCode.INTERNAL_ERROR, "the session failed")
