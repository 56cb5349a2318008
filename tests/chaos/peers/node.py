"""A node of a chaos run: it works, errs and dies as real ones do.

A sound node answers every job once, soon and truly; only its network fails. The others also
answer late, twice, falsely, or never. What it answers as recognised text is unique, so that the
oracle knows which answer reached whom.
"""

import asyncio
import base64
import json
import re
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import Any

from websockets.exceptions import ConnectionClosed, WebSocketException

from tests.chaos.faults.proxy import Link
from tests.chaos.log import (
    Answer,
    Complaint,
    JobAnswered,
    JobHeard,
    JobWithdrawn,
    NodeJoined,
    NodeLeft,
)
from tests.chaos.peers.audio import digest_of
from tests.chaos.peers.node_messages import heartbeat, refusal, registration, result
from tests.chaos.peers.streams import Streams
from tests.chaos.plan import NodePlan
from tests.chaos.world import Message, Wire, World

BEAT_SECONDS = 1.0
_RETRY_SECONDS = 0.3
_LOOK_SECONDS = 0.05
_ACK_SECONDS = 10.0
_ACK = "node_register_ack"
_LATE_SECONDS = 4.0
_KEPT_ANSWERS = 20

Work = Callable[["ChaosNode", "Job"], Awaitable[None]]


@dataclass(slots=True)
class Job:
    """An assignment in hand."""

    message: Message
    digest: str
    goes_on: bool
    """A later segment of the turn follows."""


