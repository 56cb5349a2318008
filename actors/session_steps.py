"""SessionSteps: which script follows what happened to a session as a whole."""

from collections.abc import Callable, Sequence

from actors.messages import (
    SessionClaimed,
    SessionEnded,
    SessionOpened,
)
from actors.runtime import tell
from actors.step import Expiry, Step
from protocol.ids import SessionId
from storage.replies import Claimed, Fenced, Updated
from storage.sessions import SessionRepository


class SessionSteps:
    """Claims sessions for this instance and gives them back; knows the epochs it holds."""

    def __init__(self, sessions: SessionRepository) -> None:
        self._sessions = sessions
        self._opened: dict[SessionId, SessionOpened] = {}
        self._epochs: dict[SessionId, int] = {}

    def __len__(self) -> int:
        return len(self._opened)

    def epoch(self, session_id: SessionId) -> int:
        """Return the epoch under which the store knows the session; 0 while it does not."""
        return self._epochs.get(session_id, 0)

    def opened(self, message: SessionOpened) -> Sequence[Step]:
        """A session lives here now."""
        self._opened[message.session_id] = message
        return self.claim(message.session_id)

    def claim(
        self,
        session_id: SessionId,
        then: Callable[[], Sequence[Step]] = lambda: (),
        expiry: Expiry | None = None,
    ) -> Sequence[Step]:
        """Claim the session, again where the store has lost it; `then` follows under its epoch.

        Nothing follows for a session that is over.
        """
        opened = self._opened.get(session_id)
        if opened is None:
            return ()

        def apply(reply: Claimed | Fenced) -> Sequence[Step]:
            if isinstance(reply, Fenced):  # this instance has no lease yet, or no longer
                return tuple(step.later() for step in self.claim(session_id, then, expiry))
            if session_id in self._opened:
                self._epochs[session_id] = reply.epoch
                tell(opened.session, SessionClaimed(reply.epoch))
            return then()

        return (Step(self._sessions.claim(session_id, opened.tenant_id), apply, expiry),)

    def ended(self, message: SessionEnded) -> Sequence[Step]:
        """The session is over; the store may forget it."""
        self._opened.pop(message.session_id, None)
        epoch = self._epochs.pop(message.session_id, 0)

        def apply(_reply: Updated | Fenced) -> Sequence[Step]:
            return ()

        return (Step(self._sessions.close(message.session_id, epoch), apply),)
