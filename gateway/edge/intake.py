"""What came on one WebSocket and was not handed over yet.

It owns the reading side behind the handshake: frames, messages that wait because their handler is
paused, and the account of work. It must not know the transport: its connection stops and goes on.
What work costs stands in `gateway.edge.work`.

- Messages are handed over in order; while the handler is paused they wait here. Control frames do
  not wait behind them.
- Who has spent its share of work is not read until it has earned it again.
- A read with very many frames is taken in several turns, and waits for each as other bytes do.
"""

import asyncio
from collections import deque
from typing import Final, Protocol

from loguru import logger

from gateway.edge.frame_reader import (
    CLOSE,
    FAILED,
    MESSAGES_AT_ONCE,
    NOT_TAKEN,
    PING,
    TEXT,
    FrameReader,
    Received,
)
from gateway.edge.framing import INVALID_TEXT, is_utf8
from gateway.edge.read_queue import WORK_COST
from gateway.edge.receive_buffer import ReceiveBuffer
from gateway.edge.upgrade import SocketHandler, SocketPolicy
from gateway.edge.work import FRAME_COST, MESSAGE_COST, PASSED_BYTES
from protocol.errors import CloseCode

_ANSWERED_HERE = frozenset({PING, CLOSE, FAILED})
"""These do not wait behind messages."""
_WORTH_WAITING_S: Final = 0.001
MORE_COST: Final = WORK_COST * MESSAGES_AT_ONCE
"""What a turn is thought to cost that takes on what was read."""
_FEW: Final = 2
"""So many messages in one read are paid for by their bytes, as all of a speaker are."""


class Taker(Protocol):
    """The connection, as its intake sees it."""

    def answer_frame(self, received: Received) -> None:
        """Answer what concerns the connection and not its messages."""

    def close(self, code: int, reason: str) -> None:
        """Close in order."""

    def fail(self, code: int, why: str) -> None:
        """The peer broke the rules of WebSockets."""

    def resume(self) -> None:
        """Hand over what waits, then read on."""

    def stop_reading(self) -> None:
        """Read nothing more."""

    def read_on(self) -> None:
        """Read on, if nothing is against it."""

    def slowed(self) -> None:
        """It is not read because of the work that it makes."""

    def has_more(self) -> None:
        """What was read holds more than is taken at once: `take_more` when it is its turn."""


class Work:
    """Life: that of a WebSocket. Costs are added up during a read and settled behind it.

    What is beyond the account becomes debt: who spends it waits until it is paid.
    """

    __slots__ = ("_burst", "_frames", "_level", "_rate_per_ms", "_seen_ms", "cost", "is_owed")

    def __init__(self, rate_per_s: float, burst: float, now_ms: float) -> None:
        """Begin with a full account; a rate of 0 lets the socket do as it likes."""
        self._rate_per_ms = rate_per_s / 1000
        self._burst = self._level = float(burst)
        self._seen_ms = now_ms
        self._frames = 0
        self.cost = 0.0
        """Not settled yet."""
        self.is_owed = False
        """More was spent than there was: the socket is not read until `wait_s` have passed."""

    def __repr__(self) -> str:
        return f"<Work {self._level:.0f} of {self._burst:.0f}{' owed' if self.is_owed else ''}>"

    @property
    def wait_s(self) -> float:
        """Seconds until what is owed is paid."""
        return max(0.0, -self._level / self._rate_per_ms / 1000) if self._rate_per_ms else 0.0

    def settle(self, frames: int, now_ms: float) -> bool:
        """Pay for what was done since the last time; True when the socket has to wait from now.

        `frames` have come on the connection so far.
        """
        cost = self.cost + FRAME_COST * (frames - self._frames)
        self._frames, self.cost = frames, 0.0
        earned = (now_ms - self._seen_ms) * self._rate_per_ms
        self._seen_ms = now_ms
        self._level = level = min(self._level + earned, self._burst) - cost
        if level >= 0 or not self._rate_per_ms or self.is_owed:
            return False
        self.is_owed = True
        return True

    def is_paid(self, now_ms: float) -> bool:
        """Tell whether the wait is over; more may have been spent meanwhile."""
        self.settle(self._frames, now_ms)
        self.is_owed = self.wait_s > _WORTH_WAITING_S
        return not self.is_owed


