"""One client's socket, passed through to the instance that has its session.

It owns what passes between the client's connection here and the one to that instance: everything,
in order, unread. It must not judge what the client sends: the other end does, as for a socket of
its own. What is bounded is bounded here: a client is not read while the other instance does not
take what it has sent, and is closed when it does not read what is sent to it.

Life: made when it is known where the session is; calling, while the client is not read; open;
over. It is over for good: the client's socket ends with it.
"""

from http import HTTPStatus
from typing import Protocol

from loguru import logger
from websockets.frames import Frame, Opcode

from actors.reception import NOTHING_WAITS, Refused
from gateway.edge.upgrade import Connection
from gateway.link.calling_socket import CallingSocket
from protocol.errors import CloseCode, ErrorCode
from protocol.ids import InstanceId, session_ref
from protocol.instances.passthrough import (
    GIVEN,
    NOT_GIVEN,
    Leaving,
    PassedClient,
    pack_client_message,
    pack_leaving,
)

MAX_FRAME_BYTES = 64 * 1024 * 1024
"""Well above the longest message of a node with what a session adds."""
_NO_ANSWER = "the instance that has the session does not answer: come back in a moment"
_LOST = "the instance that has the session is gone: come back"
_RESERVED_CODES = frozenset({1005, 1006, 1015})
"""They stand for an end without a code and are never sent (RFC 6455 7.4.1)."""


class WireEnd(Protocol):
    """Who waits for what comes over a wire."""

    def wire_opened(self) -> None:
        """The other instance has given the client its session."""

    def wire_sent(self, data: bytes) -> None:
        """The session sends something to its client."""

    def wire_full(self) -> None:
        """The other instance does not take more at the moment."""

    def wire_has_room(self) -> None:
        """It does again."""

    def wire_ended(self, code: int | None, reason: str) -> None:
        """The other instance has closed the socket; without a code it, or the line, is gone."""


class PassthroughWire(CallingSocket):
    """The connection to the instance that has a session. Implements `Pinged`."""

    def __init__(self, end: WireEnd) -> None:
        super().__init__(MAX_FRAME_BYTES)
        self.heard = self.is_pinged = True
        """Bytes came since the keepalive last looked."""
        self.is_paused = False
        """It is always read: what waits for the client is bounded at its connection."""
        self._end = end

    async def call(self, url: str, headers: dict[str, str]) -> None:
        """Return once the session has the socket.

        Raises:
            CallFailedError: It is refused.
            OSError: The other instance cannot be reached.
            ValueError: This is no URL.
        """
        await self._call(url, headers)

    def send_text(self, data: bytes) -> None:
        """Write a client's text message."""
        if self.is_open and self._ws is not None:
            self._ws.send_text(data)
            self._flush_soon(len(data) + 1)

    def send_binary(self, data: bytes) -> None:
        """Write a binary message."""
        if self.is_open and self._ws is not None:
            self._ws.send_binary(data)
            self._flush_soon(len(data) + 1)

    def ping(self) -> None:
        """Ask for a sign of life."""
        if self.is_open and self._ws is not None:
            self._ws.send_ping(b"")
            self._flush()

    def give_up(self) -> None:
        """End it: there was no sign of life."""
        self._fail("no answer to a ping")

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        self.heard = True
        super().data_received(data)

    def pause_writing(self) -> None:
        """See `asyncio.Protocol`."""
        self._end.wire_full()

    def resume_writing(self) -> None:
        """See `asyncio.Protocol`."""
        self._end.wire_has_room()

    @property
    def is_refused(self) -> bool:
        """Whether the other instance has answered that the client may not have the session."""
        closed = None if self._ws is None else self._ws.close_rcvd
        return closed is not None and closed.code == NOT_GIVEN

    def _take_frame(self, frame: Frame) -> None:
        if frame.opcode is Opcode.TEXT and self.is_open:
            self._end.wire_sent(bytes(frame.data))
        elif frame.opcode is Opcode.BINARY and frame.data == GIVEN and not self._is_answered:
            self._opened()
            self._end.wire_opened()

    def _ended(self, reason: str) -> None:
        closed = None if self._ws is None else self._ws.close_rcvd
        if closed is None or closed.code in _RESERVED_CODES:
            self._end.wire_ended(None, reason)
        else:
            self._end.wire_ended(closed.code, closed.reason)


