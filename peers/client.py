"""A client: speech in, its translation out, over one session.

Owns the session on its socket: opening, sending in order, hearing, closing. Used by the command
line, the demo and tests:

    async with SpeechClient(ClientOptions(tgt_lang="es")) as client:
        await client.stream(recorded(pcm, 256))
        await client.wait_outcomes(30_000)
        for utterance in client.timeline.utterances: ...
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from loguru import logger
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidURI

from peers.client_options import ClientOptions
from peers.client_speech import ChunkEncoder, best_format
from peers.connection import CONNECT_ERRORS, open_connection, reason
from peers.microphone import SilenceCutter
from peers.timeline import Timeline
from protocol.codec import encode, parse_session_reply
from protocol.errors import ProtocolError
from protocol.frames import AudioFrame, FinalFrame, encode_frame
from protocol.session_inbound import AudioChunk, ClientHeartbeat, SessionClose, SessionInit
from protocol.session_outbound import (
    Backpressure,
    ErrorMessage,
    SessionCloseAck,
    SessionInitAck,
    SessionOutbound,
)
from protocol.wire import WireMessage

VERSION = "reference-client-1.0"
PLATFORM = "reference"


class CannotConnectError(Exception):
    """There is no session; the text says why, in one line."""


class SessionLostError(Exception):
    """The session's socket ended in the middle."""


@dataclass(frozen=True, slots=True)
class ClientEvent:
    """One message of the server, and when it came."""

    at_ms: float
    """Monotonic, the clock of `SpeechClient.now_ms`."""
    message: SessionOutbound