class Intake:
    """Life: from the upgrade to the end of the connection."""

    __slots__ = (
        "_buffer",
        "_held",
        "_held_bytes",
        "_is_resuming",
        "_loop",
        "_read_ahead_bytes",
        "_reader",
        "_strict_text",
        "_taker",
        "handler",
        "is_paused",
        "turn_cost",
        "work",
    )

    def __init__(
        self,
        taker: Taker,
        policy: SocketPolicy,
        loop: asyncio.AbstractEventLoop,
        transport: asyncio.Transport,
    ) -> None:
        self.handler: SocketHandler | None = None
        """Who takes the messages; None: they are dropped."""
        self.is_paused = False
        """The handler takes no messages now."""
        self.turn_cost = 0
        """Of many messages in one read, beyond their bytes; not paid yet."""
        self.work = Work(policy.message_rate, policy.message_burst, loop.time() * 1000)
        self._taker = taker
        self._loop = loop
        self._reader = FrameReader(policy.max_message_bytes, self._longest_message)
        self._strict_text = policy.strict_text
        self._read_ahead_bytes = policy.read_ahead_bytes
        self._buffer = ReceiveBuffer(transport) if policy.read_ahead_bytes else None
        self._held: deque[Received] | None = None
        self._held_bytes = 0
        self._is_resuming = False

    def __repr__(self) -> str:
        return f"<Intake {self._held_bytes} bytes wait, {self._reader!r}, {self.work!r}>"

    @property
    def kept_bytes(self) -> int:
        """Bytes of messages that wait, or are not whole."""
        return self._held_bytes + self._reader.held_bytes

    @property
    def has_messages(self) -> bool:
        """Tell whether messages wait."""
        return bool(self._held)

    @property
    def has_frames(self) -> bool:
        """Tell whether `take_more` has something to take."""
        return self._reader.has_more

    @property
    def may_read(self) -> bool:
        """Tell whether more may come."""
        is_far_ahead = self.is_paused and self._held_bytes >= self._read_ahead_bytes
        return not (is_far_ahead or self.work.is_owed or self._reader.has_more)

    def take(self, data: bytes) -> bool:
        """Hand over whole messages, answer control frames; True where bytes are kept of them."""
        reader, taker = self._reader, self._taker
        found = reader.feed(data)
        if len(found) > _FEW:
            self.turn_cost += WORK_COST * len(found)
        for received in found:
            if received.kind in _ANSWERED_HERE:
                taker.answer_frame(received)
            elif self.is_paused or self._held:
                self._hold(received)
            else:
                self._hand_over(received)
        if reader.has_more:
            taker.stop_reading()
            taker.has_more()
        if reader.skip_bytes:
            self.work.cost += len(data) / PASSED_BYTES
        if self.work.settle(reader.frames, self._loop.time() * 1000):
            self._slow_down()
        if self._buffer is not None and (reader.keeps_bytes or self._buffer.is_wide):
            self._buffer.fit(reader.held_bytes)
        return reader.keeps_bytes or bool(self._held)

    def _slow_down(self) -> None:
        """Read nothing until the work so far is paid for."""
        self._taker.stop_reading()
        self._taker.slowed()
        self._loop.call_later(self.work.wait_s, self._on_paid)

    def _hand_over(self, received: Received) -> None:
        handler, (kind, data) = self.handler, received
        if handler is None:
            return
        self.work.cost += MESSAGE_COST
        try:
            if kind is NOT_TAKEN:
                handler.message_not_taken(data.decode())
            elif kind is not TEXT:
                handler.binary_received(data)
            elif self._strict_text and not (data.isascii() or is_utf8(data)):
                self._taker.fail(INVALID_TEXT, "text that is not UTF-8")
            else:
                handler.text_received(data)
        except Exception:  # noqa: BLE001 - a bug met by one peer must not take the others along
            logger.opt(exception=True).error("socket handler failed")
            self._taker.close(CloseCode.INTERNAL_ERROR, "internal error")

    def _longest_message(self) -> int:
        return 0 if self.handler is None else self.handler.longest_message()

    def take_all(self) -> None:
        """The end has come: what is left of the last read does not wait."""
        while self._reader.has_more:
            self.take(b"")

    def pause(self) -> None:
        """Hand over nothing more until `resume`."""
        self.is_paused = True
        if self._held_bytes >= self._read_ahead_bytes:
            self._taker.stop_reading()

    def resume(self) -> bool:
        """Hand over what waits; False where some of it has to wait on."""
        self.is_paused = False
        if self._is_resuming:  # called by the handler during the loop below, which goes on
            return False
        self._is_resuming = True
        while self._held and not self.is_paused and not self.work.is_owed:
            received = self._held.popleft()
            self._held_bytes -= len(received.data) + 1
            self._hand_over(received)
            if self.work.settle(self._reader.frames, self._loop.time() * 1000):
                self._slow_down()
        self._is_resuming = False
        if self.is_paused or self._held:
            return False
        self._held = None
        return True

    def drop(self) -> None:
        """Keep nothing, and take nothing any more."""
        self._held = None
        self._held_bytes = 0
        self._reader.drop()

    def _hold(self, received: Received) -> None:
        if self._held is None:
            self._held = deque()
        self._held.append(received)
        self._held_bytes += len(received.data) + 1
        if self._held_bytes >= self._read_ahead_bytes:
            self._taker.stop_reading()

    def take_more(self) -> int:
        """Take what did not fit into one call; return how many bytes that were."""
        if not self._reader.has_more or self.work.is_owed:
            return 0
        before = self._reader.held_bytes
        self.take(b"")
        self._taker.read_on()
        return max(0, before - self._reader.held_bytes)

    def _on_paid(self) -> None:
        if not self.work.is_paid(self._loop.time() * 1000):
            self._loop.call_later(self.work.wait_s, self._on_paid)
            return
        if self.is_paused:
            self._taker.read_on()
        else:
            if self._reader.has_more:
                self._taker.has_more()
            self._taker.resume()
