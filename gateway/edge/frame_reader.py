"""Whole messages and control frames, from the bytes of one client (RFC 6455 section 5).

It owns the bytes that are no whole frame yet and the message that is no whole message yet. It must
not answer, wait or know what a message says. It works in the client's order and never fails: what
breaks the rules is a `FAILED` at its place, and nothing is read after it.

The library's own reader is not used: a frame costs it five times as much, it keeps every byte of a
message that turns out too long, and it knows no bound on the number of frames.

- A message that is too long, or comes in too many small fragments, is read past: not kept, reported
  as `NOT_TAKEN`, and the connection goes on behind it.
- So many frames are taken in one call; what is left waits for the next one (`has_more`).
"""

from collections.abc import Callable
from enum import IntEnum
from typing import Final, NamedTuple

from protocol.audio.pieces import compact

try:
    from websockets.speedups import apply_mask
except ImportError:  # pragma: no cover - where the library was built without it
    from websockets.utils import apply_mask


class Kind(IntEnum):
    """What came. The first four are the opcodes of section 5.2."""

    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    NOT_TAKEN = 16
    """A message was read past; the data says why."""
    FAILED = 17
    """The client broke the rules; the data says how."""


class Received(NamedTuple):
    """One thing that came."""

    kind: Kind
    data: bytes


TEXT, BINARY, CLOSE, PING = Kind.TEXT, Kind.BINARY, Kind.CLOSE, Kind.PING
NOT_TAKEN, FAILED = Kind.NOT_TAKEN, Kind.FAILED

FRAMES_AT_ONCE: Final = 512
"""Frames in one call: 1 ms of empty ones."""
MESSAGES_AT_ONCE: Final = 16
HOPELESS_BYTES: Final = 1 << 30
"""A frame that says to be longer is not waited for."""

_FIN: Final = 0x80
_RESERVED: Final = 0x70
_OPCODE: Final = 0x0F
_CONTROL: Final = 0x08
_PONG: Final = 0x0A
_IN_TWO_BYTES: Final = 126
_IN_EIGHT_BYTES: Final = 127
_MASK_BYTES: Final = 4
_MOST_IN_CONTROL: Final = 125
_WHOLE: Final = {_FIN | TEXT: TEXT, _FIN | BINARY: BINARY}
"""First bytes of nearly all frames: one whole message each."""
_DATA: Final = {0: None, 1: TEXT, 2: BINARY}
"""What a data frame begins; None: it continues."""

TOO_LONG: Final = b"message is too long"
TOO_MANY_FRAGMENTS: Final = b"message has too many small fragments"


class _Message:
    """A message of which some fragments are here."""

    __slots__ = ("is_taken", "joined", "kind", "pieces", "size_bytes", "small")

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.pieces: list[bytes] = []
        self.joined = 0
        self.size_bytes = 0
        self.small = 0
        """Fragments that are small."""
        self.is_taken = True
        """False: it is read past."""


