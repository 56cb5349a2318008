"""The existing node agent, as far as a scheduler can tell: all its quirks, none of its engines.

What it does is what was observed of the real one:

- It says nothing before it has its id, and never `job_ack`, `job_started` or `node_error`.
- It refuses a job id, or an utterance of a session, that it has ever seen.
- It keeps a job without a word when nothing says that the utterance is complete and little was
  said, and it keeps the segments of a turn until the one that ends it. Of what it keeps it loses
  what follows the last whole 5 s, and it drops all of it when the last segment is quiet.
- It does not translate a short text that a time-out ends: it waits for more.
- It translates a session's utterances in increasing order only, and says nothing at all when the
  text is that of the session's last answer. A long job is recognised in several batches: the next
  job of its session is translated before it.
- It answers a cancelled job all the same, loses what is ready while it has no socket, and comes
  back once in its life.
"""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Self

from websockets.exceptions import ConnectionClosed

from tests.end_to_end.support.spoken_words import length_ms, word_chunk, words_in
from tests.support.peers.raw_node import Ability, audio_of
from tests.support.peers.raw_wire import Message, RawWire

HOLD_MS = 10_000
"""Less than this is kept when nothing says that the utterance is complete."""
BATCH_MS = 5_000
"""Of a segment that its turn goes on behind, only whole ones of these are recognised."""
LONG_MS = 9_000
"""A longer job is recognised in several batches, and others come in between."""
SHORT_TEXT = 40
"""Letters up to which a text that a time-out ends is kept."""
BEAT_SECONDS = 15.0
RETRY_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class AgentPace:
    """How fast its life is; tests shorten what takes long."""

    work_seconds: float = 0.0
    """What recognising and translating one job takes; jobs are done one after the other."""
    hold_ms: float = HOLD_MS
    beat_seconds: float = BEAT_SECONDS
    retry_seconds: float = RETRY_SECONDS


@dataclass(slots=True)
class _Spoken:
    """What it remembers of a session."""

    translated_index: int = -1
    """The highest index that was translated: lower ones are not."""
    last_text: str = ""
    """What was answered last: the same again is not answered."""


@dataclass(slots=True)
class _Held:
    """Words that wait for the rest of their turn."""

    words: list[str] = field(default_factory=list)
    waiting_ms: float = 0.0
    """Audio that no recogniser has seen."""


class _AgentSocket(RawWire):
    """One connection of the agent; what comes is handed on in order."""

    def __init__(self, url: str, agent: "AgentNode") -> None:
        super().__init__(url)
        self._agent = agent

    def take(self, message: Message) -> None:
        super().take(message)
        self._agent.take(message)


