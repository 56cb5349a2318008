"""From the name of a session to the session: how a socket that has none gets one.

It owns the steps, of which most take no time: the session is here and waits for a socket. If it is
on another instance, the socket is passed through to there. If it has a socket that may be gone
without our having heard of it yet, it is waited for, a moment. Meanwhile the client is not read.
"""

import asyncio
from typing import Protocol

from actors.messages.takeover import SessionFreed, SessionLocated
from actors.ports import Outbox
from actors.reception import NOTHING_WAITS, OpenedSession, Pending, Refused
from gateway.edge.upgrade import Connection
from gateway.passthrough.passthrough import PassedSocket, Passthrough
from gateway.ports import Caller
from gateway.socket_context import SocketContext
from protocol.errors import CloseCode, ErrorCode
from protocol.ids import SessionId
from protocol.instances.passthrough import PassedClient

FREED_WAIT_SECONDS = 1.0
"""For so long the end of a former socket may take until it is heard of here."""
_STORE_AWAY = "the store does not answer: come back in a moment"
_SECOND_INSTANCE = "the session is on another instance: name it on another socket"


class Attachable(PassedSocket, Protocol):
    """A socket without a session."""

    def attached(self, opened: OpenedSession, first: bytes) -> None:
        """It speaks for the session; the message that named it has not been taken yet."""


class Attaching:
    """One socket's request for a session.

    Life: made, `ask`ed once, over when the socket has its answer, or by `cancel`.
    """

    def __init__(
        self, socket: Attachable, outbox: Outbox, connection: Connection, caller: Caller
    ) -> None:
        self._socket = socket
        self._outbox = outbox
        self._connection = connection
        self._caller = caller
        self._session_id = SessionId("")
        self._first: bytes | None = None
        """The message that named the session, as it came; None: nothing is wanted any more."""
        self._context: SocketContext
        self._timer: asyncio.TimerHandle | None = None
        self._passthrough: Passthrough | None = None

    def ask(self, session_id: SessionId, first: bytes, context: SocketContext) -> bool:
        """Begin; True if it takes a while. The socket hears what comes of it, maybe at once."""
        self._session_id, self._first, self._context = session_id, first, context
        opened = self._attach(may_wait=True)
        if not isinstance(opened, Pending):
            self._conclude(opened)
            return False
        if context.reception.has_session(session_id):
            self._timer = context.loop.call_later(FREED_WAIT_SECONDS, self._attach_now)
        return True

    def cancel(self) -> None:
        """The socket is gone."""
        self._first = None
        if self._passthrough is not None:
            self._passthrough.client_lost()
        self._stop_waiting()

    def tell(self, news: SessionLocated | SessionFreed) -> None:
        """Hear where the session is, or that its socket is gone."""
        if self._first is None:
            return  # it came too late
        if isinstance(news, SessionFreed):
            self._context.loop.call_soon(self._attach_now)  # its actor goes on first
        elif news.is_store_away:
            away = ErrorCode.SCHEDULER_DEPENDENCY_DOWN
            self._conclude(Refused(away, _STORE_AWAY, CloseCode.TRY_AGAIN_LATER))
        elif news.owner is None:
            self._conclude(Refused(ErrorCode.INVALID_SESSION, NOTHING_WAITS))
        elif self._caller.is_passed_through or self._context.passthroughs is None:
            code = ErrorCode.INVALID_SESSION
            self._conclude(Refused(code, _SECOND_INSTANCE, CloseCode.TRY_AGAIN_LATER))
        else:
            client = PassedClient(self._session_id, self._caller.tenant_id)
            first, self._first = self._first, None
            calls = self._context.passthroughs
            self._passthrough = Passthrough(self._socket, self._connection, calls, client, first)
            self._passthrough.call(news.peer_url, news.owner)

    def _attach(self, *, may_wait: bool) -> OpenedSession | Refused | Pending:
        asker = self if may_wait else None
        return self._context.reception.attach_session(
            self._session_id, self._outbox, self._caller.tenant_id, asker
        )

    def _attach_now(self) -> None:
        """The session is free, or has had its time to be."""
        self._stop_waiting()
        if self._first is None:
            return
        opened = self._attach(may_wait=False)
        if not isinstance(opened, Pending):
            self._conclude(opened)

    def _conclude(self, opened: OpenedSession | Refused) -> None:
        first, self._first = self._first, None
        if isinstance(opened, OpenedSession):
            self._socket.attached(opened, first or b"")
        else:
            self._socket.not_attached(opened)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._context.reception.stop_waiting(self._session_id, self)