class ChaosNode:
    """One node, or several one after the other: who was killed comes back under another name."""

    def __init__(self, plan: NodePlan, world: World) -> None:
        self.plan = plan
        self.name = plan.name
        self.wire: Wire | None = None
        """Where it speaks; None while it is away."""
        self.rng = Random(plan.seed)
        self.answered: list[Job] = []
        """The latest jobs that it has answered."""
        self.back_at = 0.0
        """Before this time of the run it does not come back."""
        self.world = world
        self._deaths = 0
        self._parts: set[tuple[str, int]] = set()
        """What it takes for utterances of sessions."""
        self.streams = Streams(self)
        """What it hears while it is spoken."""
        self._wires: set[Wire] = set()
        self._lives: set[asyncio.Task[None]] = set()
        self._work: set[asyncio.Task[None]] = set()
        self._is_connecting = False
        self._is_over = False

    def __repr__(self) -> str:
        return f"<ChaosNode {self.name} {'up' if self.wire else 'away'}>"

    async def run(self) -> None:
        """Be connected whenever nothing speaks against it, until `leave`."""
        while not self._is_over:
            if self.wire is None and self.world.now() >= self.back_at:
                try:
                    await self._connect(keeps_jobs=False)
                except (OSError, WebSocketException, TimeoutError):
                    self.back_at = self.world.now() + _RETRY_SECONDS
            await asyncio.sleep(_LOOK_SECONDS)

    async def leave(self) -> None:
        """Go home."""
        self._is_over = True
        wires, self.wire = self._wires.copy(), None
        self._cancel(self._work)
        for wire in wires:
            await wire.close()
        await asyncio.gather(*self._lives, return_exceptions=True)

    # ---- life -------------------------------------------------------------------------------

    async def _connect(self, *, keeps_jobs: bool) -> None:
        """Register on a wire of its own; from then on, that is where it speaks."""
        if self._is_connecting:
            return
        self._is_connecting = True
        try:
            wire = await Wire.open(self.world.node_proxy, "/ws/node")
            self._wires.add(wire)
            await wire.say(registration(self.plan, self.name))
            early: list[Message] = []  # who is known already may get work before the ack
            async with asyncio.timeout(_ACK_SECONDS):
                while (message := json.loads(await wire.socket.recv()))["type"] != _ACK:
                    early.append(message)
            if message.get("error") is not None:  # its former socket has given a sign of life
                await wire.close()
                raise OSError(message["error"]["code"])
        finally:
            self._is_connecting = False
        self.world.log(
            NodeJoined,
            node=self.name,
            capacity=self.plan.capacity,
            keeps_jobs=keeps_jobs and self.wire is not None,
            # Work of a language that it does not know waits beside one that streams.
            is_sound=self.plan.is_sound and not self.plan.streams,
        )
        self.wire = wire
        for message in early:
            self._hear(message, wire)
        self._keep(self._lives, self._live(wire))

    async def _live(self, wire: Wire) -> None:
        """Hear what comes on a wire, to its end."""
        beat = asyncio.create_task(self._beat(wire))
        try:
            async for data in wire.socket:
                if isinstance(data, bytes):
                    self.streams.frame(data, wire)
                    continue
                message = json.loads(data)
                self.world.check(message, self.name)
                self._hear(message, wire)
        except ConnectionClosed:
            pass
        finally:
            beat.cancel()
            self._wires.discard(wire)
            self.streams.lose(wire)
            if self.wire is wire:
                self._leave_wire(_RETRY_SECONDS)

    async def _beat(self, wire: Wire) -> None:
        try:
            while True:
                await wire.say(heartbeat(self.plan, self.name))
                await asyncio.sleep(BEAT_SECONDS)
        except ConnectionClosed:
            pass

    def _leave_wire(self, away_seconds: float) -> None:
        self.world.log(NodeLeft, node=self.name)
        self.wire = None
        self.back_at = max(self.back_at, self.world.now() + away_seconds)

    # ---- what faults do to it ---------------------------------------------------------------

    def kill(self, away_seconds: float = 1.0) -> None:
        """Die with everything in hand; come back as a new process."""
        wire = self.wire
        if wire is None:
            return
        self._leave_wire(away_seconds)
        self.answered.clear()
        self._deaths += 1
        self._parts.clear()
        self.name = f"{self.plan.name}-{self._deaths}"
        for each in (*self._wires,):
            each.cut()
        self._cancel(self._work)

    async def move(self) -> None:
        """Come back on another socket while the old one is open, and gives no sign of life."""
        old = self.wire
        if old is None:
            return
        old.socket.transport.pause_reading()
        try:
            await self._connect(keeps_jobs=True)
        except (OSError, WebSocketException, TimeoutError):
            return
        finally:
            old.socket.transport.resume_reading()
        await asyncio.sleep(0.5)
        if self.wire is not old:
            await old.close()

    def go_half_open(self, away_seconds: float) -> Link | None:
        """Lose the socket without anybody noticing; come back on another one."""
        link = self.wire.link if self.wire is not None else None
        if link is None:
            return None
        link.swallow()
        self._leave_wire(away_seconds)
        return link

    def _keep(self, tasks: set[asyncio.Task[None]], work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    def _cancel(self, tasks: set[asyncio.Task[None]]) -> None:
        for task in list(tasks):
            task.cancel()

    # ---- jobs -------------------------------------------------------------------------------

    def _hear(self, message: Message, wire: Wire) -> None:
        match message["type"]:
            case "job_assign":
                self._assigned(message, wire)
            case "job_end":
                self.streams.end(message, wire)
            case "job_cancel":
                self.streams.drop(message["job_id"])
                self.world.log(
                    JobWithdrawn,
                    node=self.name,
                    job_id=message["job_id"],
                    of_silent_node=message["reason"] == "node_silent",
                )
            case "error":
                self.world.log(Complaint, text=f"{self.name} hears {message}")

    def _assigned(self, message: Message, wire: Wire) -> None:
        part = (message["session_id"], message["utterance_index"])
        if part in self._parts:
            self.world.log(Complaint, text=f"{self.name} gets {part} a second time")
        self._parts.add(part)
        if message.get("streaming"):
            self.streams.begin(message, wire)
        else:
            self.take(message, base64.b64decode(message["audio"]), wire)

    def take(self, message: Message, audio: bytes, wire: Wire) -> None:
        """Begin a job of which all audio is there."""
        job = Job(message, digest_of(audio), bool(message.get("is_max_duration_triggered")))
        speaker = message["speaker_key"]
        suffix = "".join(re.findall("[#~].*", message["session_id"]))
        self.world.log(
            JobHeard,
            node=self.name,
            job_id=message["job_id"],
            attempt=message["attempt_id"],
            session=f"{speaker}{suffix}",
            index=self.world.index_of(speaker, audio),
            turn=message["turn_id"],
            language=message["tgt_lang"],
            digest=job.digest,
            size_bytes=len(audio),
            on_former_socket=wire is not self.wire,
        )
        self.world.recent_jobs.append((self.name, message["job_id"]))
        self._keep(self._work, self._do(self._choose(job), job))

    async def _do(self, work: Work, job: Job) -> None:
        with suppress(ConnectionClosed):
            await work(self, job)

    def _choose(self, job: Job) -> Work:
        if job.goes_on:
            works: dict[Work, float] = {_say_nothing: 45, _say_text: 45, _say_all: 10}
        elif self.plan.is_sound:
            works = {_say_all: 100}
        else:
            works = _HABITS
        return self.rng.choices(tuple(works), tuple(works.values()))[0]

    def say_soon(self, message: Message) -> None:
        """Send something that nothing is expected of, if there is a socket."""
        if self.wire is not None:
            self._keep(self._work, self._say(self.wire, message))

    async def _say(self, wire: Wire, message: Message) -> None:
        with suppress(ConnectionClosed):
            await wire.say(message)

    def answer_early(self, message: Message) -> None:
        """Fail at a job that is still being spoken."""
        job = Job(message, "", goes_on=False)
        self._keep(self._work, self._do(_fail_at_once, job))

    async def work(self, seconds: float | None = None) -> None:
        """Take the time that a job takes."""
        await asyncio.sleep(self.rng.uniform(0.02, 0.3) if seconds is None else seconds)

    async def answer(self, job: Job, answer: Answer, **fields: object) -> None:
        """Log an answer and send it, if there is a socket."""
        text = f"{next(self.world.numbers)}" if answer is not Answer.EMPTY else ""
        if answer is Answer.FAILED:
            message = refusal(job.message, self.name, str(fields["code"]))
            text = ""
        else:
            message = {**result(job.message, self.name, text), **fields}
            if answer is Answer.TEXT_ONLY:
                message |= {"text_translated": "", "tts_audio": ""}
        wire = self.wire
        if wire is None:
            return  # lost: nodes do not repeat it
        job_id = str(message["job_id"])
        self.world.log(JobAnswered, node=self.name, job_id=job_id, answer=answer, text=text)
        self.answered = [*self.answered[-_KEPT_ANSWERS:], job]
        await wire.say(message)


# ---- what nodes do with a job -----------------------------------------------------------------


async def _say_all(node: ChaosNode, job: Job) -> None:
    await node.work()
    await node.answer(job, Answer.FULL)


async def _say_text(node: ChaosNode, job: Job) -> None:
    await node.work()
    await node.answer(job, Answer.TEXT_ONLY)


async def _say_nothing(_node: ChaosNode, _job: Job) -> None:
    """Keep the audio for a later segment, or for ever."""


async def _be_slow(node: ChaosNode, job: Job) -> None:
    await node.work(node.rng.uniform(0.5, 1.5))
    await node.answer(job, Answer.FULL)


async def _be_late(node: ChaosNode, job: Job) -> None:
    await node.work(_LATE_SECONDS)
    await node.answer(job, Answer.FULL)


async def _say_it_twice(node: ChaosNode, job: Job) -> None:
    await node.work()
    wire = node.wire
    await node.answer(job, Answer.FULL)
    if node.wire is wire:  # else the first may be lost and the second the true one
        await node.answer(job, Answer.FALSE)


async def _repeat_an_old_one(node: ChaosNode, job: Job) -> None:
    """Answer again what was answered before: a stale attempt, or a session long gone."""
    await _say_all(node, job)
    await node.answer(node.rng.choice(node.answered or [job]), Answer.FULL)


async def _mistake_a_job(node: ChaosNode, job: Job) -> None:
    await node.work()
    others = [job_id for name, job_id in node.world.recent_jobs if name != node.name]
    if others:
        await node.answer(job, Answer.FALSE, job_id=node.rng.choice(others))
    await node.answer(job, Answer.FULL)


async def _hear_nothing(node: ChaosNode, job: Job) -> None:
    await node.work()
    await node.answer(job, Answer.EMPTY, extra={"reason": "ASR_EMPTY"})


async def _find_words_later(node: ChaosNode, job: Job) -> None:
    await _hear_nothing(node, job)
    await node.work(0.05)
    await node.answer(job, Answer.FULL)


async def _fail(node: ChaosNode, job: Job) -> None:
    await node.work()
    await node.answer(job, Answer.FAILED, code="PROCESSING_ERROR")


async def _fail_at_once(node: ChaosNode, job: Job) -> None:
    await node.answer(job, Answer.FAILED, code="PROCESSING_ERROR")


async def _lack_the_model(node: ChaosNode, job: Job) -> None:
    await node.work()
    await node.answer(job, Answer.FAILED, code="MODEL_NOT_AVAILABLE")


async def _die(node: ChaosNode, _job: Job) -> None:
    await node.work()
    node.kill()


_HABITS: dict[Work, float] = {
    _say_all: 80,
    _be_slow: 5,
    _say_it_twice: 3,
    _repeat_an_old_one: 2,
    _mistake_a_job: 2,
    _hear_nothing: 2,
    _find_words_later: 1,
    _be_late: 1.5,
    _say_nothing: 1.5,
    _fail: 1,
    _lack_the_model: 0.5,
    _die: 0.3,
}
"""What an unsound node does with a job → how often, in any unit."""
