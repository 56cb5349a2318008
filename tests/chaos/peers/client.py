"""A client of a chaos run: it says what its plan holds, whatever happens to its sockets.

It logs what it sends before it sends it, and what it hears when it hears it. A client that
resumes keeps what it sent until the server lets it go; one that does not begins a new session
after a loss, with the utterance that was cut off.
"""

import asyncio
import json
from typing import Any

from websockets.exceptions import ConnectionClosed, WebSocketException

from protocol.ids import SessionId, speaker_key
from tests.chaos.log import (
    CloseAcked,
    CloseAsked,
    Complaint,
    Disturbed,
    OutcomeHeard,
    ResumeRefused,
    SessionAbandoned,
    SessionOpened,
    SessionResumed,
    SpeechEnded,
    TurnedAway,
    Undisturbed,
)
from tests.chaos.peers.frames import Frame, FrameMaker
from tests.chaos.plan import Persona, SessionPlan, UtterancePlan
from tests.chaos.world import Message, Wire, World
from tests.support.peers.raw_client import session_init

OUTCOME_SECONDS = 30.0
"""For which a client waits for its last outcomes before it says good-bye all the same."""
CLOSE_SECONDS = 20.0
_ACK_SECONDS = 10.0
_SESSION_UTTERANCES = 25
"""After so many a client closes its session, and begins another if it has more to say."""
_HASTY_UTTERANCES = 8
"""After so many a hasty client closes, while it speaks."""
_LATER = ("NODE_OVERLOADED", "SCHEDULER_DEPENDENCY_DOWN")
"""What the server says to who may come back in a moment."""
_SLOWLY = 3.0
"""So much longer a client waits between utterances on a machine that does not keep up."""
_READ_PAUSE = (60, 2.0)
"""After so many messages a slow reader does not read for so many seconds."""


class Lost(Exception):  # noqa: N818 - what happened, not a mistake
    """The socket is gone."""