class SpeechClient:
    """One session, open while its context is.

    Invariants: audio goes out in the order it is given, `seq` counts from 0; everything the server
    says is in `history`, in its order, and in `timeline`.
    """

    def __init__(
        self, options: ClientOptions, on_event: Callable[[ClientEvent], None] | None = None
    ) -> None:
        self._options = options
        self._on_event = on_event
        self.audio_format = options.audio_format or best_format()
        self.timeline = Timeline()
        self.history: list[ClientEvent] = []
        self._socket: ClientConnection | None = None
        self._ack: SessionInitAck | None = None
        self._news = asyncio.Condition()
        self._helpers: list[asyncio.Task[None]] = []
        self._seq = 0
        self._paused_until = 0.0
        self._lost: str | None = None

    @staticmethod
    def now_ms() -> float:
        """Return the time on this client's clock."""
        return time.monotonic() * 1000

    @property
    def ack(self) -> SessionInitAck:
        """What the server said when the session began.

        Raises:
            SessionLostError: there is no session.
        """
        if self._ack is None:
            raise SessionLostError("there is no session")
        return self._ack

    async def __aenter__(self) -> Self:
        try:
            self._socket = await open_connection(self._options.url, self._options.token)
        except InvalidURI:
            raise CannotConnectError(f"{self._options.url} is no WebSocket address") from None
        except CONNECT_ERRORS as error:
            raise CannotConnectError(f"{self._options.url}: {reason(error)}") from None
        try:
            self._ack = await self._opened(self._socket)
        except BaseException:
            await self._socket.close()
            raise
        self._helpers = [
            asyncio.create_task(self._read(self._socket)),
            asyncio.create_task(self._send_heartbeats()),
        ]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for helper in self._helpers:
            helper.cancel()
        if self._socket is not None:
            await self._socket.close()
        if self._helpers:
            await asyncio.wait(self._helpers)

    async def _opened(self, socket: ClientConnection) -> SessionInitAck:
        """Ask for a session and return the answer.

        Raises:
            CannotConnectError: refused, or no answer in time.
        """
        wanted = SessionInit(
            client_version=VERSION,
            platform=PLATFORM,
            src_lang=self._options.src_lang,
            tgt_lang=self._options.tgt_lang,
            enable_streaming_asr=self._options.partials or None,
            audio_format=self.audio_format,
            use_binary_frame=self._options.binary_frames or None,
        )
        try:
            async with asyncio.timeout(self._options.ack_timeout_ms / 1000):
                await socket.send(encode(wanted))
                while True:
                    message = self._heard(await socket.recv())
                    if isinstance(message, SessionInitAck):
                        return message
                    if isinstance(message, ErrorMessage):
                        raise CannotConnectError(f"refused: {message.code}: {message.message}")
        except (TimeoutError, ConnectionClosed) as error:
            raise CannotConnectError(f"{self._options.url}: no session: {reason(error)}") from None

    # Speaking

    async def stream(self, source: AsyncIterator[bytes], label: str = "") -> None:
        """Send speech as it comes and end the utterance when the source ends.

        Raises:
            SessionLostError: the socket ended.
        """
        encoder = ChunkEncoder(self.audio_format)
        silence_ms = self._options.cut_silence_ms
        cutter = SilenceCutter(silence_ms) if silence_ms else None
        said = False
        async for pcm in source:
            await self.send_chunk(encoder.encode(pcm), label)
            said = True
            if cutter is not None and cutter.ends_with(pcm):
                await self.send_chunk(encoder.flush(), label)
                await self.send_final(label)
                said = False
        if said:
            await self.send_chunk(encoder.flush(), label)
            await self.send_final(label)

    async def send_chunk(self, payload: bytes, label: str = "") -> None:
        """Send a piece of audio that is already in the session's format; none if it is empty."""
        if not payload:
            return
        await self._wait_for_room()
        if self.ack.use_binary_frame:
            frame = AudioFrame(self.ack.session_id, self._seq, _clock_ms(), False, payload)
            await self._send(encode_frame(frame))
        else:
            await self._send(self._chunk(payload, is_final=False))
        self.timeline.audio_sent(self.now_ms(), label)
        self._seq += 1

    async def send_final(self, label: str = "") -> None:
        """End the utterance."""
        if self.ack.use_binary_frame:
            await self._send(encode_frame(FinalFrame(self.ack.session_id, self._seq, _clock_ms())))
        else:
            await self._send(self._chunk(b"", is_final=True))
        self.timeline.final_sent(self.now_ms(), label)
        self._seq += 1

    def _chunk(self, payload: bytes, *, is_final: bool) -> AudioChunk:
        return AudioChunk(
            session_id=self.ack.session_id,
            seq=self._seq,
            is_final=is_final,
            payload=payload,
            client_timestamp_ms=_clock_ms(),
        )

    async def _wait_for_room(self) -> None:
        wait_ms = self._paused_until - self.now_ms()
        if wait_ms > 0:
            await asyncio.sleep(wait_ms / 1000)

    async def _send(self, message: WireMessage | bytes) -> None:
        if self._socket is None or self._lost is not None:
            raise SessionLostError(self._lost or "there is no session")
        try:
            await self._socket.send(message if isinstance(message, bytes) else encode(message))
        except ConnectionClosed as error:
            raise SessionLostError(reason(error)) from None

    # Hearing

    async def events(self) -> AsyncIterator[ClientEvent]:
        """Yield everything the server says, from the session's beginning; ends with the socket."""
        position = 0
        while True:
            while position < len(self.history):
                yield self.history[position]
                position += 1
            if self._lost is not None:
                return
            async with self._news:
                if position == len(self.history) and self._lost is None:
                    await self._news.wait()

    async def wait_outcomes(self, timeout_ms: int) -> bool:
        """Wait until every utterance that is known of has its outcome; False if time is up.

        An utterance that was ended is waited for until it is heard of, but not longer than
        `unheard_ms`: silence makes no utterance.
        """
        deadline_ms = self.now_ms() + timeout_ms
        while self._lost is None and (wait_ms := self._outcomes_wait_ms(deadline_ms)) > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_ms / 1000), self._news:
                    await self._news.wait()
        return not self.timeline.open_utterances

    def _outcomes_wait_ms(self, deadline_ms: float) -> float:
        now_ms = self.now_ms()
        if self.timeline.open_utterances:
            return deadline_ms - now_ms
        since_ms = self.timeline.unheard_since_ms
        if since_ms is None:
            return 0.0
        return min(deadline_ms, since_ms + self._options.unheard_ms) - now_ms

    async def close(self) -> bool:
        """End the session: the server answers after the last outcome; False if it does not."""
        try:
            await self._send(SessionClose(session_id=self.ack.session_id, reason="done"))
            async with asyncio.timeout(self._options.close_timeout_ms / 1000):
                async for event in self.events():
                    if isinstance(event.message, SessionCloseAck):
                        return True
        except (SessionLostError, TimeoutError):
            pass
        return False

    async def _read(self, socket: ClientConnection) -> None:
        try:
            async for data in socket:
                if self._heard(data) is not None:
                    async with self._news:
                        self._news.notify_all()
        except ConnectionClosed:
            pass
        finally:
            self._lost = f"the server ended it: {socket.close_code} {socket.close_reason}".strip()
            async with self._news:
                self._news.notify_all()

    def _heard(self, data: str | bytes) -> SessionOutbound | None:
        try:
            message = parse_session_reply(data)
        except ProtocolError as error:
            logger.warning("the server sent something else: {}", error.message)
            return None
        event = ClientEvent(self.now_ms(), message)
        self.history.append(event)
        self.timeline.observe(event.at_ms, message)
        if isinstance(message, Backpressure) and message.action == "PAUSE":
            self._paused_until = event.at_ms + (message.resume_after_ms or 0)
        if self._on_event is not None:
            self._on_event(event)
        return message

    async def _send_heartbeats(self) -> None:
        while True:
            await asyncio.sleep(self._options.heartbeat_ms / 1000)
            with contextlib.suppress(SessionLostError):
                await self._send(
                    ClientHeartbeat(session_id=self.ack.session_id, timestamp=_clock_ms())
                )


def _clock_ms() -> int:
    return int(time.time() * 1000)