class FrameReader:
    """One connection's frames, from the handshake to its end."""

    __slots__ = (
        "_buffer",
        "_is_broken",
        "_limit_bytes",
        "_long_limit",
        "_message",
        "_skipped",
        "_small_bytes",
        "_small_most",
        "_wanted_bytes",
        "frames",
        "has_more",
        "keeps_bytes",
        "skip_bytes",
    )

    def __init__(
        self,
        limit_bytes: int,
        long_limit: Callable[[], int] | None = None,
        *,
        small_bytes: int = 1024,
        small_most: int = 64,
    ) -> None:
        self._limit_bytes = limit_bytes
        self._long_limit = long_limit
        """Asked about a message that is longer; None: all have one limit."""
        self._small_bytes = small_bytes
        self._small_most = small_most
        self._buffer: bytearray | None = None
        self._wanted_bytes = 0
        """What the buffer must hold before it is worth looking at."""
        self._message: _Message | None = None
        self.skip_bytes = 0
        """What is still to come of a payload that is read past."""
        self._skipped: int | None = None
        """First byte of the frame that is read past."""
        self._is_broken = False
        self.has_more = False
        """Frames are left that did not fit into the last call."""
        self.keeps_bytes = False
        """Bytes are kept that are no whole message yet."""
        self.frames = 0
        """Frames so far."""

    def __repr__(self) -> str:
        return f"<FrameReader {self.held_bytes} bytes of a message, {self.frames} frames>"

    @property
    def held_bytes(self) -> int:
        """Bytes that are no whole message yet."""
        buffered = 0 if self._buffer is None else len(self._buffer)
        return buffered if self._message is None else buffered + self._message.size_bytes

    def drop(self) -> None:
        """Keep nothing and take nothing any more."""
        self._buffer = self._message = None
        self._is_broken = True
        self.has_more = self.keeps_bytes = False

    def feed(self, data: bytes) -> list[Received]:
        """Take bytes; return what is whole by now, in order."""
        found: list[Received] = []
        if self._is_broken:
            return found
        if self.skip_bytes:
            data = self._skip(data, found)
        if self._buffer is not None:
            self._buffer += data
            if len(self._buffer) < self._wanted_bytes:
                return found
            data, self._buffer = bytes(self._buffer), None
        self.has_more = False
        left = self._read(data, found)
        if left and not self._is_broken:
            self._buffer = bytearray(left)
        self.keeps_bytes = self._buffer is not None or self._message is not None
        return found

    def _read(self, data: bytes, found: list[Received]) -> bytes:
        """Take whole frames off the data; return what is left."""
        start, size = 0, len(data)
        frames, self._wanted_bytes = self.frames, 2
        while start + 2 <= size:
            if self.frames - frames >= FRAMES_AT_ONCE or len(found) >= MESSAGES_AT_ONCE:
                self.has_more, self._wanted_bytes = True, 0
                break
            head, length = data[start], data[start + 1] - 0x80
            mask = start + 2
            kind = _WHOLE.get(head) if self._message is None else None
            if length < 0 or (kind is None and not self._is_legal(head, length)):
                self._fail(
                    b"frame without a mask" if length < 0 else b"frame against the rules", found
                )
                break
            if length >= _IN_TWO_BYTES:
                width = 2 if length == _IN_TWO_BYTES else 8
                mask += width
                if mask > size:
                    self._wanted_bytes = mask - start
                    break
                length = int.from_bytes(data[start + 2 : mask], "big")
            payload = mask + _MASK_BYTES
            end = payload + length
            if length > self._limit_bytes and self._refuses(length):
                if length > HOPELESS_BYTES:
                    self._fail(TOO_LONG, found)
                    break
                if payload > size:
                    self._wanted_bytes = payload - start
                    break
                self.frames += 1
                self._begin_skip(head, end - size, found)
                start = min(end, size)
                continue
            if end > size:
                self._wanted_bytes = end - start
                break
            self.frames += 1
            piece = apply_mask(data[payload:end], data[mask:payload])
            start = end
            if kind is not None:
                found.append(Received(kind, piece))
            elif head & _CONTROL:
                self._take_control(head & _OPCODE, piece, found)
            else:
                self._take_fragment(head, piece, found)
            if self._is_broken:
                break
        return data[start:] if start else data

    # ---- what is not one whole message ------------------------------------------------------

    def _is_legal(self, head: int, length: int) -> bool:
        """Tell whether a frame may begin so, here (sections 5.2, 5.4 and 5.5)."""
        opcode = head & _OPCODE
        if head & _RESERVED:
            return False
        if opcode & _CONTROL:
            is_known = opcode in {CLOSE, PING, _PONG}
            return is_known and bool(head & _FIN) and length <= _MOST_IN_CONTROL
        return opcode in _DATA and (opcode == 0) == (self._message is not None)

    def _take_control(self, opcode: int, data: bytes, found: list[Received]) -> None:
        if opcode == PING:
            found.append(Received(PING, data))
        elif opcode == CLOSE:
            if self._message is not None:
                self._fail(b"closed within a message", found)
            else:
                found.append(Received(CLOSE, data))
                self.drop()

    def _take_fragment(self, head: int, data: bytes, found: list[Received]) -> None:
        message = self._begun(head)
        if message.is_taken:
            message.size_bytes += len(data)
            is_last = bool(head & _FIN)
            if len(data) < self._small_bytes and not is_last:
                message.small += 1
            if message.small > self._small_most:
                self._give_up(message, TOO_MANY_FRAGMENTS, found)
            elif message.size_bytes > self._limit_bytes and self._refuses(message.size_bytes):
                self._give_up(message, TOO_LONG, found)
            elif data:
                message.pieces.append(data)
                message.joined = compact(message.pieces, message.joined)
        if head & _FIN:
            self._message = None
            if message.is_taken:
                found.append(Received(message.kind, b"".join(message.pieces)))

    def _begun(self, head: int) -> _Message:
        """Return the message that a data frame belongs to."""
        if self._message is None:
            self._message = _Message(_DATA[head & _OPCODE] or TEXT)
        return self._message

    def _refuses(self, size_bytes: int) -> bool:
        return self._long_limit is None or size_bytes > self._long_limit()

    def _give_up(self, message: _Message, why: bytes, found: list[Received]) -> None:
        message.is_taken = False
        message.pieces.clear()
        message.size_bytes = 0
        found.append(Received(NOT_TAKEN, why))

    # ---- reading past -----------------------------------------------------------------------

    def _begin_skip(self, head: int, left_bytes: int, found: list[Received]) -> None:
        """Read past a frame that is too long; its message goes with it."""
        message = self._begun(head)
        if message.is_taken:
            self._give_up(message, TOO_LONG, found)
        self._skipped = head
        self.skip_bytes = max(0, left_bytes)
        if not self.skip_bytes:
            self._end_skip()

    def _skip(self, data: bytes, found: list[Received]) -> bytes:
        del found
        passed = min(self.skip_bytes, len(data))
        self.skip_bytes -= passed
        if not self.skip_bytes:
            self._end_skip()
        return data[passed:]

    def _end_skip(self) -> None:
        if self._skipped is not None and self._skipped & _FIN:
            self._message = None
        self._skipped = None

    def _fail(self, why: bytes, found: list[Received]) -> None:
        found.append(Received(FAILED, why))
        self.drop()