class PassthroughCalls(Protocol):
    """Makes the calls to other instances, and keeps the connections that are open."""

    max_outbox_bytes: int

    def call(self, passthrough: "Passthrough", peer_url: str, owner: InstanceId) -> None:
        """Call the session's owner; `call_failed` says if nothing comes of it."""

    def opened(self, passthrough: "Passthrough") -> None:
        """The connection is open."""

    def ended(self, passthrough: "Passthrough") -> None:
        """The connection is over."""


class PassedSocket(Protocol):
    """The socket here whose session is there."""

    def passed_through(self, passthrough: "Passthrough") -> None:
        """All that it sends from now on passes through."""

    def not_attached(self, refused: Refused) -> None:
        """Nothing came of it."""


class Passthrough:
    """Implements `WireEnd`."""

    def __init__(
        self,
        socket: PassedSocket,
        connection: Connection,
        calls: PassthroughCalls,
        client: PassedClient,
        first: bytes,
    ) -> None:
        """Take the message that named the session, as it came: it is the first to pass through."""
        self.wire = PassthroughWire(self)
        self.client = client
        self._socket = socket
        self._connection = connection
        self._calls = calls
        self._first: bytes | None = first
        """Until the connection is open, or nothing comes of it."""

    def __repr__(self) -> str:
        state = "open" if self.wire.is_open else "over" if self._first is None else "called for"
        return f"<Passthrough of {session_ref(self.client.session_id)} {state}>"

    def call(self, peer_url: str, owner: InstanceId) -> None:
        """Ask the session's owner for it; the socket hears what comes of that."""
        self._calls.call(self, peer_url, owner)

    def call_failed(self, error: Exception) -> None:
        """Hear that the other instance does not let the client in, or does not answer."""
        if self._first is None:
            return  # the client has gone meanwhile
        self._first = None
        if self.wire.is_refused or getattr(error, "status", None) == HTTPStatus.NOT_FOUND:
            self._socket.not_attached(Refused(ErrorCode.INVALID_SESSION, NOTHING_WAITS))
            return
        reason = str(error) or type(error).__name__
        logger.info(
            "an attach came to nothing",
            session_ref=session_ref(self.client.session_id),
            reason=reason,
        )
        away = ErrorCode.SCHEDULER_DEPENDENCY_DOWN
        self._socket.not_attached(Refused(away, _NO_ANSWER, CloseCode.TRY_AGAIN_LATER))

    # ---- what the client sends ----------------------------------------------------------------

    def text(self, data: bytes) -> None:
        """Pass a text message on."""
        self.wire.send_text(data)

    def binary(self, data: bytes) -> None:
        """Pass a binary message on."""
        self.wire.send_binary(pack_client_message(data))

    def leave(self, leaving: Leaving) -> None:
        """This instance goes away: the session tells its client, and lets go of the socket."""
        self.wire.send_binary(pack_leaving(leaving))

    def client_lost(self) -> None:
        """The client is gone: its session hears of it once it has all that was sent before."""
        self._first = None
        if self.wire.is_open:
            self.wire.close()
            self._calls.ended(self)
        else:
            self.wire.abort()

    # ---- what the session sends ----------------------------------------------------------------

    def wire_opened(self) -> None:
        """Begin with the message that named the session, then read on."""
        first, self._first = self._first, None
        if first is None:
            self.wire.abort()
            return
        self._socket.passed_through(self)
        self.wire.send_text(first)
        self._calls.opened(self)
        self._connection.resume()

    def wire_sent(self, data: bytes) -> None:
        """Pass on what the session sends, unless its client does not read."""
        if self._connection.refused_bytes > self._calls.max_outbox_bytes:
            self._connection.close(CloseCode.RECEIVER_TOO_SLOW, "receiver does not read")
            self.client_lost()
            return
        self._connection.send(data)

    def wire_full(self) -> None:
        """Stop reading the client."""
        self._connection.pause()

    def wire_has_room(self) -> None:
        """Read on."""
        self._connection.resume()

    def wire_ended(self, code: int | None, reason: str) -> None:
        """Close the client's socket as the other end was closed."""
        self._calls.ended(self)
        if code is None:
            logger.info(
                "a passed socket is lost",
                session_ref=session_ref(self.client.session_id),
                reason=reason,
            )
            self._connection.close(CloseCode.GOING_AWAY, _LOST)
        else:
            self._connection.close(code, reason)
