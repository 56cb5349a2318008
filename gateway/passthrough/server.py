"""Takes the sockets of clients that other instances pass to the sessions here.

It owns the judgement of who may have a session, which is reception's, and the end of a
passed socket: to a session it is a socket like others. It must not know how the caller proved
itself: the port for other instances does.
"""

from http import HTTPStatus

from loguru import logger
from websockets.http11 import Request

from actors.messages.takeover import SocketDraining
from actors.reception import NOTHING_WAITS, OpenedSession, Refused
from actors.runtime.actor import tell
from gateway.edge.keepalive import Keepalive, Pinged
from gateway.edge.read_queue import ReadQueue
from gateway.edge.upgrade import Answer, Connection, SocketHandler, SocketPolicy, Upgrade
from gateway.http.answers import refuse
from gateway.ports import Caller
from gateway.session_socket import SessionSocket
from gateway.socket_context import SocketContext
from protocol.errors import CloseCode
from protocol.ids import SessionId
from protocol.instances.link import PeerProtocolError
from protocol.instances.passthrough import (
    GIVEN,
    NOT_GIVEN,
    SESSION_HEADER,
    TENANT_HEADER,
    Leaving,
    PassedClient,
    unpack_passed,
)
from protocol.messages.session_outbound import Reconnect


class PassthroughServer:
    """Life: that of the gateway whose sessions are attached to."""

    def __init__(self, context: SocketContext, reading: ReadQueue, keepalive: Keepalive) -> None:
        self.reading = reading
        """Where what clients send waits for its turn, wherever their sockets are."""
        self._context = context
        self._keepalive = keepalive
        longest = context.options.session_max_message_bytes + 1  # a byte says what it is
        self.policy = SocketPolicy(longest, strict_text=False, keepalive=True, queues=True)

    def answer(self, request: Request) -> Answer:
        """Decide about a client whom another instance passes on."""
        named = request.headers.get(SESSION_HEADER)
        if named is None:
            return refuse(HTTPStatus.BAD_REQUEST, "a passed socket names a session")
        client = PassedClient.of(named, request.headers.get(TENANT_HEADER))
        if not self._context.reception.has_session(client.session_id):
            return refuse(HTTPStatus.NOT_FOUND, NOTHING_WAITS)
        return Upgrade(self.policy, lambda connection: self._open(connection, client))

    def watch(self, connection: Pinged) -> None:
        """Have the end of a silent instance noticed."""
        self._keepalive.add(connection)

    def forget(self, connection: Pinged) -> None:
        """The connection is gone."""
        self._keepalive.remove(connection)

    def _open(self, connection: Connection, client: PassedClient) -> SocketHandler:
        caller = Caller(tenant_id=client.tenant_id, is_passed_through=True)
        socket = PassedSessionSocket(connection, self._context, caller)
        socket.ask_for(client.session_id)
        return socket


class PassedSessionSocket(SessionSocket):
    """What a session has for a socket when its client is connected to another instance."""

    __slots__ = ("_is_given",)

    def __init__(self, connection: Connection, context: SocketContext, caller: Caller) -> None:
        super().__init__(connection, context, caller)
        connection.is_pinged = True  # it is an instance, whoever its client is
        self._is_given = False
        """The client has the session that it came for, and everything is as on any socket."""

    def ask_for(self, session_id: SessionId) -> None:
        """Get the session that the client has named; the message itself comes after the answer."""
        self._seek(session_id, b"")

    def attached(self, opened: OpenedSession, first: bytes) -> None:
        """Answer so before the session sends anything."""
        if not self._is_given:
            self._is_given = True
            self._connection.send_binary(GIVEN)
        super().attached(opened, first)

    def not_attached(self, refused: Refused) -> None:
        """Let the client's instance answer so, unless this is another session, named later."""
        if self._is_given:
            super().not_attached(refused)
        else:
            self._connection.close(NOT_GIVEN, refused.message)

    def binary_received(self, data: bytes) -> None:
        """Take a client's binary message, or a message of its instance."""
        try:
            message = unpack_passed(data)
        except PeerProtocolError as error:
            logger.warning("another instance breaks the protocol of passed sockets", why=str(error))
            self._outbox.close(CloseCode.POLICY_VIOLATION, str(error))
            return
        if isinstance(message, Leaving):
            self._leave_with(message)
        else:
            super().binary_received(message)

    def _leave_with(self, leaving: Leaving) -> None:
        """The instance that the client is connected to goes away."""
        if self._ref is not None:
            tell(self._ref, SocketDraining(self._outbox, leaving.reason, leaving.after_ms))
        else:
            self._outbox.say(Reconnect(after_ms=leaving.after_ms, reason=leaving.reason))
            self._outbox.close(CloseCode.GOING_AWAY, "the service restarts")
