"""One TCP connection at the edge: HTTP request, WebSocket frames, closing.

It owns the transport and the protocol state of one peer. It must not know what a message means,
which paths exist or what an answer says: the router and the handler it is given know that.

The WebSocket rules (RFC 6455) are those of the library's `ServerProtocol`, which does no I/O.
Whole messages go to the handler synchronously: no task, queue or future for a connection or a
message. An idle connection takes 7 kB that way, 15 with the library's own connection class.

- A handler that cannot take more calls `pause`: the transport is not read any more, and what had
  been read already waits here, in order. `resume` hands it over first. Nothing is dropped.
- The handler hears the end of its connection exactly once, after all messages before it.
- What a client sends may have to wait for its turn, as bytes: the turnstile says when. The second
  read that has to wait is the last; then the transport is not read any more.
- Nothing here raises towards who sends or closes.
"""

import asyncio
import logging
import socket
from collections import deque
from collections.abc import Awaitable
from typing import Any, cast

from loguru import logger
from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import CONNECTING, OPEN, Event
from websockets.server import ServerProtocol

from gateway.edge.framing import (
    INVALID_TEXT,
    Fragments,
    accept,
    fitting,
    is_utf8,
    respond,
    write_out,
)
from gateway.edge.read_queue import ReadQueue
from gateway.edge.upgrade import EdgeOwner, SocketHandler, Upgrade
from gateway.edge.whole_frames import frame_of, take_messages
from protocol.errors import CloseCode

_wire_log = logging.getLogger("gateway.edge.connection")
_wire_log.setLevel(logging.WARNING)  # the handlers write a line for each socket themselves

_MOST_JOINED_BYTES = 1 << 20
"""What is sent in one turn of the loop is offered to the peer when it is so much."""
_TURN_BYTES = 1 << 14
"""What a connection takes in one turn: 13 chunks of speech in JSON."""


