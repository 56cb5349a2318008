"""A node as a test scripts it: it takes jobs and says what the test wants, when it wants.

It never says what the existing nodes never say (no ack) unless told to, and it refuses like them
what they refuse: a job id, or an utterance of a session, that it has seen before.
"""

import asyncio
import base64
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.support.peers.raw_wire import SECONDS, Message, Pair, RawWire


@dataclass(frozen=True, slots=True)
class Ability:
    """What a node says that it can do when it registers."""

    asr: tuple[str, ...] = ("en",)
    semantic: tuple[str, ...] = ("es",)
    tts: tuple[str, ...] = ()
    capacity: int | None = None
    """`max_concurrent_jobs`; existing nodes do not send it."""
    node_id: str | None = None
    joins_turns: bool = True
    """It puts the segments of a turn together and says so; existing nodes say nothing of it."""
    more: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, pair: Pair, capacity: int | None = None, node_id: str | None = None) -> "Ability":
        """Return the ability to hear the first language and to answer in the second."""
        return cls(asr=pair[:1], semantic=pair[1:], capacity=capacity, node_id=node_id)

    @classmethod
    def among(cls, *languages: str, capacity: int = 20) -> "Ability":
        """Return the ability to translate each of these languages into each other."""
        return cls(asr=languages, semantic=languages, capacity=capacity)

    def languages(self) -> Message:
        """Return `language_capabilities`."""
        return {
            "asr_languages": list(self.asr),
            "tts_languages": list(self.tts),
            "semantic_languages": list(self.semantic),
            "semantic_core_ready": True,
        }

    def registration(self) -> Message:
        """Return `node_register` as the existing agent sends it."""
        message: Message = {
            "type": "node_register",
            "node_id": self.node_id,
            "version": "2.0.0",
            "capability_schema_version": "2.0",
            "platform": "linux",
            "hardware": {"cpu_cores": 8, "memory_gb": 32},
            "installed_models": [],
            "capability_by_type": [{"type": "asr", "ready": True, "devices": ["gpu"]}],
            "features_supported": {"emotion_detection": False},
            "accept_public_jobs": True,
            "language_capabilities": self.languages(),
        }
        if self.capacity is not None:
            message["max_concurrent_jobs"] = self.capacity
        if self.joins_turns:
            message["joins_turns"] = True
        return {**message, **self.more}


def audio_of(job: Message) -> bytes:
    """Return the audio of a job."""
    return base64.b64decode(job["audio"], validate=True)


_SPOKEN: dict[str, dict[tuple[str, int], int]] = {}
"""Speaker → session and index of an utterance to nodes → which of the speaker's it is."""


def _nth_of_speaker(job: Message) -> int:
    """Return the number of the utterance among its speaker's, by when any node first had it.

    Nodes are not told that; tests know their jobs by it.
    """
    spoken = _SPOKEN.setdefault(job["speaker_key"], {})
    session = re.sub("[#~].*", "", job["session_id"])
    return spoken.setdefault((session, job["utterance_index"]), len(spoken))


