"""How a client gets a session: for the first time, or back after its line was cut.

It opens sockets and asks on them. Must not: decide when to try again, or what to say afterwards.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidURI

from peers.client.options import ClientOptions
from peers.connection import CONNECT_ERRORS, open_connection, reason
from peers.socket_url import SESSION_PATH, UrlError, shown_url, socket_url
from protocol.audio.framing import AudioFormat, DeclaredFormat
from protocol.codec import encode
from protocol.messages.session_inbound import SessionInit
from protocol.messages.session_outbound import ErrorMessage, SessionInitAck, SessionOutbound
from protocol.messages.shared import Pipeline

VERSION = "reference-client-1.0"
PLATFORM = "reference"
_SUBTITLES = Pipeline(use_asr=True, use_nmt=True, use_tts=False)


class CannotConnectError(Exception):
    """There is no session; the text says why, in one line."""


class SessionRefusedError(CannotConnectError):
    """The server has answered, and the answer is no: asking again does not help."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A socket that speaks for a session."""

    socket: ClientConnection
    ack: SessionInitAck


class SessionConnector:
    """Asks for one session, in the words of its options."""

    def __init__(
        self,
        options: ClientOptions,
        audio_format: AudioFormat,
        heard: Callable[[str | bytes], SessionOutbound | None],
    ) -> None:
        self._options = options
        self._heard = heard
        self._wish = SessionInit(
            client_version=VERSION,
            platform=PLATFORM,
            src_lang=options.src_lang,
            tgt_lang=options.tgt_lang,
            tgt_langs=options.tgt_langs or None,
            pipeline=_SUBTITLES if options.subtitles else None,
            hints=options.hints or None,
            voice=options.voice,
            enable_streaming_asr=options.partials or None,
            audio_format=None if audio_format is None else DeclaredFormat(audio_format.value),
            use_binary_frame=options.binary_frames or None,
            resume=options.resume or None,
        )

    async def open(self) -> Opened:
        """Return a session that begins.

        Raises:
            CannotConnectError: nobody there, refused, or no answer in time.
        """
        return await self._ask(self._wish)

    async def reopen(self, ack: SessionInitAck, last_delivery_seq: int) -> Opened:
        """Return a session that goes on; `ack` is the latest acknowledgement of it.

        Raises:
            SessionRefusedError: it is over, or somebody else's.
            CannotConnectError: nobody there, or no answer in time.
        """
        return await self._ask(
            self._wish.model_copy(
                update={
                    "session_id": ack.session_id,
                    "resume_token": ack.resume_token,
                    "last_delivery_seq": last_delivery_seq,
                }
            )
        )

    async def _ask(self, wish: SessionInit) -> Opened:
        try:
            url = socket_url(self._options.url, SESSION_PATH)
            socket = await open_connection(url, self._options.token)
        except (UrlError, InvalidURI) as error:
            raise CannotConnectError(str(error)) from None
        except CONNECT_ERRORS as error:
            raise CannotConnectError(f"{shown_url(url)}: {reason(error)}") from None
        try:
            return Opened(socket, await self._acknowledged(socket, wish))
        except BaseException:
            await socket.close()
            raise

    async def _acknowledged(self, socket: ClientConnection, wish: SessionInit) -> SessionInitAck:
        try:
            async with asyncio.timeout(self._options.ack_timeout_ms / 1000):
                await socket.send(encode(wish))
                while True:
                    message = self._heard(await socket.recv())
                    if isinstance(message, SessionInitAck):
                        return message
                    if isinstance(message, ErrorMessage):
                        raise SessionRefusedError(f"refused: {message.code}: {message.message}")
        except (TimeoutError, ConnectionClosed) as error:
            raise CannotConnectError(
                f"{shown_url(self._options.url)}: no session: {reason(error)}"
            ) from None