class EdgeConnection(asyncio.Protocol):
    """One peer. Life: request, then either one HTTP answer or a WebSocket until its close."""

    __slots__ = (
        "_closing",
        "_fragments",
        "_handler",
        "_held",
        "_loop",
        "_lost",
        "_owner",
        "_paused",
        "_read_queue",
        "_resuming",
        "_strict_text",
        "_timer",
        "_transport",
        "_unflushed_bytes",
        "_unread",
        "_ws",
        "heard",
    )

    _transport: asyncio.Transport

    def __init__(self, owner: EdgeOwner, loop: asyncio.AbstractEventLoop) -> None:
        self.heard = True
        """Bytes came since the keepalive last looked."""
        self._owner = owner
        self._loop = loop
        self._ws = ServerProtocol(logger=_wire_log)
        self._handler: SocketHandler | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._fragments: Fragments | None = None
        self._strict_text = True
        self._read_queue: ReadQueue | None = owner.door
        """Where its bytes may have to wait; None: nowhere."""
        self._unread: bytes | None = None
        """What waits there."""
        self._held: deque[Event] | None = None
        self._paused = False
        self._resuming = False
        self._closing = False
        self._lost = False
        self._unflushed_bytes = 0

    # ---- what a handler uses ----------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        """Tell whether messages can be sent."""
        return self._ws.state is OPEN and not self._transport.is_closing()

    @property
    def is_paused(self) -> bool:
        """Tell whether the peer's bytes wait unread, so that its silence means nothing."""
        return self._paused or self._unread is not None

    @property
    def unsent_bytes(self) -> int:
        """What the peer has not taken yet."""
        return self._transport.get_write_buffer_size() + self._unflushed_bytes

    @property
    def refused_bytes(self) -> int:
        """What the peer has been offered and has not taken: not what this turn of the loop adds."""
        return self._transport.get_write_buffer_size()

    def send_text(self, data: bytes) -> bool:
        """Write one text message (UTF-8); False when the socket is closing or gone.

        What is sent in one turn of the loop leaves in one piece, unless it is very much: a write
        costs more than a frame.
        """
        return self._send(Opcode.TEXT, data)

    def send_binary(self, data: bytes) -> bool:
        """Write one binary message, as `send_text` does."""
        return self._send(Opcode.BINARY, data)

    def _send(self, opcode: Opcode, data: bytes) -> bool:
        if not self.is_open:
            return False
        self._ws.writes.append(frame_of(opcode, data))
        if not self._unflushed_bytes:
            self._loop.call_soon(self._flush)
        self._unflushed_bytes += len(data) + 1
        if self._unflushed_bytes > _MOST_JOINED_BYTES:
            self._flush()
        return True

    def ping(self) -> None:
        """Ask the peer for a sign of life."""
        if self.is_open:
            self._ws.send_ping(b"")
            self._flush()

    def close(self, code: int, reason: str) -> None:
        """Start the closing handshake after what was sent; what arrives from now on is ignored."""
        if self._ws.state is OPEN:
            self._ws.send_close(code, fitting(reason))
            self._end()
        elif self._ws.state is CONNECTING:
            self.abort()
        elif self._held:  # the peer is gone already, and what it said before is not wanted
            self._closing = True
            if self._paused:
                self.resume()

    def abort(self) -> None:
        """End the connection without a word."""
        self._transport.abort()

    def probe(self) -> None:
        """Have the kernel find out when the peer's machine is gone; no peer notices that."""
        sock = self._transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def give_up(self) -> None:
        """Say that the peer did not answer, in case it hears, and end the connection now."""
        if self._ws.state is OPEN:
            self._ws.send_close(CloseCode.INTERNAL_ERROR, "no answer to a ping")
            self._flush()
        self.abort()

    def pause(self) -> None:
        """Stop reading; what was read already is kept until `resume`."""
        if self._paused or self._closing:
            return
        self._paused = True
        if not self._transport.is_closing():
            self._transport.pause_reading()

    def resume(self) -> None:
        """Hand over what was kept, then read on."""
        self._paused = False
        if self._resuming:  # called by the handler during the loop below, which goes on
            return
        self._resuming = True
        while self._held and not self._paused:
            self._process(self._held.popleft())
        self._resuming = False
        if self._paused:
            return
        self._held = None
        if self._lost:
            self._finish()
        elif self._unread is None and not self._transport.is_closing():
            self._transport.resume_reading()

    # ---- what the loop calls ----------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the request."""
        self._transport = cast("asyncio.Transport", transport)
        self._timer = self._loop.call_later(self._owner.open_timeout_s, self._on_no_request)
        self._owner.connected(self)

    def data_received(self, data: bytes) -> None:
        """Take bytes now, or when it is this connection's turn."""
        self.heard = True
        read_queue = self._read_queue
        if read_queue is None or (self._unread is None and read_queue.admits(len(data))):
            self._take(data)
        else:
            self._wait(data, read_queue)

    def _wait(self, data: bytes, read_queue: ReadQueue) -> None:
        """Keep the bytes until it is their turn; what was read twice meanwhile is enough."""
        is_first = self._unread is None
        if is_first and self._handler is None and not self._owner.may_wait(data):
            self._take(data)
            return
        if not is_first or read_queue.holds_back:
            self._transport.pause_reading()
        self._unread = data if self._unread is None else self._unread + data
        if is_first:
            read_queue.enter(self)

    def take_turn(self) -> int:
        """Take some of the bytes that wait; return how many."""
        data = self._unread
        if data is None:  # the connection's end did not wait
            return 0
        self._unread = data[_TURN_BYTES:] or None
        taken = data[:_TURN_BYTES]
        self._take(taken)
        if self._unread is not None:
            (self._read_queue or self._owner.reading).enter(self)
        elif not self._paused and not self._transport.is_closing():
            self._transport.resume_reading()
        return len(taken)

    def _take_unread(self) -> None:
        """The peer's end has come: what came before it does not wait any more."""
        data, self._unread = self._unread, None
        if data is not None:
            self._take(data)

    def _take(self, data: bytes) -> None:
        """Answer control frames, hand over whole messages."""
        events, rest = take_messages(self._ws, data)
        for event in (*events, *self._parse(rest)) if rest else events:
            if not self._paused:
                self._process(event)
            elif self._held is None:
                self._held = deque((event,))
            else:
                self._held.append(event)

    def _parse(self, data: bytes) -> list[Event]:
        """Let the library look at what is more than whole messages."""
        self._ws.receive_data(data)
        self._flush()
        if self._ws.close_expected():
            self._await_end()
        return self._ws.events_received()

    def eof_received(self) -> None:
        """Take the end of the peer's stream; the transport closes itself after this."""
        self._take_unread()
        self._ws.receive_eof()
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the owner at once, the handler after what it has not taken yet."""
        del exc  # a reset and an orderly end are the same to everyone here
        self._take_unread()
        self._ws.receive_eof()
        self._stop_timer()
        self._lost = True
        self._owner.disconnected(self)
        if not self._held:
            self._finish()

    # ---- request ----------------------------------------------------------------------------

    def _on_no_request(self) -> None:
        """End a connection that has asked for nothing in time, unless we have not looked yet."""
        if self._unread is None:
            self.abort()
        else:
            self._timer = self._loop.call_later(self._owner.open_timeout_s, self._on_no_request)

    def _answer(self, request: Request) -> None:
        if self._ws.eof_sent:  # frames came with the request, and they have ended it already
            self.abort()
            return
        answer = self._owner.answer(request)
        if isinstance(answer, Upgrade):
            self._upgrade(request, answer)
        elif isinstance(answer, Response):
            self._respond(answer)
        else:
            self._owner.spawn(self._respond_later(answer))

    def _upgrade(self, request: Request, upgrade: Upgrade) -> None:
        ws = self._ws
        refusal = accept(ws, request, upgrade.subprotocol)
        if refusal is not None:
            self._respond(refusal)
            return
        ws.max_message_size = upgrade.policy.max_message_bytes
        self._strict_text = upgrade.policy.strict_text
        self._read_queue = self._owner.reading if upgrade.policy.queues else None
        self._flush()
        self._stop_timer()
        self._owner.upgraded(self, upgrade.policy)
        self._handler = upgrade.open(self)

    def _respond(self, response: Response) -> None:
        if self._ws.state is CONNECTING and not self._ws.eof_sent:
            respond(self._ws, response)
            self._flush()
            self._await_end()

    async def _respond_later(self, answer: Awaitable[Response]) -> None:
        self._respond(await answer)

    # ---- frames -----------------------------------------------------------------------------

    def _process(self, event: Event) -> None:
        if isinstance(event, Frame):
            if self._handler is not None and not self._closing:
                self._take_frame(event, self._handler)
        elif isinstance(event, Request):
            self._answer(event)

    def _take_frame(self, frame: Frame, handler: SocketHandler) -> None:
        opcode = frame.opcode
        data: Any = frame.data  # bytes: what unmasking returns
        if opcode is Opcode.TEXT or opcode is Opcode.BINARY:
            if frame.fin:
                self._hand_over(data, handler, is_text=opcode is Opcode.TEXT)
            else:
                self._fragments = Fragments(data, is_text=opcode is Opcode.TEXT)
        elif opcode is Opcode.CONT and self._fragments is not None:
            self._fragments.add(data)
            if frame.fin:
                parts, self._fragments = self._fragments, None
                self._hand_over(parts.whole(), handler, is_text=parts.is_text)

    def _hand_over(self, data: bytes, handler: SocketHandler, *, is_text: bool) -> None:
        try:
            if not is_text:
                handler.binary_received(data)
            elif self._strict_text and not is_utf8(data):
                self._ws.fail(INVALID_TEXT, "text that is not UTF-8")
                self._end()
            else:
                handler.text_received(data)
        except Exception:  # noqa: BLE001 - a bug met by one peer must not take the others along
            logger.opt(exception=True).error("socket handler failed")
            self.close(CloseCode.INTERNAL_ERROR, "internal error")

    # ---- end --------------------------------------------------------------------------------

    def _end(self) -> None:
        """Read on, so that the peer's own close is seen, but hand over nothing more."""
        self._closing = True
        if self._paused:
            self.resume()
        self._flush()
        self._await_end()

    def _await_end(self) -> None:
        """Give the peer its time to close, once."""
        if self._timer is None or self._ws.state is CONNECTING:
            self._stop_timer()
            self._timer = self._loop.call_later(self._owner.close_timeout_s, self.abort)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _finish(self) -> None:
        handler, self._handler = self._handler, None
        self._fragments = None
        if handler is not None:
            handler.connection_lost()

    def _flush(self) -> None:
        self._unflushed_bytes = 0
        write_out(self._ws, self._transport)