class ChaosClient:
    """One client. Life: `run`, until all is said and the last session was closed."""

    def __init__(self, plan: SessionPlan, world: World) -> None:
        self.plan = plan
        self.wire: Wire | None = None
        self.session = ""
        """The open session; empty when there is none."""
        self.known_as = ""
        """What nodes call it: events of clients and nodes shall name the same session."""
        self.resumes = 0
        self.losses = 0
        self._world = world
        self._is_resuming = plan.is_resuming
        self._said = 0
        """How many utterances of the plan were sent to their end in sessions that still count."""
        self._said_here = 0
        """How many of them in this session."""
        self._frames: dict[int, Frame] = {}
        self._made = 0
        """The seq of the next frame to make."""
        self._cursor = 0
        """The seq of the next frame to send."""
        self._sent = 0
        """The seq behind the last one ever sent."""
        self._maker = FrameMaker(plan, world.numbers)
        self._token = ""
        self._last_delivery_seq = 0
        self._waiting: set[int] = set()
        self._away_since: float | None = None
        self._away_seconds = 0.1
        self._close_asked = False
        self._close_acked = False
        self._refused = False
        self._is_connected = False
        self._news = asyncio.Event()
        self._reader: asyncio.Task[None] | None = None
        self._dropped: set[int] = set()
        """Utterances that have had the loss of socket that they were planned with."""

    def __repr__(self) -> str:
        done = f"{self._said}/{len(self.plan.utterances)}"
        return f"<ChaosClient {self.plan.name} {self.plan.persona} {done} {self.session}>"

    async def run(self) -> None:
        """Say everything."""
        await asyncio.sleep(self.plan.starts_at)
        while not self._is_done:
            try:
                self.wire = await Wire.open(
                    self._world.client_proxy,
                    "/ws/session",
                    queue=2 if self.plan.persona is Persona.SLOW_READER else 16,
                )
                self._reader = asyncio.create_task(self._listen(self.wire))
                try:
                    await self._live()
                finally:
                    await self._hang_up()
            except (Lost, OSError, WebSocketException, TimeoutError):
                self._lost()
                await asyncio.sleep(self._away_seconds)
                self._away_seconds = 0.2

    async def _live(self) -> None:
        """Have one session after the other on this socket."""
        while not self._is_done:
            await self._enter()
            await self._speak()
            await self._leave()

    @property
    def _is_done(self) -> bool:
        return not self.session and self._said >= len(self.plan.utterances)

    async def _hang_up(self) -> None:
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.gather(self._reader, return_exceptions=True)
        if self.wire is not None:
            await self.wire.close()
            self.wire = None

    def _lost(self) -> None:
        """Decide what the loss of the socket means."""
        self._is_connected = False
        if not self.session:
            return
        self.losses += 1
        if self._is_resuming and not self._close_asked:
            if self._away_since is None:
                self._away_since = self._world.now()
                self._world.log(Disturbed, subject=self.known_as)
            return
        self._world.log(SessionAbandoned, session=self.known_as)
        self._forget_session()

    def _forget_session(self) -> None:
        self.session = ""
        self._frames.clear()
        self._made = self._cursor = self._sent = self._last_delivery_seq = 0
        self._waiting.clear()
        self._away_since = None
        self._is_connected = self._close_asked = self._close_acked = False
        self._said_here = 0

    # ---- sessions ---------------------------------------------------------------------------

    async def _enter(self) -> None:
        """Resume what may be resumed, else begin a session."""
        if self.session:
            self._refused = False
            await self._say(
                self._init(
                    session_id=self.session,
                    resume_token=self._token,
                    last_delivery_seq=self._last_delivery_seq,
                )
            )
            await self._until(lambda: self._is_connected or self._refused, _ACK_SECONDS)
        if not self._is_connected:
            await self._say(self._init())
            await self._until(lambda: self._is_connected, _ACK_SECONDS)

    def _init(self, **fields: Any) -> Message:
        if self._is_resuming:
            fields["resume"] = True
        audio = {"audio_format": self.plan.audio_format, "sample_rate": 16_000}
        return session_init("en", self.plan.target, **audio, **fields)

    def _acknowledged(self, message: Message) -> None:
        self._token = message.get("resume_token", "")
        self._is_connected = True
        if self.session and message["session_id"] == self.session:
            self.resumes += 1
            self._world.log(
                SessionResumed, session=self.known_as, last_delivery_seq=self._last_delivery_seq
            )
            self._world.log(Undisturbed, subject=self.known_as)
            self._away_since = None
            self._cursor = message["next_seq"]
            return
        self.session = message["session_id"]
        self._maker.begin(self.session)
        self.known_as = speaker_key(SessionId(self.session))
        self._world.log(SessionOpened, session=self.known_as)

    async def _leave(self) -> None:
        """Wait for what is owed, and close."""
        if self.plan.persona is Persona.HASTY:
            await self._say_half()
        else:
            await self._until(lambda: not self._waiting, OUTCOME_SECONDS, must=False)
        self._world.log(CloseAsked, session=self.known_as)
        self._close_asked = True
        await self._say(self._own("session_close", reason="done"))
        await self._until(lambda: self._close_acked, CLOSE_SECONDS, must=False)
        if not self._close_acked:
            text = f"{self.session}: session_close has no answer after {CLOSE_SECONDS} s"
            self._world.log(Complaint, text=text)
        self._forget_session()

    async def _say_half(self) -> None:
        """Begin an utterance that the end of the session will cut."""
        speech, index = self._maker.speech(200), self._maker.next_index()
        half = speech.chunks(100)[0]
        self._waiting.add(index)
        self._world.begin_speech(self.known_as, index, speech)
        self._world.log(SpeechEnded, session=self.known_as, index=index, size_bytes=len(half))
        chunk = self._maker.chunk(self._made, half)
        self._made = self._cursor = self._sent = self._made + 1
        await self._say(chunk)

    def _own(self, kind: str, **fields: Any) -> Message:
        return {"type": kind, "session_id": self.session, **fields}

    # ---- speech -----------------------------------------------------------------------------

    async def _speak(self) -> None:
        """Send what is left, from the cursor on."""
        is_hasty = self.plan.persona is Persona.HASTY
        most = _HASTY_UTTERANCES if is_hasty else _SESSION_UTTERANCES
        while True:
            if self._cursor not in self._frames:
                if self._cursor < self._made:  # the server asks for what it let go of
                    text = f"{self.session}: next_seq {self._cursor} was acknowledged before"
                    self._world.log(Complaint, text=text)
                    self._cursor = self._made
                    continue
                if self._said_here >= most or self._said >= len(self.plan.utterances):
                    return
                self._make(self.plan.utterances[self._said])
            await self._send(self._frames[self._cursor])

    async def _send(self, frame: Frame) -> None:
        if frame.wait_seconds:
            assert self._reader is not None
            slowly = _SLOWLY if self._world.is_slow else 1.0
            await asyncio.wait({self._reader}, timeout=frame.wait_seconds * slowly)
            frame.wait_seconds = 0.0
            if self._reader.done():
                raise Lost
        begins, frame.begins = frame.begins, None
        if begins is not None:
            self._world.begin_speech(self.known_as, frame.index, begins)
        ends_bytes, frame.ends_bytes = frame.ends_bytes, None
        if ends_bytes is not None:
            self._waiting.add(frame.index)
            self._world.log(
                SpeechEnded, session=self.known_as, index=frame.index, size_bytes=ends_bytes
            )
        self._cursor += 1
        await self._say(frame.message)
        if not self._is_resuming:
            del self._frames[self._cursor - 1]
        if self._cursor > self._sent:  # the first time
            self._sent = self._cursor
            if self._cursor == self._made:
                self._said += 1
                self._said_here += 1
        if frame.drop_seconds is not None:
            self._away_seconds, frame.drop_seconds = frame.drop_seconds, None
            self._lost()
            assert self.wire is not None
            self.wire.cut()
            raise Lost

    def _make(self, said: UtterancePlan) -> None:
        """Turn an utterance into frames."""
        frames = self._maker.make(said, self._made)
        if said.drop_after_chunk is not None and self._said not in self._dropped:
            self._dropped.add(self._said)
            frames[min(said.drop_after_chunk, len(frames) - 1)].drop_seconds = said.away_seconds
        for frame in frames:
            self._frames[self._made] = frame
            self._made += 1

    # ---- wires ------------------------------------------------------------------------------

    async def _say(self, message: Message) -> None:
        if self.wire is None:
            raise Lost
        await self.wire.say(message)

    async def _until(self, is_so: Any, seconds: float, *, must: bool = True) -> None:
        """Wait; raise `Lost` when the socket goes first, TimeoutError if it `must` be so."""
        assert self._reader is not None
        try:
            async with asyncio.timeout(seconds):
                while not is_so():
                    if self._reader.done():
                        raise Lost
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            if must:
                raise

    async def _listen(self, wire: Wire) -> None:
        heard = 0
        try:
            async for data in wire.socket:
                message = json.loads(data)
                self._world.check(message, self.session)
                self._hear(message)
                self._news.set()
                heard += 1
                if self.plan.persona is Persona.SLOW_READER and heard % _READ_PAUSE[0] == 0:
                    await asyncio.sleep(_READ_PAUSE[1])
        except ConnectionClosed:
            pass
        finally:
            asyncio.get_running_loop().call_soon(self._news.set)

    def _hear(self, message: Message) -> None:
        match message["type"]:
            case "session_init_ack":
                self._acknowledged(message)
            case "translation_result" | "missing_result":
                self._outcome(message)
            case "audio_ack":
                for seq in [seq for seq in self._frames if seq < message["next_seq"]]:
                    del self._frames[seq]
            case "session_close_ack" if message["session_id"] == self.session:
                self._world.log(CloseAcked, session=self.known_as)
                self._close_acked = True
            case "error":
                self._error(message)

    def _outcome(self, message: Message) -> None:
        self._world.log(
            OutcomeHeard,
            session=speaker_key(SessionId(message["session_id"])),
            index=message["utterance_index"],
            delivery_seq=message["delivery_seq"],
            reason=message.get("reason"),
            late=message.get("late", False),
            text=message.get("text_asr", ""),
        )
        if message["session_id"] == self.session:
            self._last_delivery_seq = message["delivery_seq"]
            self._waiting.discard(message["utterance_index"])

    def _error(self, message: Message) -> None:
        if message["code"] in _LATER:
            self._world.log(TurnedAway, text=f"{self.session} hears {message}")
            return
        if self._away_since is None or message["code"] != "INVALID_SESSION":
            self._world.log(Complaint, text=f"{self.session} hears {message}")
            return
        away = self._world.now() - self._away_since
        self._world.log(ResumeRefused, session=self.known_as, away_seconds=away)
        self._world.log(SessionAbandoned, session=self.known_as)
        self._forget_session()
        self._refused = True
