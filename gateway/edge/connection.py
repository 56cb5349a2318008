"""One TCP connection at the edge: HTTP request, WebSocket frames, closing.

It owns the transport and the protocol state of one peer. It must not know what a message means,
which paths exist or what an answer says: the router and the handler it is given know that.

Handshake and closing are those of the library's `ServerProtocol`, which does no I/O; frames are
read by `FrameReader`. Whole messages go to the handler synchronously: no task, queue or future for
a connection or a message. An idle connection takes 7 kB that way, 15 with the library's own class.

- What came on a WebSocket and waits for its handler is kept in order by `Intake`.
- Whatever is sent, a pong too, goes through one bound: who does not read is closed with 4008.
- The handler hears the end of its connection exactly once, after all messages before it.
- What a client sends may have to wait for its turn: two reads of bytes, then it is not read more.
- Nothing here raises towards who sends or closes.
"""

import asyncio
import logging
from math import inf
from typing import cast

from websockets.frames import Opcode
from websockets.protocol import CONNECTING, OPEN
from websockets.server import ServerProtocol

from gateway.edge.buffer_total import LITTLE_BYTES
from gateway.edge.frame_reader import CLOSE, PING, TOO_LONG, Received
from gateway.edge.framing import address_of, client_close, fitting, frame_of, have_probed, write_out
from gateway.edge.intake import MORE_COST, Intake
from gateway.edge.opening import Certificate, Opening, certificate_of
from gateway.edge.read_queue import Place, ReadQueue
from gateway.edge.upgrade import EdgeOwner, SocketHandler, SocketPolicy, Upgrade
from gateway.edge.work import PING_COST
from protocol.errors import CloseCode

_wire_log = logging.getLogger("gateway.edge.connection")
_wire_log.setLevel(logging.WARNING)  # the handlers write a line for each socket themselves

_MOST_JOINED_BYTES = 1 << 20
"""What is sent in one turn of the loop is offered to the peer when it is so much."""
_TURN_BYTES = 1 << 14
"""What it takes in one turn: 13 chunks of speech in JSON."""


