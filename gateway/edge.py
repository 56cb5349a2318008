"""One TCP connection at the edge: HTTP request, WebSocket frames, closing.

It owns the transport and the protocol state of one peer. It must not know what a message means,
which paths exist or what an answer says: the router and the handler it is given know that.

The WebSocket rules (RFC 6455) are those of the library's `ServerProtocol`, which does no I/O.
Whole messages go to the handler synchronously: no task, queue or future for a connection or a
message. An idle connection takes 7 kB that way, 15 with the library's own connection class.

- A handler that cannot take more calls `pause`: the transport is not read any more, and what had
  been read already waits here, in order. `resume` hands it over first. Nothing is dropped.
- The handler hears the end of its connection exactly once, after all messages before it.
- Nothing here raises towards who sends or closes.
"""

import asyncio
import logging
import socket
from collections import deque
from collections.abc import Awaitable
from contextlib import suppress
from typing import Any, cast

from loguru import logger
from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import CONNECTING, OPEN, Event
from websockets.server import ServerProtocol

from gateway.framing import (
    BAD_REQUEST,
    INVALID_TEXT,
    SWITCHING_PROTOCOLS,
    Fragments,
    fitting,
    is_utf8,
)
from gateway.upgrade import EdgeOwner, SocketHandler, Upgrade
from protocol.errors import CloseCode

_wire_log = logging.getLogger("gateway.edge")
_wire_log.setLevel(logging.WARNING)  # the handlers write a line for each socket themselves

_MOST_JOINED_BYTES = 1 << 20
"""What is sent in one turn of the loop is offered to the peer when it is so much."""


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
        "_resuming",
        "_strict_text",
        "_timer",
        "_transport",
        "_unflushed_bytes",
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
        return self._paused

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
        if not self.is_open:
            return False
        self._ws.send_text(data)
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
        elif not self._transport.is_closing():
            self._transport.resume_reading()

    # ---- what the loop calls ----------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the request."""
        self._transport = cast("asyncio.Transport", transport)
        self._timer = self._loop.call_later(self._owner.open_timeout_s, self.abort)
        self._owner.connected(self)

    def data_received(self, data: bytes) -> None:
        """Take bytes: answer control frames, hand over whole messages."""
        self.heard = True
        ws = self._ws
        ws.receive_data(data)
        events = ws.events_received()
        self._flush()
        if ws.close_expected():
            self._await_end()
        for event in events:
            if not self._paused:
                self._process(event)
            elif self._held is None:
                self._held = deque((event,))
            else:
                self._held.append(event)

    def eof_received(self) -> None:
        """Take the end of the peer's stream; the transport closes itself after this."""
        self._ws.receive_eof()
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the owner at once, the handler after what it has not taken yet."""
        del exc  # a reset and an orderly end are the same to everyone here
        self._ws.receive_eof()
        self._stop_timer()
        self._lost = True
        self._owner.disconnected(self)
        if not self._held:
            self._finish()

    # ---- request ----------------------------------------------------------------------------

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
        response = ws.accept(request)
        if response.status_code != SWITCHING_PROTOCOLS:
            self._respond(response)
            return
        ws.max_message_size = upgrade.policy.max_message_bytes
        self._strict_text = upgrade.policy.strict_text
        ws.send_response(response)
        self._flush()
        self._stop_timer()
        self._owner.upgraded(self, upgrade.policy)
        self._handler = upgrade.open(self)

    def _respond(self, response: Response) -> None:
        if self._ws.state is CONNECTING and not self._ws.eof_sent:
            self._ws.send_response(response)
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
        transport = self._transport
        writes = self._ws.data_to_send()
        if not writes:
            return
        ends = not writes[-1]  # the library's word for the end of the stream
        if ends:
            writes.pop()
        if len(writes) == 1:
            transport.write(writes[0])
        elif writes:
            transport.writelines(writes)
        if ends:
            self._write_end(nothing_said=not writes)

    def _write_end(self, *, nothing_said: bool) -> None:
        transport = self._transport
        if nothing_said and self._ws.handshake_exc is not None:
            transport.write(BAD_REQUEST)  # the library says nothing to what is no request
        if not transport.can_write_eof():  # TLS has no half-close
            transport.close()
        elif not transport.is_closing():
            with suppress(OSError, RuntimeError):  # reset already: the end is on its way
                transport.write_eof()
