"""How a session socket refuses: an `error` with a code, and a close where the code asks for it.

Nothing else changes by a refusal: the session lives on, and so does the socket unless it is closed.
"""

from actors.metrics import Metrics
from actors.ownership import Foreign
from actors.reception import Refused
from gateway.edge.outbox import SocketOutbox
from gateway.message_guard import MessageGuard
from protocol.errors import CloseCode, ErrorCode, ProtocolError
from protocol.ids import SessionId
from protocol.messages.session_inbound import SessionInbound
from protocol.messages.session_outbound import error_message


class Refusals:
    """Life: that of the socket."""

    __slots__ = ("_guard", "_metrics", "_outbox", "has_begun")

    def __init__(
        self, outbox: SocketOutbox, guard: MessageGuard[SessionInbound], metrics: Metrics
    ) -> None:
        self.has_begun = False
        """A `session_init` came on this socket: its client knows how to get a session."""
        self._outbox = outbox
        self._guard = guard
        self._metrics = metrics

    def no_session(self, text: str) -> None:
        """Refuse a message that needs a session where this socket has none."""
        self._outbox.say(error_message(ErrorCode.INVALID_SESSION, text))
        self._end_hopeless(text)

    def not_own(self, own: SessionId) -> None:
        """Refuse a message that names another session than the socket's own."""
        self._metrics.ownership_refused(Foreign.SESSION, own)
        self.no_session("session_id is not the session of this socket")

    def session_refused(self, refused: Refused) -> None:
        """Answer somebody who asked for a session and does not get it."""
        if refused.code is ErrorCode.INVALID_SESSION:
            what = Foreign.RESUME if self.has_begun else Foreign.SESSION
            self._metrics.ownership_refused(what)
        self._outbox.say(error_message(refused.code, refused.message))
        if refused.close_code is not None:
            self._outbox.close(refused.close_code, refused.message)
        elif refused.code is ErrorCode.INVALID_SESSION:
            self._end_hopeless(refused.message)

    def _end_hopeless(self, why: str) -> None:
        """End a socket that only names sessions: its client waits, and skips errors."""
        if not self.has_begun:
            self._outbox.close(CloseCode.INTERNAL_ERROR, why)

    def bad_message(self, error: ProtocolError) -> None:
        """Refuse a message that cannot be read; too many of them in a row end the socket."""
        if self._guard.is_too_much():
            self._outbox.close(CloseCode.POLICY_VIOLATION, "too many invalid messages")
            return
        self._outbox.say(error_message(error.code, error.message))
        if error.close_code is not None:
            self._outbox.close(error.close_code, error.message)
