"""Dialling other instances: where they are, the handshake, and the wire that comes of it.

It owns the client's end of `/ws/peer`. It must not decide when to dial or what to send: the link
that asked does, and hears of every end.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

from websockets.frames import Frame, Opcode

from actors.messages.link import LinkAcknowledged, LinkFailed, LinkOpened
from actors.ports import Mailbox
from actors.runtime.actor import tell
from gateway.link.calling_socket import CallFailedError, CallingSocket
from protocol.ids import InstanceId
from protocol.instances.link import (
    LINK_HEADER,
    AckFrame,
    Hello,
    PeerProtocolError,
    WelcomeFrame,
    calling_headers,
    unpack,
)
from storage.instances import InstanceRecord
from storage.store import StorageUnavailable

_LONGEST_ANSWER_BYTES = 1024


class InstanceBook(Protocol):
    """Where instances are."""

    async def find(self, instance_id: InstanceId) -> InstanceRecord | None:
        """Return an instance's record; None when the store does not know it."""


class PeerDialler:
    """Makes connections for links. Life: made, used, `close`d."""

    def __init__(
        self, book: InstanceBook, secret: Callable[[], str], timeout_s: float = 1.5
    ) -> None:
        self._book = book
        self._secret = secret
        self._timeout_s = timeout_s
        self._calls: set[asyncio.Task[None]] = set()

    def dial(self, hello: Hello, link: Mailbox) -> None:
        """Make a connection; tell the link `LinkOpened` or `LinkFailed`, later."""
        task = asyncio.get_running_loop().create_task(self._call(hello, link))
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)

    async def close(self) -> None:
        """Give up the calls under way."""
        for task in self._calls:
            task.cancel()
        await asyncio.gather(*self._calls, return_exceptions=True)

    async def _call(self, hello: Hello, link: Mailbox) -> None:
        try:
            record = await self._book.find(hello.callee)
        except StorageUnavailable as error:
            tell(link, LinkFailed(None, f"the store does not say where it is: {error}"))
            return
        if record is None or record.lease_left_ms <= 0:
            tell(link, LinkFailed(None, "it has no lease", is_gone=True))
            return
        wire = PeerWire(hello, link)
        try:
            async with asyncio.timeout(self._timeout_s):
                await wire.connect(record.about.get("peer_url", ""), self._secret())
        except (OSError, TimeoutError, ValueError, CallFailedError) as error:
            reason = str(error) or type(error).__name__
            opened = wire if wire.is_open else None  # it answered in the very last moment
            wire.abort()
            tell(link, LinkFailed(opened, reason, lease_left_ms=record.lease_left_ms))


class PeerWire(CallingSocket):
    """One connection to another instance. Implements `LinkWire`.

    Tells the link `LinkOpened` once it was welcomed, then what is acknowledged, then once that it
    is over. A wire that was never welcomed tells nothing: who called it does.
    """

    def __init__(self, hello: Hello, link: Mailbox) -> None:
        super().__init__(_LONGEST_ANSWER_BYTES)
        self._hello = hello
        self._link = link

    def __repr__(self) -> str:
        return f"<PeerWire to {self._hello.callee} {'open' if self.is_open else 'closed'}>"

    async def connect(self, url: str, secret: str) -> None:
        """Return once the other instance has answered; the link knows it by then.

        Raises:
            CallFailedError: It refuses us.
            OSError: It cannot be reached.
            ValueError: This is no URL.
        """
        hello = self._hello
        headers = calling_headers(secret, hello.caller, hello.callee, hello.version)
        await self._call(url, headers | {LINK_HEADER: hello.link})

    def send(self, frame: bytes) -> None:
        """Write a frame; what is sent in one turn of the loop leaves in one piece."""
        if not self.is_open or self._ws is None:
            return  # the link hears of the end, and sends it again
        self._ws.send_binary(frame)
        self._flush_soon(len(frame))

    def _take_frame(self, frame: Frame) -> None:
        if frame.opcode is not Opcode.BINARY:
            return
        try:
            message = unpack(bytes(frame.data))
        except PeerProtocolError as error:
            self._fail(str(error))
            return
        if isinstance(message, WelcomeFrame) and not self._is_answered:
            self._opened()
            tell(self._link, LinkOpened(self, self._hello.link, message.received))
        elif isinstance(message, AckFrame) and self.is_open:
            tell(self._link, LinkAcknowledged(self, message.seq))

    def _ended(self, reason: str) -> None:
        tell(self._link, LinkFailed(self, reason))
