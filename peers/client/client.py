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
from websockets.exceptions import ConnectionClosed

from peers.client.connector import CannotConnectError, Opened, SessionConnector, SessionRefusedError
from peers.client.microphone import SilenceCutter
from peers.client.options import ClientOptions
from peers.client.sent_audio import Piece, SentAudio
from peers.client.speech import ChunkEncoder, best_format
from peers.client.timeline import Timeline
from peers.connection import reason
from protocol.codec import encode, parse_session_reply
from protocol.errors import CloseCode, ProtocolError
from protocol.frames import AudioFrame, FinalFrame, encode_frame
from protocol.messages.session_inbound import AudioChunk, ClientHeartbeat, SessionClose
from protocol.messages.session_outbound import (
    AudioAck,
    Backpressure,
    MissingResult,
    Reconnect,
    SessionCloseAck,
    SessionInitAck,
    SessionOutbound,
    TranslationResult,
)
from protocol.wire import WireMessage

__all__ = ["CannotConnectError", "ClientEvent", "SessionLostError", "SpeechClient"]

_FINAL_CLOSES = {
    CloseCode.NORMAL,
    CloseCode.POLICY_VIOLATION,
    CloseCode.TRY_AGAIN_LATER,
    CloseCode.SESSION_TAKEN_OVER,
}
"""Close codes after which nobody should come back."""


class SessionLostError(Exception):
    """The session is over in the middle."""


@dataclass(frozen=True, slots=True)
class ClientEvent:
    """One message of the server, and when it came."""

    at_ms: float
    """Monotonic, the clock of `SpeechClient.now_ms`."""
    message: SessionOutbound