class AgentNode:
    """One process of the agent, from its start to its end, over at most two connections."""

    def __init__(self, url: str, ability: Ability, pace: AgentPace | None = None) -> None:
        self.ability = ability
        self.node_id: str | None = None
        self.jobs: list[Message] = []
        """Every assignment so far."""
        self.refused: list[str] = []
        """Why it refused jobs."""
        self.swallowed: list[Message] = []
        """Jobs that it will never answer, as far as it knows."""
        self.socket: _AgentSocket | None = None
        self._url = url
        self._pace = pace or AgentPace()
        self._registered = asyncio.Event()
        self._todo: asyncio.Queue[Message] = asyncio.Queue()
        self._seen_jobs: set[str] = set()
        self._seen_utterances: set[tuple[str, int]] = set()
        self._sessions: dict[str, _Spoken] = {}
        self._turns: dict[str, _Held] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(self._live()), asyncio.create_task(self._work())]
        async with asyncio.timeout(10):
            await self._registered.wait()
        return self

    async def __aexit__(self, *_exception: object) -> None:
        for task in self._tasks:
            task.cancel()
        ends = await asyncio.gather(*self._tasks, return_exceptions=True)
        if self.socket is not None:
            await self.socket.aclose()
            if self.socket.failure is not None:
                raise self.socket.failure
        for end in ends:
            if isinstance(end, Exception):
                raise end

    # ---- connections ------------------------------------------------------------------------

    async def _live(self) -> None:
        """Connect, and once more after a loss; a second loss is the end."""
        for _ in range(2):
            self.socket = socket = _AgentSocket(self._url, self)
            await socket.open()
            await socket.say({**self.ability.registration(), "node_id": self.node_id})
            beat = asyncio.create_task(self._keep_beating(socket))
            await socket.socket.wait_closed()
            beat.cancel()
            await socket.aclose()
            await asyncio.sleep(self._pace.retry_seconds)

    async def _keep_beating(self, socket: _AgentSocket) -> None:
        if self.node_id is None:
            await self._registered.wait()
            await asyncio.sleep(min(0.5, self._pace.beat_seconds))
        while socket.is_open:
            await self.beat()
            await asyncio.sleep(self._pace.beat_seconds)

    async def beat(self) -> None:
        """Send a heartbeat: its services have changed, or it is time for one."""
        await self._say(
            {
                "type": "node_heartbeat",
                "node_id": self.node_id,
                "timestamp": 1_700_000_000_000,
                "resource_usage": {"cpu_percent": 1, "gpu_percent": 0, "mem_percent": 9},
                "installed_services": [],
                "capability_by_type": [],
                "language_capabilities": self.ability.languages(),
            }
        )

    async def fence(self) -> None:
        """Return when everything said so far was looked at: a wrong message is answered in turn."""
        assert self.socket is not None
        await self.socket.say({"type": "node_error"})
        await self.socket.hear("error")

    def lose_line(self) -> None:
        """The line breaks; the agent lives on."""
        assert self.socket is not None
        self.socket.abort()

    def take(self, message: Message) -> None:
        """Hear one message; a cancelled job is done all the same."""
        match message["type"]:
            case "node_register_ack":
                self.node_id = message["node_id"]
                self._registered.set()
            case "job_assign":
                self.jobs.append(message)
                self._todo.put_nowait(message)

    # ---- jobs -------------------------------------------------------------------------------

    async def _work(self) -> None:
        """Do one job after the other, as the lease on its GPU makes it."""
        while True:
            job = await self._todo.get()
            if _is_long(job) and not self._todo.empty():
                following = self._todo.get_nowait()
                if following["session_id"] == job["session_id"]:
                    job, following = following, job
                await self._do_next(job)
                job = following
            await self._do_next(job)

    async def _do_next(self, job: Message) -> None:
        refusal = self._refusal(job)
        if refusal is not None:
            self.refused.append(refusal)
            error = {"code": "PROCESSING_ERROR", "message": refusal, "details": None}
            await self._say({**self._head(job), "success": False, "error": error})
            return
        if self._pace.work_seconds:
            await asyncio.sleep(self._pace.work_seconds)
        answer = self._do(job)
        if answer is None:
            self.swallowed.append(job)
        else:
            await self._say(answer)

    def _refusal(self, job: Message) -> str | None:
        job_id, spoken = job["job_id"], (job["session_id"], job["utterance_index"])
        if job_id in self._seen_jobs:
            return f"DUPLICATE_JOB_ID {job_id}"
        if spoken in self._seen_utterances:
            return f"DUPLICATE_UTTERANCE_INDEX {spoken}"
        self._seen_jobs.add(job_id)
        self._seen_utterances.add(spoken)
        if job["audio_format"] not in {"opus", "pcm16"}:
            return f"Unsupported audio format {job['audio_format']}"
        if not job["audio"]:
            return "empty audio"
        return None

    def _do(self, job: Message) -> Message | None:
        """Return the answer; None where it keeps silent."""
        key = f"{job.get('turn_id') or job['job_id']}|{job['tgt_lang']}"
        held = self._turns.setdefault(key, _Held())
        audio, audio_format = audio_of(job), job["audio_format"]
        words, duration_ms = words_in(audio, audio_format), length_ms(audio, audio_format)
        held.waiting_ms += duration_ms
        if job.get("is_manual_cut") or job.get("is_timeout_triggered"):
            del self._turns[key]
            if not words:  # it does not look at what it has kept
                return self._answer(job, "")
            text = " ".join(held.words + words)
            if job.get("is_timeout_triggered") and len(text) <= SHORT_TEXT:
                return self._result(job, text, translated="")
            return self._answer(job, text)
        if held.waiting_ms < self._pace.hold_ms:
            held.words += words
            return None
        recognised_ms = duration_ms // BATCH_MS * BATCH_MS
        held.words += words[: round(len(words) * recognised_ms / duration_ms)]
        held.waiting_ms = 0.0
        return self._result(job, " ".join(held.words), translated="")

    def _answer(self, job: Message, text: str) -> Message | None:
        if not text:
            return self._result(job, "", "", extra={"reason": "ASR_EMPTY"})
        session = self._sessions.setdefault(job["session_id"], _Spoken())
        if text == session.last_text:
            return None
        session.last_text = text
        if job["utterance_index"] <= session.translated_index:
            return self._result(job, text, translated="")
        session.translated_index = job["utterance_index"]
        return self._result(job, text, translated=f"<{text}>")

    def _head(self, job: Message) -> Message:
        keep = ("job_id", "attempt_id", "session_id", "utterance_index", "trace_id")
        return {
            "type": "job_result",
            **{name: job[name] for name in keep},
            "node_id": self.node_id,
            "processing_time_ms": 20,
        }

    def _result(
        self, job: Message, text: str, translated: str, extra: Message | None = None
    ) -> Message:
        speech = word_chunk(text[:20]) if translated else b""
        return {
            **self._head(job),
            "success": True,
            "text_asr": text,
            "text_translated": translated,
            "tts_audio": base64.b64encode(speech).decode(),
            "tts_format": "opus",
            "extra": {"emotion": None, "speech_rate": None, **(extra or {})},
        }

    async def _say(self, message: Message) -> None:
        """Send a message; without a socket it is lost, and never said again."""
        if self.socket is None or not self.socket.is_open:
            return
        try:
            await self.socket.say(message)
        except ConnectionClosed:
            return


def _is_long(job: Message) -> bool:
    return length_ms(audio_of(job), job["audio_format"]) > LONG_MS


@asynccontextmanager
async def agent_node(
    url: str, pair: tuple[str, str], pace: AgentPace | None = None
) -> AsyncIterator[AgentNode]:
    """Start an agent that serves a pair both ways: its three lists of languages are the same."""
    ability = Ability(asr=pair, semantic=pair, tts=pair, joins_turns=False)
    async with AgentNode(url, ability, pace) as node:
        yield node
