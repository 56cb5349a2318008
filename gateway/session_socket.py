"""One socket on `/ws/session`: from a client's messages to those for its session's actor.

It owns which session this socket speaks for and how fast it is read. It must not decide anything
about speech or jobs, and it keeps no audio.

The rules, as a table of state and message:

- Without a session only `session_init` does something. A socket that never sent one may also
  name a detached session in `utterance` or `client_heartbeat` and gets it.
- With a session every message counts that names this session. A further `session_init` opens
  another one at once and closes the former.
- A `session_init` that resumes a session takes it from the socket that had it, which is closed. One
  that is refused changes nothing.
- A `session_init` may have to wait for the store, when the session lives on another instance: until
  that answers nothing else is taken.
- A session that is named may live on another instance, too: then the socket is not read until that
  one has let it in, and from there on everything passes through to it (`gateway.passthrough`).
- What names another session is refused and changes nothing. What cannot be read is refused too;
  too much of that in a row closes the socket, not the session.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar, TypeAlias

from loguru import logger
from pydantic import ValidationError

from actors.admission import JoinAttempts
from actors.messages.room import RoomRequested, SignalArrived
from actors.messages.session import (
    ChunkArrived,
    CloseRequested,
    SocketLost,
    UtteranceArrived,
)
from actors.messages.takeover import ResumeAnswered
from actors.ports import Mailbox
from actors.reception import OpenedSession, Pending, Refused
from actors.runtime.actor import tell
from actors.session.profile.profile import GATEWAY_PLATFORM
from gateway.audio_pace import AudioPace
from gateway.closing_sessions import ClosingSessions
from gateway.edge.outbox import SocketOutbox
from gateway.edge.read_pacer import Reader
from gateway.edge.upgrade import Connection
from gateway.edge.work import LOOKUP_COST
from gateway.message_guard import SESSION, MessageGuard
from gateway.passthrough.attaching import Attaching
from gateway.passthrough.passthrough import Passthrough
from gateway.ports import Caller
from gateway.refusals import Refusals
from gateway.session_messages import SMALL, SmallMessage, told_of
from gateway.socket_context import SocketContext
from protocol.codec import parse_session_message
from protocol.errors import CloseCode, ErrorCode, ProtocolError
from protocol.frames import AudioFrame, FinalFrame, parse_frame
from protocol.ids import SessionId, session_ref
from protocol.messages.rooms import (
    RoomCreate,
    RoomJoin,
    RoomLeave,
    RoomRawVoicePreference,
    RoomRequest,
)
from protocol.messages.session_inbound import (
    AudioChunk,
    ClientHeartbeat,
    SessionClose,
    SessionInit,
    Utterance,
)
from protocol.messages.webrtc import WebrtcAnswer, WebrtcIce, WebrtcOffer, WebrtcSignal
from protocol.structure import FLAT_BYTES

_Handler: TypeAlias = Callable[[Any, Any], None]
"""What a socket does with a message of one type."""


class SessionSocket:
    """Implements `SocketHandler`. Life: that of the connection; sessions come and go."""

    __slots__ = (
        "_asked",
        "_attachable",
        "_attaching",
        "_attempts",
        "_caller",
        "_closing",
        "_connection",
        "_context",
        "_first_timer",
        "_former",
        "_guard",
        "_heard",
        "_outbox",
        "_pace",
        "_passthrough",
        "_reader",
        "_ref",
        "_refusals",
        "_session_id",
        "_table",
    )

    def __init__(self, connection: Connection, context: SocketContext, caller: Caller) -> None:
        self._connection = connection
        self._context = context
        self._caller = caller
        most, owner = context.options.max_outbox_bytes, caller.owner(connection.address)
        self._outbox = SocketOutbox(connection, most, owner)
        self._reader = Reader(connection, context.loop)
        self._pace = AudioPace(context.loop, self._outbox, self._reader)
        self._ref: Mailbox | None = None
        self._asked: SessionInit | None = None  # a resume that waits for the store
        self._former: tuple[Mailbox, SessionId] | None = None  # what it has until that is answered
        self._closing = ClosingSessions(self._reader, context)
        self._session_id: SessionId | None = None
        self._table = self._WITHOUT_SESSION
        self._attachable = True
        self._attempts = JoinAttempts(context.rooms.room_joins_per_minute)
        self._guard = MessageGuard(connection, context, parse_session_message, SESSION)
        self._refusals = Refusals(self._outbox, self._guard, context.metrics)
        self._heard = b""  # the text message that is being handled
        self._attaching: Attaching | None = None
        self._passthrough: Passthrough | None = None
        connection.is_pinged = connection.heard = False  # until it is known to be no gateway
        wait_s = context.options.first_message_ms / 1000
        self._first_timer = context.loop.call_later(wait_s, self._on_nothing_said)

    def __repr__(self) -> str:
        return f"<SessionSocket {self._session_id} {self._reader!r} {self._outbox!r}>"

    # ---- what the connection calls ----------------------------------------------------------

    def text_received(self, data: bytes) -> None:
        """Take a JSON message."""
        if self._passthrough is not None:
            self._passthrough.text(data)
            return
        guard = self._guard
        if len(data) <= FLAT_BYTES and data.find(b"{", 1) < 0 and b"[" not in data:
            try:  # nearly all are such: what `MessageGuard.read` does of them, without its call
                message = guard.validate(data)
                guard.bad_in_a_row = 0
            except ValidationError as error:
                message = guard.not_valid(data, error)
        else:
            message = guard.read(data)
        if message is not None:
            self._heard = data
            self._table[type(message)](self, message)
            self._heard = b""

    def binary_received(self, data: bytes) -> None:
        """Take a binary frame: audio without JSON."""
        if self._passthrough is not None:
            self._passthrough.binary(data)
            return
        if not data:
            self._guard.keepalive()
            return
        try:
            frame = parse_frame(data)
        except ProtocolError as error:
            self._on_bad(error)
            return
        self._guard.passed()
        if isinstance(frame, AudioFrame | FinalFrame):
            self._on_frame(frame)

    def longest_message(self) -> int:
        """Return how long a message may be."""
        return self._context.options.session_max_message_bytes

    def message_not_taken(self, why: str) -> None:
        """Refuse a message that was read past."""
        self._context.metrics.limit_reached("session_max_message_bytes")
        self._on_bad(ProtocolError(ErrorCode.INVALID_MESSAGE, why))

    def connection_lost(self) -> None:
        """Detach the session."""
        self._first_timer.cancel()
        if self._attaching is not None:
            self._attaching.cancel()
        self._reader.close()
        self._asked = None
        for session in (self._ref, self._former and self._former[0]):
            if session is not None:
                tell(session, SocketLost(self._outbox))
        self._former = None
        self._closing.socket_lost(self._outbox)
        self._leave()

    def _on_nothing_said(self) -> None:
        """A socket that says nothing at all is of no use to anybody."""
        if not self._connection.heard and self._attachable and self._session_id is None:
            self._outbox.close(CloseCode.POLICY_VIOLATION, "nothing came")

    # ---- beginning and end of a session -----------------------------------------------------

    def _on_init(self, message: SessionInit) -> None:
        self._closing.make_room(self._ref, partial(self._open, message))

    def _open(self, message: SessionInit) -> None:
        self._attachable, self._refusals.has_begun = False, True
        self._outbox.expect_first()
        opened = self._context.reception.open_session(
            message, self._outbox, self._caller.tenant_id, self
        )
        if isinstance(opened, Pending):
            self._asked = message
            if self._ref is not None and self._session_id is not None:
                self._former = self._ref, self._session_id
            self._ref, self._session_id, self._table = None, None, self._ASKING
        elif isinstance(opened, Refused):
            self._outbox.expect_none()
            self._refusals.session_refused(opened)
        else:
            self._on_opened(message, opened, self._ref)

    def tell(self, answer: ResumeAnswered) -> None:
        """Hear whether the session that was asked for could be had."""
        asked, self._asked = self._asked, None
        former, self._former = self._former, None
        if asked is None:  # the socket is gone
            if answer.session is not None:
                tell(answer.session, SocketLost(self._outbox))
        elif answer.session is None:
            self._ref, self._session_id = former or (None, None)
            self._table = self._WITH_SESSION if former else self._WITHOUT_SESSION
            self._outbox.expect_none()
            self._refusals.session_refused(Refused(answer.code, answer.message, answer.close_code))
        else:
            session_id, is_binary = answer.session_id, answer.use_binary_frame
            opened = OpenedSession(session_id, answer.session, is_binary, is_resumed=True)
            self._on_opened(asked, opened, None if former is None else former[0])

    def _on_opened(
        self, message: SessionInit, opened: OpenedSession, former: Mailbox | None
    ) -> None:
        self._enter(opened)
        self._connection.is_pinged = message.platform != GATEWAY_PLATFORM
        sent = message.audio_format.as_sent if message.audio_format else None
        meter = self._context.meter(sent, message.sample_rate, is_replayed=opened.is_resumed)
        self._pace.begin(meter, hears_pauses=message.resume is True)
        if former is not None and former is not opened.ref:
            tell(former, CloseRequested("another session_init", acknowledge=False))
            self._closing.add(former, was_asked=False)

    def _on_close(self, message: SessionClose) -> None:
        if self._names_own(message.session_id):
            self._tell(CloseRequested(message.reason, acknowledge=True))
            self._closing.add(self._ref, was_asked=True)
            self._leave()

    def _attach(self, message: Utterance | ClientHeartbeat) -> None:
        """Speak for the detached session that the message names, then take the message."""
        if not self._attachable:
            self._on_homeless(message)
            return
        self._seek(message.session_id, self._heard)

    def _seek(self, session_id: SessionId, first: bytes) -> None:
        attaching = Attaching(self, self._outbox, self._connection, self._caller)
        self._connection.charge(LOOKUP_COST)
        if attaching.ask(session_id, first, self._context):
            self._attaching = attaching
            self._reader.hold()

    def attached(self, opened: OpenedSession, first: bytes) -> None:
        """Speak for a session, beginning with the message that named it."""
        self._attaching = None
        self._enter(opened)
        self._pace.begin(self._context.meter(None, None))
        if first:
            self.text_received(first)
        self._reader.let_go()

    def passed_through(self, passthrough: Passthrough) -> None:
        """Pass everything on from now on; it decides when this socket is read."""
        self._passthrough = passthrough

    def not_attached(self, refused: Refused) -> None:
        """Stay without a session."""
        self._attaching = None
        self._refusals.session_refused(refused)
        self._reader.let_go()

    def _enter(self, opened: OpenedSession) -> None:
        self._ref = opened.ref
        self._session_id = opened.session_id
        self._refusals.has_begun = True
        self._reader.watch(opened.ref)
        self._table = self._WITH_SESSION
        logger.debug("session socket opened", session_ref=session_ref(opened.session_id))

    def _leave(self) -> None:
        self._ref = None
        self._session_id = None
        self._table = self._WITHOUT_SESSION

    # ---- messages to the session -----------------------------------------------------------

    def _on_chunk(self, message: AudioChunk) -> None:
        if message.session_id == self._session_id or self._names_own(message.session_id):
            at_ms = message.client_timestamp_ms
            self._take_chunk(message.payload, message.seq, message.is_final, at_ms)

    def _on_frame(self, frame: AudioFrame | FinalFrame) -> None:
        if self._names_own(frame.session_id):
            audio = frame.audio if isinstance(frame, AudioFrame) else b""
            is_final = isinstance(frame, FinalFrame) or frame.is_final
            self._take_chunk(audio, frame.seq, is_final, None)

    def _take_chunk(self, audio: bytes, seq: int, is_final: bool, at_ms: int | None) -> None:  # noqa: FBT001 - as it stands in the message
        ticks = None
        if audio:
            try:
                ticks = self._pace.chunk_ticks(audio)  # once: for its session, too
            except ProtocolError as error:
                self._on_bad(error)
                return
        self._tell(ChunkArrived(audio, seq, is_final, at_ms, ticks))
        if audio:
            self._pace.count(audio, ticks)

    def _on_utterance(self, message: Utterance) -> None:
        if not self._names_own(message.session_id):
            return
        try:
            ticks = self._pace.utterance_ticks(message)
        except ProtocolError as error:
            self._on_bad(error)
            return
        self._tell(UtteranceArrived(message))
        self._pace.count(message.audio, ticks)

    def _on_small(self, message: SmallMessage) -> None:
        if self._names_own(message.session_id):
            self._tell(told_of(message))

    def _on_room(self, message: RoomRequest) -> None:
        self._tell(RoomRequested(message, self._attempts))

    def _on_signal(self, message: WebrtcSignal) -> None:
        self._tell(SignalArrived(message))

    def _names_own(self, session_id: SessionId) -> bool:
        if session_id == self._session_id:
            return True
        if self._session_id is None:
            self._on_homeless(session_id)
        else:
            self._refusals.not_own(self._session_id)
        return False

    def _tell(self, message: Any) -> None:
        if self._ref is not None and tell(self._ref, message):
            inbox = self._reader.inbox
            if inbox is not None and len(inbox.queue) >= inbox.limit:
                self._reader.wait_for_space()
        elif self._ref is not None:
            self._leave()
            self._refusals.no_session("the session has ended: send session_init")

    # ---- refusals ---------------------------------------------------------------------------

    def _on_homeless(self, _named: Any) -> None:
        self._refusals.no_session("no session on this socket: send session_init first")

    def _on_asking(self, _message: Any) -> None:
        self._refusals.no_session("the session to resume is being fetched: wait")

    def _on_bad(self, error: ProtocolError) -> None:
        self._refusals.bad_message(error)

    _ROOM_MESSAGES: ClassVar[dict[type, _Handler]] = {
        **dict.fromkeys((RoomCreate, RoomJoin, RoomLeave, RoomRawVoicePreference), _on_room),
        **dict.fromkeys((WebrtcOffer, WebrtcAnswer, WebrtcIce), _on_signal),
    }
    _WITHOUT_SESSION: ClassVar[dict[type, _Handler]] = {
        SessionInit: _on_init,
        **dict.fromkeys((AudioChunk, SessionClose, *SMALL), _on_homeless),
        **dict.fromkeys((Utterance, ClientHeartbeat), _attach),
        **dict.fromkeys(_ROOM_MESSAGES, _on_homeless),
        ProtocolError: _on_bad,
    }
    _ASKING: ClassVar[dict[type, _Handler]] = dict.fromkeys(_WITHOUT_SESSION, _on_asking)
    _ASKING[ProtocolError] = _on_bad
    _WITH_SESSION: ClassVar[dict[type, _Handler]] = {
        SessionInit: _on_init,
        AudioChunk: _on_chunk,
        Utterance: _on_utterance,
        **dict.fromkeys(SMALL, _on_small),
        SessionClose: _on_close,
        **_ROOM_MESSAGES,
        ProtocolError: _on_bad,
    }