class SpeechClient:
    """One session, open while its context is, also over several sockets.

    Invariants: audio goes out in the order it is given, `seq` counts from 0; everything the server
    says is in `history`, in its order and once, and in `timeline`.

    When the line is cut and the server agreed to `resume`, the client comes back: what is said
    meanwhile waits, and what the server does not have goes out again.
    """

    def __init__(
        self, options: ClientOptions, on_event: Callable[[ClientEvent], None] | None = None
    ) -> None:
        self._options = options
        self._on_event = on_event
        self.audio_format = options.audio_format or best_format()
        self.timeline = Timeline(len(options.tgt_langs) or 1)
        self.history: list[ClientEvent] = []
        self._connector = SessionConnector(options, self.audio_format, self._heard)
        self._socket: ClientConnection | None = None
        """None while the line is down."""
        self._ack: SessionInitAck | None = None
        self._audio = SentAudio()
        self._sending = asyncio.Lock()
        self._last_delivery_seq = 0
        self._is_ending = False
        self._news = asyncio.Condition()
        self._helpers: list[asyncio.Task[None]] = []
        self._paused_until = 0.0
        self._return_at = 0.0
        """When the server, which goes away, wants to see its clients again."""
        self._lost: str | None = None

    @staticmethod
    def now_ms() -> float:
        """Return the time on this client's clock."""
        return time.monotonic() * 1000

    @property
    def ack(self) -> SessionInitAck:
        """What the server said when the session began, or went on.

        Raises:
            SessionLostError: there is no session.
        """
        if self._ack is None:
            raise SessionLostError("there is no session")
        return self._ack

    async def __aenter__(self) -> Self:
        self._enter(await self._connector.open())
        self._helpers = [
            asyncio.create_task(self._live()),
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

    def _enter(self, opened: Opened) -> None:
        self._socket, self._ack = opened.socket, opened.ack
        self._audio.send_from(opened.ack.next_seq or 0)

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
        self._audio.add(payload, _clock_ms())
        await self._send_audio()
        self.timeline.audio_sent(self.now_ms(), label)

    async def send_final(self, label: str = "") -> None:
        """End the utterance."""
        self._audio.add(b"", _clock_ms(), is_final=True)
        await self._send_audio()
        self.timeline.final_sent(self.now_ms(), label)

    async def _send_audio(self) -> None:
        """Send what was said and not sent yet; while the line is down it waits."""
        async with self._sending:
            while (piece := self._audio.next()) is not None:
                if not await self._send(self._encoded(piece)):
                    return
                self._audio.sent(piece)
                if self.ack.resume_token is None:
                    self._audio.forget_before(piece.seq + 1)

    def _encoded(self, piece: Piece) -> bytes | WireMessage:
        session_id, seq = self.ack.session_id, piece.seq
        if not self.ack.use_binary_frame:
            return AudioChunk(
                session_id=session_id,
                seq=seq,
                is_final=piece.is_final,
                payload=piece.payload,
                client_timestamp_ms=piece.said_at_ms,
            )
        if piece.is_final:
            return encode_frame(FinalFrame(session_id, seq, piece.said_at_ms))
        return encode_frame(AudioFrame(session_id, seq, piece.said_at_ms, False, piece.payload))

    async def _wait_for_room(self) -> None:
        wait_ms = self._paused_until - self.now_ms()
        if wait_ms > 0:
            await asyncio.sleep(wait_ms / 1000)

    async def _send(self, message: WireMessage | bytes) -> bool:
        """Send on the present socket; False when the line is down, or was while this waited."""
        socket = self._socket
        if socket is not None:
            try:
                await socket.send(message if isinstance(message, bytes) else encode(message))
            except ConnectionClosed as error:
                if self.ack.resume_token is None:
                    raise SessionLostError(self._lost or reason(error)) from None
            else:
                return socket is self._socket
        if self._lost is not None or self._ack is None:
            raise SessionLostError(self._lost or "there is no session")
        return False

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
            self._is_ending = True
            await self._say_end()
            async with asyncio.timeout(self._options.close_timeout_ms / 1000):
                async for event in self.events():
                    if isinstance(event.message, SessionCloseAck):
                        return True
        except (SessionLostError, TimeoutError):
            pass
        return False

    async def _say_end(self) -> None:
        await self._send(SessionClose(session_id=self.ack.session_id, reason="done"))

    async def _live(self) -> None:
        """Hear the server on one socket after the other, until it is of no use to come back."""
        try:
            while (socket := self._socket) is not None:
                await self._read(socket)
                self._socket = None
                why = f"the server ended it: {socket.close_code} {socket.close_reason}".strip()
                if not self._may_resume(socket.close_code):
                    self._lost = why
                    return
                logger.info("the line is down: {}", why)
                await self._come_back(why)
        finally:
            self._lost = self._lost or "the client has left"
            await self._notify()

    def _may_resume(self, close_code: int | None) -> bool:
        return self.ack.resume_token is not None and close_code not in _FINAL_CLOSES

    async def _come_back(self, why: str) -> None:
        """Ask for the session until it is there, refused, or given up by the server."""
        options = self._options
        give_up_ms = self.now_ms() + options.resume_within_ms
        wait_ms: float = max(options.resume_first_ms, self._return_at - self.now_ms())
        while self.now_ms() + wait_ms < give_up_ms:
            await asyncio.sleep(wait_ms / 1000)
            wait_ms = min(2 * wait_ms, options.resume_longest_ms)
            try:
                self._enter(await self._connector.reopen(self.ack, self._last_delivery_seq))
            except SessionRefusedError as error:
                why = str(error)
                break
            except CannotConnectError as error:
                logger.info("not back yet: {}", error)
                continue
            self._helpers.append(asyncio.create_task(self._catch_up()))
            return
        self._lost = why

    async def _catch_up(self) -> None:
        """Send what the server does not have, while its answers are being read."""
        with contextlib.suppress(SessionLostError):
            await self._send_audio()
            if self._is_ending:
                await self._say_end()

    async def _read(self, socket: ClientConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for data in socket:
                if self._heard(data) is not None:
                    await self._notify()

    async def _notify(self) -> None:
        async with self._news:
            self._news.notify_all()

    def _heard(self, data: str | bytes) -> SessionOutbound | None:
        try:
            message = parse_session_reply(data)
        except ProtocolError as error:
            logger.warning("the server sent something else: {}", error.message)
            return None
        if self._was_heard(message):
            return None
        event = ClientEvent(self.now_ms(), message)
        self.history.append(event)
        self.timeline.observe(event.at_ms, message)
        if isinstance(message, Backpressure) and message.action == "PAUSE":
            self._paused_until = event.at_ms + (message.resume_after_ms or 0)
        elif isinstance(message, AudioAck):
            self._audio.forget_before(message.next_seq)
        elif isinstance(message, Reconnect):
            self._return_at = event.at_ms + message.after_ms
        if self._on_event is not None:
            self._on_event(event)
        return message

    def _was_heard(self, message: SessionOutbound) -> bool:
        """Tell whether an outcome came before, on another socket."""
        if not isinstance(message, TranslationResult | MissingResult):
            return False
        if message.delivery_seq is None:
            return False
        if message.delivery_seq <= self._last_delivery_seq:
            return True
        self._last_delivery_seq = message.delivery_seq
        return False

    async def _send_heartbeats(self) -> None:
        while True:
            await asyncio.sleep(self._options.heartbeat_ms / 1000)
            with contextlib.suppress(SessionLostError):
                await self._send(
                    ClientHeartbeat(
                        session_id=self.ack.session_id,
                        timestamp=_clock_ms(),
                        last_delivery_seq=self._last_delivery_seq or None,
                    )
                )


def _clock_ms() -> int:
    return int(time.time() * 1000)