class RawNode(RawWire):
    """One socket on `/ws/node`."""

    def __init__(self, url: str, ability: Ability) -> None:
        super().__init__(url)
        self.ability = ability
        self.node_id = ability.node_id or ""
        self.open_slots: dict[tuple[str, str, str], set[str]] = {}
        """What it works on: (session, turn, language) → node-facing job ids."""
        self.peak = 0
        """The most slots that were ever open at the same time."""
        self.peak_jobs = 0
        """The most jobs that were ever open at the same time."""
        self.jobs: list[Message] = []
        """Every assignment so far."""
        self.on_job: Callable[[Message], None] = lambda _job: None
        """Called for every assignment when it comes."""
        self._seen: set[str] = set()
        self._spoken: set[tuple[str, int]] = set()
        self._work: set[asyncio.Task[None]] = set()

    def take(self, message: Message) -> None:
        """Count what is open; refuse like the existing node what was seen before."""
        super().take(message)
        if message["type"] == "job_cancel":
            self._forget(message["job_id"])
        if message["type"] != "job_assign":
            return
        job_id, spoken = message["job_id"], (message["session_id"], message["utterance_index"])
        assert job_id not in self._seen, f"DUPLICATE_JOB_ID {job_id}"
        assert spoken not in self._spoken, f"DUPLICATE_UTTERANCE_INDEX {spoken}"
        self._seen.add(job_id)
        self._spoken.add(spoken)
        message["nth"] = _nth_of_speaker(message)
        self.jobs.append(message)
        self.open_slots.setdefault(_slot(message), set()).add(job_id)
        self.peak = max(self.peak, len(self.open_slots))
        self.peak_jobs = max(self.peak_jobs, self.open_jobs)
        self.on_job(message)

    @property
    def open_jobs(self) -> int:
        """How many assignments wait for an answer."""
        return sum(len(jobs) for jobs in self.open_slots.values())

    def _forget(self, job_id: str) -> None:
        for slot, jobs in list(self.open_slots.items()):
            jobs.discard(job_id)
            if not jobs:
                del self.open_slots[slot]

    def remember(self, former: "RawNode") -> None:
        """Be the same program on another connection: it knows what it has seen before."""
        self._seen, self._spoken = former._seen, former._spoken

    # ---- saying -----------------------------------------------------------------------------

    async def register(self) -> Message:
        """Register and return the ack."""
        await self.say(self.ability.registration())
        ack = await self.hear("node_register_ack")
        self.node_id = ack.get("node_id", self.node_id)
        return ack

    async def beat(self, **fields: Any) -> None:
        """Send a heartbeat; `resource_usage` and languages may be given."""
        usual: Message = {
            "type": "node_heartbeat",
            "node_id": self.node_id,
            "timestamp": 1_700_000_000_000,
            "resource_usage": {
                "cpu_percent": 12.5,
                "gpu_percent": 0,
                "mem_percent": 40.25,
                "running_jobs": self.open_jobs,
            },
            "installed_services": [],
            "capability_by_type": [],
            "language_capabilities": self.ability.languages(),
        }
        await self.say({**usual, **fields})

    def result(self, job: Message, text: str = "hello", **fields: Any) -> Message:
        """Return a `job_result` as the existing node sends it."""
        usual: Message = {
            "type": "job_result",
            "job_id": job["job_id"],
            "attempt_id": job["attempt_id"],
            "node_id": self.node_id,
            "session_id": job["session_id"],
            "utterance_index": job["utterance_index"],
            "success": True,
            "text_asr": text,
            "text_translated": f"{text} [{job['tgt_lang']}]" if text else "",
            "tts_audio": base64.b64encode(f"voice of {text}".encode()).decode() if text else "",
            "tts_format": "opus",
            "extra": {"emotion": None, "language_probability": 0.98},
            "processing_time_ms": 120,
            "trace_id": job["trace_id"],
        }
        return {**usual, **fields}

    async def answer(self, job: Message, text: str = "hello", **fields: Any) -> None:
        """Answer a job; a completed one closes what was open of the same turn before it."""
        result = self.result(job, text, **fields)
        closed = [job]
        if _is_complete(job, result):
            earlier = (other for other in self.jobs if _slot(other) == _slot(job))
            closed += [o for o in earlier if o["utterance_index"] < job["utterance_index"]]
        for each in closed:
            self._forget(each["job_id"])
        await self.say(result)

    async def refuse(self, job: Message, code: str, message: str = "no") -> None:
        """Answer a job with an error."""
        self._forget(job["job_id"])
        refusal = {"success": False, "error": {"code": code, "message": message, "details": None}}
        keep = ("type", "job_id", "attempt_id", "node_id", "session_id", "utterance_index")
        result = self.result(job)
        await self.say({**{name: result[name] for name in keep}, **refusal})

    def answers(self, after_seconds: float = 0.0) -> None:
        """Answer every job from now on by itself, this long after it came."""

        async def work(job: Message) -> None:
            await asyncio.sleep(after_seconds)
            await self.answer(job, f"words {job['nth']}")

        def begin(job: Message) -> None:
            task = asyncio.create_task(work(job))
            self._work.add(task)
            task.add_done_callback(self._work.discard)

        self.on_job = begin

    # ---- hearing ----------------------------------------------------------------------------

    async def job(self, **fields: Any) -> Message:
        """Return the next assignment; `nth` is its number among its speaker's utterances."""
        return await self.hear("job_assign", **fields)

    async def fence(self) -> None:
        """Return when everything said so far was looked at: a wrong message is answered in turn."""
        await self.say({"type": "node_error"})
        await self.hear("error")


async def next_job(nodes: list[RawNode], seconds: float = SECONDS) -> tuple[RawNode, Message]:
    """Return the next assignment to any of these nodes, and which of them got it."""
    async with asyncio.timeout(seconds):
        while True:
            for node in nodes:
                node.look()
                job = node.pick("job_assign")
                if job is not None:
                    return node, job
            waits = [asyncio.create_task(node.news()) for node in nodes]
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for wait in waits:
                wait.cancel()


def _is_complete(job: Message, result: Message) -> bool:
    """Whether a result is an end: no error, not absorbed, not the text alone of a turn's middle."""
    goes_on = job.get("is_max_duration_triggered", False)
    text_alone = goes_on and result["text_asr"] and not result["text_translated"]
    absorbed = (result["extra"] or {}).get("reason") == "NO_TEXT_ASSIGNED"
    return bool(result["success"]) and not text_alone and not absorbed


def _slot(job: Message) -> tuple[str, str, str]:
    """Return whose turn a job is part of, whatever attempt it is."""
    plain = (job[name].partition("~")[0] for name in ("session_id", "turn_id"))
    return (*plain, job["tgt_lang"])


@asynccontextmanager
async def raw_node(
    url: str, ability: Ability | None = None, *, answering: bool = False
) -> AsyncIterator[RawNode]:
    """Connect and register a node, which may answer all jobs by itself from the first one on."""
    async with RawNode(url, ability or Ability()) as node:
        if answering:
            node.answers()
        ack = await node.register()
        assert node.node_id, ack
        yield node
