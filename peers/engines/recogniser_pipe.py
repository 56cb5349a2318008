"""What a recogniser's process and its parent say to each other, seen from the process.

Owns the pipes: lines of JSON, one utterance at a time.

    in   {"do": "recognise", "order": i, "bytes": n, "cmn": "40,3,..." | ""}
                                                           n bytes of PCM16 16 kHz mono follow
         {"do": "stream", "order": i, "cmn": ...}          an utterance that is still being spoken
         {"do": "audio", "order": i, "bytes": n}           n bytes of it follow
         {"do": "end", "order": i}                         that was all of it
         {"do": "cancel", "order": i}                      this order is given up
    out  {"is": "ready"}
         {"is": "partial", "text": "..."}
         {"is": "text", "text": "...", "cmn": "..."}       one of these two
         {"is": "cancelled"}                               ends each order

The process ends by itself when its input ends, also in the middle of an utterance: it never
outlives its parent. The other end is `recogniser.py`.
"""

import json
import os
import queue
import sys
import threading
from collections.abc import Callable
from typing import Any, BinaryIO, NamedTuple, Protocol


class Order(NamedTuple):
    """One utterance to recognise."""

    number: int
    """Counts up from 1."""
    pcm: bytes
    cmn: str
    """The means of the session so far; empty at its beginning."""


class StreamOrder:
    """One utterance that is still being spoken; what came of it waits here."""

    def __init__(self, number: int, cmn: str) -> None:
        self.number = number
        """Counts up from 1, together with those of `Order`."""
        self.cmn = cmn
        """The means of the session so far; empty at its beginning."""
        self._pieces: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._is_over = False

    def add(self, pcm: bytes) -> None:
        """Take a piece; an empty one is the end."""
        self._pieces.put(pcm)

    def next_piece(self, timeout_s: float | None = None) -> bytes | None:
        """Wait for audio and return all that is there; b"" at the end, None if nothing comes."""
        if self._is_over:
            return b""
        try:
            piece = self._pieces.get(timeout=timeout_s)
        except queue.Empty:
            return None
        taken = bytearray(piece)
        while piece and not self._pieces.empty():
            piece = self._pieces.get()
            taken += piece
        self._is_over = not piece
        return bytes(taken)  # b"" only at the end: what came before it is returned first


class Inbox:
    """Reads what the parent says, in a thread: a cancel has to be heard during the work."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._orders: queue.SimpleQueue[Order | StreamOrder] = queue.SimpleQueue()
        self._speaking: StreamOrder | None = None
        self._cancelled_up_to = 0

    def start(self) -> None:
        """Begin to read."""
        threading.Thread(target=self._read, daemon=True).start()

    def next_order(self) -> Order | StreamOrder:
        """Wait for the next utterance."""
        return self._orders.get()

    def is_cancelled(self, order: Order | StreamOrder) -> bool:
        """Say whether nobody wants this one any more."""
        return order.number <= self._cancelled_up_to

    def _read(self) -> None:
        while line := self._stream.readline():
            message = json.loads(line)
            pcm = self._stream.read(message.get("bytes", 0))
            if len(pcm) < message.get("bytes", 0):
                break
            self._take(message, pcm)
        os._exit(0)

    def _take(self, message: dict[str, Any], pcm: bytes) -> None:
        number = message["order"]
        match message["do"]:
            case "recognise":
                self._orders.put(Order(number, pcm, message["cmn"]))
            case "stream":
                self._speaking = StreamOrder(number, message["cmn"])
                self._orders.put(self._speaking)
            case "audio" if pcm:
                self._say(number, pcm)
            case "end":
                self._say(number, b"")
            case "cancel":
                self._cancelled_up_to = number
                self._say(number, b"")

    def _say(self, number: int, pcm: bytes) -> None:
        if self._speaking is not None and self._speaking.number == number:
            self._speaking.add(pcm)


class Recogniser(Protocol):
    """What turns speech into text."""

    def recognise(self, order: Order, inbox: Inbox) -> dict[str, str]:
        """Return the message that ends the order; partial texts are sent on the way."""
        ...

    def stream(self, order: StreamOrder, inbox: Inbox) -> dict[str, str]:
        """Do the same with an utterance that is still being spoken."""
        ...


def say(message: dict[str, Any]) -> None:
    """Write one line to the parent."""
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def serve(make: Callable[[], Recogniser]) -> None:
    """Recognise until the input ends; the model is loaded first."""
    inbox = Inbox(sys.stdin.buffer)
    inbox.start()
    recogniser = make()
    say({"is": "ready"})
    while True:
        order = inbox.next_order()
        if isinstance(order, Order):
            say(recogniser.recognise(order, inbox))
        else:
            say(recogniser.stream(order, inbox))
