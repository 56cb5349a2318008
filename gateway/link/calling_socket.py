"""The client's end of a WebSocket to another instance: handshake, frames, and one end.

It owns the transport and the protocol state. It must not know what frames mean or who waits for
them: those who inherit do.
"""

import asyncio
import logging
import ssl
from collections.abc import Mapping
from typing import cast

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidStatus
from websockets.frames import Frame
from websockets.uri import WebSocketURI, parse_uri

_MOST_JOINED_BYTES = 1 << 20
_wire_log = logging.getLogger("gateway.peer")
_wire_log.setLevel(logging.WARNING)  # at DEBUG the library would log the secret


class CallFailedError(Exception):
    """The other end does not let us in."""

    def __init__(self, reason: str, status: int | None = None) -> None:
        super().__init__(reason)
        self.status = status
        """What it answered with, if it answered."""


class CallingSocket(asyncio.Protocol):
    """One connection to another instance, that we made.

    Life: made, `_call`ed, open from `_opened` on, over at `_ended`, which comes once and only if it
    was open, unless we end it ourselves.
    """

    def __init__(self, max_message_bytes: int) -> None:
        self._max_message_bytes = max_message_bytes
        self._loop = asyncio.get_running_loop()
        self._answered: asyncio.Future[None] = self._loop.create_future()
        self._transport: asyncio.Transport | None = None
        self._ws: ClientProtocol | None = None
        self._unflushed_bytes = 0
        self.is_open = False
        """The other end has let us in."""

    # ---- what those who inherit write -------------------------------------------------------

    def _accepted(self) -> None:
        """Handle that the handshake is done; the socket is open once `_opened` was called."""

    def _take_frame(self, frame: Frame) -> None:
        """Take a frame that is no control frame."""
        raise NotImplementedError

    def _ended(self, reason: str) -> None:
        """Handle the end of an open socket."""
        raise NotImplementedError

    # ---- what they use ----------------------------------------------------------------------

    async def _call(self, url: str, headers: Mapping[str, str]) -> None:
        """Return once the socket is open.

        Raises:
            CallFailedError: It refuses us.
            OSError: It cannot be reached.
            ValueError: This is no URL.
        """
        uri = _uri(url)
        self._ws = ClientProtocol(uri, max_size=self._max_message_bytes, logger=_wire_log)
        tls = ssl.create_default_context() if uri.secure else None
        await self._loop.create_connection(lambda: self, uri.host, uri.port, ssl=tls)
        request = self._ws.connect()
        for name, value in headers.items():
            request.headers[name] = value
        self._ws.send_request(request)
        self._flush()
        await self._answered

    def _opened(self) -> None:
        self.is_open = True
        self._answered.set_result(None)

    @property
    def _is_answered(self) -> bool:
        return self._answered.done()

    def _flush_soon(self, added_bytes: int) -> None:
        """Write what was framed; what is sent in one turn of the loop leaves in one piece."""
        if not self._unflushed_bytes:
            self._loop.call_soon(self._flush)
        self._unflushed_bytes += added_bytes
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
        if not self._answered.done():
            self._answered.cancel()
        if self._transport is not None:
            self._transport.abort()

    # ---- what the loop calls ----------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self._transport = cast("asyncio.Transport", transport)
        if self._answered.done():  # nobody waits for it any more
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Take bytes of the other end: its answer, then its frames."""
        ws = self._ws
        if ws is None:
            return
        ws.receive_data(data)
        for event in ws.events_received():
            if isinstance(event, Frame):
                if not event.opcode.value & _CONTROL:
                    self._take_frame(event)
            elif ws.handshake_exc is None:
                self._accepted()
        self._flush()
        error = ws.handshake_exc
        if error is not None:
            self._fail(*_refusal(error))
        elif ws.close_expected():
            self._fail(f"closed: {ws.close_rcvd}")

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._fail(f"the connection is lost: {exc or 'closed'}")

    # ---- inside -----------------------------------------------------------------------------

    def _fail(self, reason: str, status: int | None = None) -> None:
        """The connection is of no use any more."""
        was_open, self.is_open = self.is_open, False
        if not self._answered.done():
            self._answered.set_exception(CallFailedError(reason, status))
        if self._transport is not None:
            self._transport.abort()
        if was_open:
            self._ended(reason)

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


_CONTROL = 0x8
"""The bit of an opcode that says that a frame is one of the protocol itself (RFC 6455 5.5)."""


def _uri(url: str) -> WebSocketURI:
    try:
        return parse_uri(url)
    except Exception as error:  # the library raises several kinds
        message = f"{url!r} is no address of an instance"
        raise ValueError(message) from error


def _refusal(error: Exception) -> tuple[str, int | None]:
    if not isinstance(error, InvalidStatus):
        return f"no handshake: {error}", None
    response = error.response
    body = bytes(response.body or b"")[:200].decode(errors="replace")
    return f"refused with status {response.status_code}: {body}", response.status_code
