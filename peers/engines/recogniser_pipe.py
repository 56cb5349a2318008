"""What a recogniser's process and its parent say to each other, seen from the process.

Owns the pipes: lines of JSON, one utterance at a time.

    in   {"do": "recognise", "order": i, "bytes": n, "cmn": "40,3,..." | ""}
                                                           n bytes of PCM16 16 kHz mono follow
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


class Inbox:
    """Reads what the parent says, in a thread: a cancel has to be heard during the work."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._orders: queue.SimpleQueue[Order] = queue.SimpleQueue()
        self._cancelled_up_to = 0

    def start(self) -> None:
        """Begin to read."""
        threading.Thread(target=self._read, daemon=True).start()

    def next_order(self) -> Order:
        """Wait for the next utterance."""
        return self._orders.get()

    def is_cancelled(self, order: Order) -> bool:
        """Say whether nobody wants this one any more."""
        return order.number <= self._cancelled_up_to

    def _read(self) -> None:
        while line := self._stream.readline():
            message = json.loads(line)
            if message["do"] == "cancel":
                self._cancelled_up_to = message["order"]
                continue
            pcm = self._stream.read(message["bytes"])
            if len(pcm) < message["bytes"]:
                break
            self._orders.put(Order(message["order"], pcm, message["cmn"]))
        os._exit(0)


class Recogniser(Protocol):
    """What turns speech into text."""

    def recognise(self, order: Order, inbox: Inbox) -> dict[str, str]:
        """Return the message that ends the order; partial texts are sent on the way."""
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
        say(recogniser.recognise(inbox.next_order(), inbox))
