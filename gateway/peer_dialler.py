"""Dialling other instances: where they are, the handshake, and the wire that comes of it.

It owns the client's end of `/ws/peer`. It must not decide when to dial or what to send: the link
that asked does, and hears of every end.
"""

import asyncio
import logging
import ssl
from collections.abc import Callable
from typing import Protocol, cast

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.uri import WebSocketURI, parse_uri

from actors.peer_messages import LinkAcknowledged, LinkFailed, LinkOpened
from actors.ports import Mailbox
from actors.runtime import tell
from protocol.ids import InstanceId
from protocol.peer import (
    CALLEE_HEADER,
    CALLER_HEADER,
    LINK_HEADER,
    VERSION_HEADER,
    AckFrame,
    Hello,
    PeerProtocolError,
    WelcomeFrame,
    unpack,
)
from storage.instances import InstanceRecord
from storage.store import StorageUnavailable

_MOST_JOINED_BYTES = 1 << 20
_LONGEST_ANSWER_BYTES = 1024
_wire_log = logging.getLogger("gateway.peer")
_wire_log.setLevel(logging.WARNING)  # at DEBUG the library would log the secret


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


class CallFailedError(Exception):
    """The other end does not let us in."""


class PeerWire(asyncio.Protocol):
    """One connection to another instance. Implements `LinkWire`.

    Tells the link `LinkOpened` once it was welcomed, then what is acknowledged, then once that it
    is over. A wire that was never welcomed tells nothing: who called it does.
    """

    def __init__(self, hello: Hello, link: Mailbox) -> None:
        self._hello = hello
        self._link = link
        self._loop = asyncio.get_running_loop()
        self._welcome: asyncio.Future[None] = self._loop.create_future()
        self._transport: asyncio.Transport | None = None
        self._ws: ClientProtocol | None = None
        self._unflushed_bytes = 0
        self.is_open = False
        """The other end has welcomed us, and the link knows."""

    def __repr__(self) -> str:
        return f"<PeerWire to {self._hello.callee} {'open' if self.is_open else 'closed'}>"

    async def connect(self, url: str, secret: str) -> None:
        """Return once the other instance has answered; the link is told by then.

        Raises:
            CallFailedError: It refuses us.
            OSError: It cannot be reached.
            ValueError: This is no URL.
        """
        uri = _uri(url)
        self._ws = ClientProtocol(uri, max_size=_LONGEST_ANSWER_BYTES, logger=_wire_log)
        tls = ssl.create_default_context() if uri.secure else None
        await self._loop.create_connection(lambda: self, uri.host, uri.port, ssl=tls)
        request = self._ws.connect()
        request.headers["Authorization"] = f"Bearer {secret}"
        request.headers[CALLER_HEADER] = self._hello.caller
        request.headers[CALLEE_HEADER] = self._hello.callee
        request.headers[LINK_HEADER] = self._hello.link
        request.headers[VERSION_HEADER] = str(self._hello.version)
        self._ws.send_request(request)
        self._flush()
        await self._welcome

    def send(self, frame: bytes) -> None:
        """Write a frame; what is sent in one turn of the loop leaves in one piece."""
        if not self.is_open or self._ws is None:
            return  # the link hears of the end, and sends it again
        self._ws.send_binary(frame)
        if not self._unflushed_bytes:
            self._loop.call_soon(self._flush)
        self._unflushed_bytes += len(frame)
        if self._unflushed_bytes > _MOST_JOINED_BYTES:
            self._flush()

    def close(self) -> None:
        """End the connection after what was sent, and tell nobody."""
        self._flush()
        self.is_open = False
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """End the connection without a word, and tell nobody."""
        self.is_open = False
        if not self._welcome.done():
            self._welcome.cancel()
        if self._transport is not None:
            self._transport.abort()

    # ---- what the loop calls ----------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Take bytes of the other end: its answer, its welcome, how far it has come."""
        if self._ws is None:
            return
        self._ws.receive_data(data)
        for event in self._ws.events_received():
            if isinstance(event, Frame):
                self._take_frame(event)
        self._flush()
        error = self._ws.handshake_exc
        if error is not None:
            self._fail(_refusal(error))
        elif self._ws.close_expected():
            self._fail(f"closed: {self._ws.close_rcvd}")

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._fail(f"the connection is lost: {exc or 'closed'}")

    # ---- inside -----------------------------------------------------------------------------

    def _take_frame(self, frame: Frame) -> None:
        if frame.opcode is not Opcode.BINARY:
            return
        try:
            said = unpack(bytes(frame.data))
        except PeerProtocolError as error:
            self._fail(str(error))
            return
        if isinstance(said, WelcomeFrame) and not self._welcome.done():
            self.is_open = True
            self._welcome.set_result(None)
            tell(self._link, LinkOpened(self, self._hello.link, said.received))
        elif isinstance(said, AckFrame) and self.is_open:
            tell(self._link, LinkAcknowledged(self, said.seq))

    def _fail(self, reason: str) -> None:
        """The connection is of no use any more."""
        was_open, self.is_open = self.is_open, False
        if not self._welcome.done():
            self._welcome.set_exception(CallFailedError(reason))
        if self._transport is not None:
            self._transport.abort()
        if was_open:
            tell(self._link, LinkFailed(self, reason))

    def _flush(self) -> None:
        self._unflushed_bytes = 0
        transport, ws = self._transport, self._ws
        if transport is None or ws is None or transport.is_closing():
            return
        writes = [data for data in ws.data_to_send() if data]
        if len(writes) == 1:
            transport.write(writes[0])
        elif writes:
            transport.writelines(writes)


def _uri(url: str) -> WebSocketURI:
    try:
        return parse_uri(url)
    except Exception as error:  # the library raises several kinds
        message = f"{url!r} is no address of an instance"
        raise ValueError(message) from error


def _refusal(error: Exception) -> str:
    if isinstance(error, InvalidStatus):
        body = bytes(error.response.body or b"")[:200].decode(errors="replace")
        return f"refused with status {error.response.status_code}: {body}"
    return f"no handshake: {error}"