class EdgeConnection(asyncio.Protocol):
    """One peer. Life: request, then either one HTTP answer or a WebSocket until its close."""

    __slots__ = (
        *("_closing", "_handler", "_intake", "_loop", "_lost", "_opening", "_owner", "_place"),
        *("_policy", "_read_queue", "_timer", "_transport", "_unflushed_bytes", "_unread", "_ws"),
        *("address", "counted_bytes", "heard", "is_pinged"),
    )

    _transport: asyncio.Transport
    address: str

    def __init__(self, owner: EdgeOwner, loop: asyncio.AbstractEventLoop) -> None:
        self.heard = True
        """Bytes came since the keepalive last looked."""
        self.is_pinged = True
        self.counted_bytes = 0
        self._owner = owner
        self._loop = loop
        self._ws = ServerProtocol(logger=_wire_log)
        self._handler: SocketHandler | None = None
        self._policy: SocketPolicy | None = None
        self._intake: Intake | None = None
        """None until the request was answered with an upgrade."""
        self._opening: Opening | None = Opening(self, owner, self._ws)
        self._timer: asyncio.TimerHandle | None = None
        self._read_queue: ReadQueue | None = owner.handshakes
        """Where its bytes may have to wait; None: nowhere."""
        self._unread: bytes | None = None
        """What waits there."""
        self._place = Place(self._take_part)
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
        intake = self._intake
        is_waiting = intake is not None and (intake.is_paused or intake.work.is_owed)
        return is_waiting or self._unread is not None

    @property
    def unsent_bytes(self) -> int:
        """What the peer has not taken yet."""
        return self.refused_bytes + self._unflushed_bytes

    @property
    def refused_bytes(self) -> int:
        """What the peer has been offered and has not taken: not what this turn adds."""
        return self._transport.get_write_buffer_size()

    def send_binary(self, data: bytes) -> bool:
        """Write one binary message, as `send` does."""
        return self.send(data, opcode=Opcode.BINARY)

    def send(
        self, data: bytes, most_refused_bytes: float = inf, opcode: Opcode = Opcode.TEXT
    ) -> bool:
        """Write one message; False when the socket is closing or gone.

        Who has not taken more than `most_refused_bytes` is closed with 4008. What is sent in one
        turn leaves in one piece, unless it is very much: a write costs more than a frame.
        """
        transport = self._transport
        if transport.get_write_buffer_size() > most_refused_bytes:
            self.close(CloseCode.RECEIVER_TOO_SLOW, "receiver does not read")
            return False
        if self._ws.state is not OPEN or transport.is_closing():
            return False
        self._ws.writes.append(frame_of(opcode, data))
        if not self._unflushed_bytes:
            self._loop.call_soon(self.flush)
        self._unflushed_bytes += len(data) + 1
        if self._unflushed_bytes > _MOST_JOINED_BYTES:
            self.flush()
        return True

    def charge(self, cost: float) -> None:
        """Count work that this peer has caused beyond its message itself."""
        if self._intake is not None:
            self._intake.work.cost += cost

    def ping(self) -> None:
        """Ask the peer for a sign of life."""
        if self.is_open:
            self._ws.send_ping(b"")
            self.flush()

    def close(self, code: int, reason: str) -> None:
        """Start the closing handshake after what was sent; what arrives from now on is ignored."""
        if self._ws.state is OPEN:
            self._ws.send_close(code, fitting(reason))
            self._end()
        elif self._ws.state is CONNECTING:
            self.abort()
        else:  # the peer is gone, and what it sent before is not wanted
            self._stop_handing_over()

    def certificate(self) -> Certificate | None:
        """Return what the peer has shown over TLS; None: nothing."""
        return certificate_of(self._transport)

    def abort(self) -> None:
        """End the connection without a word."""
        self._transport.abort()

    def give_up(self) -> None:
        """Say that the peer did not answer, in case it hears, and end the connection now."""
        if self._ws.state is OPEN:
            self._ws.send_close(CloseCode.INTERNAL_ERROR, "no answer to a ping")
            self.flush()
        self.abort()

    def pause(self) -> None:
        """Hand over nothing more; what was read already is kept until `resume`."""
        if self._intake is not None and not self._closing:
            self._intake.pause()

    def resume(self) -> None:
        """Hand over what was kept, then read on."""
        if self._intake is not None:
            is_all = self._intake.resume()
            if not self._lost:
                self.read_on()
            elif is_all:
                self._finish()

    def stop_reading(self) -> None:
        """Read nothing more."""
        if not self._transport.is_closing():
            self._transport.pause_reading()

    def read_on(self) -> None:
        """Take what waits for its turn, or read on, if nothing is against it."""
        if self._intake is not None and not self._intake.may_read:
            return
        if self._unread is not None:
            queue = self._read_queue or self._owner.reading
            self._place.enter(queue, min(len(self._unread), _TURN_BYTES))
        elif not self._transport.is_closing():
            self._transport.resume_reading()

    def slowed(self) -> None:
        """Tell the owner that this peer makes too much work."""
        self._owner.slowed(self)

    def has_more(self) -> None:
        """Wait for the next turn with what was read and did not fit into this one."""
        if self._read_queue is not None:
            self._place.enter(self._read_queue, MORE_COST)
        elif self._intake is not None:
            self._loop.call_soon(self._intake.take_more)

    def _count_kept(self) -> None:
        """Tell the owner how much is kept for this peer, where that has changed by much."""
        unread = 0 if self._unread is None else len(self._unread)
        taken = 0 if self._intake is None else self._intake.kept_bytes
        kept = self.unsent_bytes + unread + taken
        if abs(kept - self.counted_bytes) > LITTLE_BYTES or (not kept and self.counted_bytes):
            self._owner.buffers.count(self, kept)

    @property
    def is_spared(self) -> bool:
        """Tell whether others are closed first when too much is kept."""
        return self._policy is not None and self._policy.is_spared

    def end_for_room(self) -> None:
        """Close with 4008 and keep nothing for it: too much waits for all sockets together."""
        self._unread = None
        if self._intake is not None:
            self._intake.drop()
        self.close(CloseCode.RECEIVER_TOO_SLOW, "too much waits for this socket")

    # ---- what the loop calls ----------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the request."""
        self._transport = cast("asyncio.Transport", transport)
        self.address = address_of(self._transport)
        self._timer = self._loop.call_later(self._owner.open_timeout_s, self._on_no_request)
        self._owner.connected(self)

    def data_received(self, data: bytes) -> None:
        """Take bytes now, or when it is this connection's turn."""
        self.heard = True
        queue, intake = self._read_queue, self._intake
        if self._unread is not None or not (queue is None or queue.admits(len(data))):
            self._wait(data, queue)
        elif intake is None:
            self._take(data)
        else:
            if intake.take(data) or self.counted_bytes:
                self._count_kept()
            if intake.turn_cost and queue is not None:
                queue.spend(intake.turn_cost)
                intake.turn_cost = 0

    def _wait(self, data: bytes, queue: ReadQueue | None) -> None:
        """Keep the bytes until it is their turn; what was read twice meanwhile is enough."""
        is_first = self._unread is None
        if is_first and self._handler is None and not self._owner.may_wait(data):
            self._take(data)
            return
        if not is_first or queue is None or queue.holds_back:
            self._transport.pause_reading()
        self._unread = data if self._unread is None else self._unread + data
        if queue is not None:
            self._place.enter(queue, min(len(self._unread), _TURN_BYTES))
        self._count_kept()

    def _take_part(self) -> float:
        """Take some of what waits; return what it cost, in bytes that take as long."""
        data, intake = self._unread, self._intake
        if intake is not None and (intake.work.is_owed or intake.has_frames):
            taken = intake.take_more()  # 0 where it has to earn its turn first
        elif data is None:
            return 0  # the connection's end did not wait
        else:
            self._unread = data[_TURN_BYTES:] or None
            self._take(data[:_TURN_BYTES])
            self.read_on()
            taken, intake = min(len(data), _TURN_BYTES), self._intake
        if intake is not None:
            taken, intake.turn_cost = max(taken, intake.turn_cost), 0
        return taken

    def _take_unread(self) -> None:
        """The peer's end has come: what came before it does not wait any more."""
        data, self._unread = self._unread, None
        if data is not None:
            self._take(data)
        if self._intake is not None:
            self._intake.take_all()

    def _take(self, data: bytes) -> None:
        """Take bytes of the request, or what comes behind it."""
        intake = self._intake
        if intake is None:
            rest = b"" if self._opening is None else self._opening.take(data)
            if rest and self._intake is not None:
                self._take(rest)
            return
        if intake.take(data) or self.counted_bytes:
            self._count_kept()

    def pause_writing(self) -> None:
        """Count what the peer does not take, or what is left when it does again."""
        self._count_kept()

    resume_writing = pause_writing

    def eof_received(self) -> None:
        """Take the end of the peer's stream; the transport closes itself after this."""
        self._take_unread()
        self._ws.receive_eof()
        self.flush()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the owner at once, the handler after what it has not taken yet."""
        del exc  # a reset and an orderly end are the same to everyone here
        self._take_unread()
        self._ws.receive_eof()
        self._stop_timer()
        self._lost = True
        self._owner.buffers.count(self, 0)
        self._owner.disconnected(self)
        if self._intake is None or not self._intake.has_messages:
            self._finish()

    # ---- request ----------------------------------------------------------------------------

    def _on_no_request(self) -> None:
        """End a connection that has asked for nothing in time, unless we have not looked yet."""
        if self._unread is None:
            self.abort()
        else:
            self._timer = self._loop.call_later(self._owner.open_timeout_s, self._on_no_request)

    def become(self, upgrade: Upgrade) -> None:
        """Be a WebSocket from now on: the handshake is written."""
        policy = self._policy = upgrade.policy
        self._read_queue = self._owner.reading if policy.queues else None
        self._opening = None
        self._stop_timer()
        have_probed(self._transport)
        self._intake = Intake(self, policy, self._loop, self._transport)
        self._owner.upgraded(self, policy)
        self._handler = self._intake.handler = upgrade.open(self)

    # ---- frames -----------------------------------------------------------------------------

    def answer_frame(self, received: Received) -> None:
        """Answer what concerns the connection and not its messages."""
        kind, data = received
        if kind is PING:
            self.charge(PING_COST)
            most_bytes = inf if self._policy is None else self._policy.max_outbox_bytes
            self.send(data, most_bytes, Opcode.PONG)
        elif kind is CLOSE:
            self._ws.receive_data(client_close(data))
            self.flush()
            self.await_end()
        else:
            code = CloseCode.MESSAGE_TOO_BIG if data == TOO_LONG else CloseCode.PROTOCOL_ERROR
            self.fail(code, data.decode())

    # ---- end --------------------------------------------------------------------------------

    def fail(self, code: int, why: str) -> None:
        """The peer broke the rules of WebSockets."""
        if self._ws.state is OPEN:
            self._ws.fail(code, why)
        self._end()

    def _end(self) -> None:
        """Read on, so that the peer's own close is seen, but hand over nothing more."""
        self._stop_handing_over()
        self.flush()
        self.await_end()

    def _stop_handing_over(self) -> None:
        self._closing = True
        if self._intake is not None:
            self._intake.handler = None
        self.resume()

    def await_end(self) -> None:
        """Give the peer its time to close, once."""
        if self._timer is None or self._ws.state is CONNECTING:
            self._stop_timer()
            self._timer = self._loop.call_later(self._owner.close_timeout_s, self.abort)

    def _stop_timer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    def _finish(self) -> None:
        handler, self._handler = self._handler, None
        if handler is not None:
            handler.connection_lost()

    def flush(self) -> None:
        """Write what is to be sent."""
        self._unflushed_bytes = 0
        write_out(self._ws, self._transport)
        if self.counted_bytes:
            self._count_kept()
