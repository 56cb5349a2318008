"""A dispatcher that was built, not started, between recorders and a real store, on literal time.

Sessions and nodes are recorders. A session answers `UtteranceWanted` with its audio, as the real
one does, unless told not to; everything else they heard is read from them.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from actors.directory import Directory
from actors.dispatcher.actor import DispatcherActor
from actors.dispatcher.options import DispatchOptions
from actors.dispatcher.parts import Parts, PartsOptions
from actors.dispatcher.step import Step
from actors.dispatcher.succession import adopt
from actors.dispatcher.takeover import Admit
from actors.messages.job import (
    AssignJob,
    AudioSupplied,
    JobEnded,
    ResultArrived,
    UtteranceCut,
    UtteranceWanted,
    Work,
)
from actors.messages.node import Languages, NodeArrived
from actors.messages.session import SessionOpened
from actors.messages.takeover import ResumeAnswered
from actors.node.options import NodeOptions
from actors.runtime.actor import ActorDeadError
from actors.session.options import SegmenterOptions, UplinkOptions
from protocol.audio.framing import AudioFormat
from protocol.ids import JobId, NodeId, NodeJobId, SessionId, TraceId, TurnId
from protocol.messages.node_inbound import JobError, JobResult
from protocol.messages.shared import FULL_PIPELINE
from storage.call import Call
from storage.job import JobSpec, JobState
from storage.store import StorageUnavailable, Store
from tests.support.null_metrics import NullMetrics
from tests.support.recording import HandClock, RecordingRef
from tests.support.storage_world import START_MS, World

LIFETIME_MS = 100_000
M = TypeVar("M")


class CountingMetrics(NullMetrics):
    """Counts what tests ask for."""

    def __init__(self) -> None:
        self.stale_results = 0
        self.outcomes: list[str] = []

    def stale_result(self) -> None:
        self.stale_results += 1

    def job_ended(self, outcome: str) -> None:
        self.outcomes.append(outcome)


class ShakyStore:
    """The store, or nothing, or one whose answers get lost on the way."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.is_away = False
        self.hangs: asyncio.Event | None = None
        """It takes calls, and answers when this is set."""
        self.loses_replies = 0
        """How many round trips run without an answer."""
        self.round_trips: list[list[str]] = []
        """The names of the scripts that ran, by round trip."""
        self.tries = 0

    async def run(self, calls: Sequence[Call[Any]]) -> list[Any]:
        self.tries += 1
        if self.is_away:
            raise StorageUnavailable("away")
        self.round_trips.append([call.script.name for call in calls])
        if self.hangs is not None:
            await self.hangs.wait()
        replies = await self._store.run(calls)
        if self.loses_replies:
            self.loses_replies -= 1
            raise StorageUnavailable("the answer was lost")
        return replies

    def count(self, script: str) -> int:
        """Return how often a script ran."""
        return sum(names.count(script) for names in self.round_trips)


@dataclass(eq=False, slots=True)
class DyingRef(RecordingRef):
    """A recorder that may die, as an actor does."""

    is_dead: bool = False
    answers: bool = True
    """A session sends its audio again when it is wanted."""
    cuts: dict[JobId, UtteranceCut] = field(default_factory=dict)

    def tell(self, message: Any) -> None:
        if self.is_dead:
            raise ActorDeadError(self.name)
        RecordingRef.tell(self, message)


class DispatchBench:
    """One dispatcher with what it needs; short words for what others tell it."""

    def __init__(self, world: World, options: DispatchOptions | None = None) -> None:
        self.world = world
        self.clock = HandClock(1000.0)
        self.directory = Directory(world.member().id)
        self.store = ShakyStore(world.store)
        self.metrics = CountingMetrics()
        self.options = options or DispatchOptions()
        self.sessions: dict[str, DyingRef] = {}
        self.nodes: dict[str, DyingRef] = {}
        self.wakes = 0
        self.admit: Admit = lambda _moved, wish: ResumeAnswered(wish.session_id)
        self.start()

    def start(self) -> None:
        """Build the dispatcher, or its successor."""
        uplink = UplinkOptions(SegmenterOptions(), 1000, 100_000, 5000)
        options = PartsOptions(self.options, NodeOptions(), uplink)
        self.parts = Parts(
            self.world.member(),
            self.directory,
            self.metrics,
            options,
            lambda moved, wish: self.admit(moved, wish),  # noqa: PLW0108 - tests set it later
        )
        self.jobs, self.ends, self.claims = self.parts.jobs, self.parts.ends, self.parts.claims
        self.dispatcher = self.clock.hold(DispatcherActor(self.store, self.parts))
        self.dispatcher.on_start()

    def deaf_to_deadlines(self) -> None:
        """Let nobody act on what is due."""
        sweep = self.jobs.deadlines.sweep

        def asked_only(now_ms: float) -> Sequence[Step]:
            return [replace(step, apply=lambda _reply: ()) for step in sweep(now_ms)]

        self.jobs.deadlines.sweep = asked_only  # type: ignore[method-assign]

    # ---- time and messages ------------------------------------------------------------------

    def tell(self, *messages: Any) -> None:
        """Let the dispatcher take these as one batch, then what sessions answer."""
        self.world.run(self.dispatcher.on_receive_batch(list(messages)))
        self._answer()

    def _answer(self) -> None:
        while wanted := [audio for session in self.sessions.values() for audio in _wanted(session)]:
            self.world.run(self.dispatcher.on_receive_batch(list(wanted)))

    def survive(self, *messages: Any, pending: Sequence[Any] = ()) -> None:
        """Let the dispatcher fail of this batch and a successor take over, with what waited."""
        try:
            self.world.run(self.dispatcher.on_receive_batch(list(messages)))
        except Exception as error:  # noqa: BLE001 - as the actor's runtime does
            self.succeed(error, pending)
        else:
            raise AssertionError("nothing failed")

    def succeed(self, error: Exception, pending: Sequence[Any] = ()) -> None:
        """Let a successor take over; living sessions tell it again what is open."""
        handover = self.dispatcher.handover(error)
        self.start()
        self.tell(*adopt(handover, pending, self.parts))
        for name, ref in self.sessions.items():
            over = {end.job_id for end in ref.of(JobEnded)}
            if not ref.is_dead:
                self.tell(
                    self.opened(name), *(cut for id_, cut in ref.cuts.items() if id_ not in over)
                )

    def pass_time(self, ms: float, *, idle: Callable[[], object] = lambda: None) -> None:
        """Let time pass for the dispatcher and the store; `idle` is called at each wake-up."""
        end_ms = self.clock.now_ms + ms
        while (due_ms := self.clock.deadline_of(self.dispatcher)) is not None and due_ms <= end_ms:
            self._move_to(max(due_ms, self.clock.now_ms))
            self.wakes += 1
            assert self.dispatcher._alarm is not None
            self.dispatcher._alarm.set(None)
            self.world.run(self.dispatcher.on_wake(self.clock.now_ms))
            self._answer()
            idle()
        self._move_to(end_ms)

    def _move_to(self, now_ms: float) -> None:
        passed = int(now_ms) - int(self.clock.now_ms)
        self.clock.now_ms = now_ms
        self.world.wait(passed)

    @property
    def elapsed_ms(self) -> int:
        """Milliseconds since the world began."""
        return self.world.now_ms - START_MS

    # ---- who is there -----------------------------------------------------------------------

    def session(self, name: str = "s", *, open_it: bool = True) -> DyingRef:
        """Let a session begin."""
        ref = DyingRef(name)
        self.sessions[name] = ref
        self.directory.register_session(SessionId(name), ref)
        if open_it:
            self.tell(self.opened(name))
        return ref

    def opened(self, name: str) -> SessionOpened:
        """Return what a session says first."""
        return SessionOpened(self.sessions[name], SessionId(name), "t1")

    def node(self, name: str = "n", *, slots: int = 1, joins: bool = True) -> DyingRef:
        """Let an English to Spanish node register; it puts turns together unless said otherwise."""
        ref = DyingRef(name)
        self.nodes[name] = ref
        self.directory.register_node(NodeId(name), ref)
        self.tell(self.arrived(name, slots=slots, joins=joins))
        return ref

    def arrived(
        self, name: str, *, slots: int = 1, connection: int = 1, joins: bool = True
    ) -> NodeArrived:
        """Return the registration of a node."""
        languages = Languages(asr=("en",), semantic=("es",), tts=("es",))
        return NodeArrived(
            self.nodes[name], NodeId(name), languages, slots, {}, connection, joins_turns=joins
        )

    def leave(self, name: str) -> DyingRef:
        """Take a node out of the directory, as its actor does when its socket is gone."""
        ref = self.nodes[name]
        ref.is_dead = True
        self.directory.remove_node(NodeId(name), ref)
        return ref

    # ---- what is said -----------------------------------------------------------------------

    def spec(self, session: str, index: int, **changes: Any) -> JobSpec:
        """Describe an utterance of 2 s."""
        self.world.session_epochs.setdefault(session, 0)
        return self.world.spec(session, index, **{"deadline_in_ms": LIFETIME_MS} | changes)

    def cut(self, session: str = "s", index: int = 0, **changes: Any) -> UtteranceCut:
        """Return an utterance of a session; its audio is its job's id."""
        spec = self.spec(session, index, **changes)
        work = Work(
            source="en",
            target="es",
            audio_format=AudioFormat.PCM16,
            sample_rate_hz=16_000,
            padding_ms=280,
            pipeline=FULL_PIPELINE,
            trace_id=TraceId("trace"),
            turn_id=TurnId(spec.turn_id),
        )
        ref = self.sessions[session]
        cut = UtteranceCut(ref, spec, work, spec.job_id.encode(), self.clock.now_ms)
        ref.cuts[spec.job_id] = cut
        return cut

    def segment(self, part: int, session: str = "s", *, ends: bool = False) -> UtteranceCut:
        """Return a segment of the session's one long turn."""
        turn = {"turn_id": "turn-long", "turn_part": part, "turn_continues": not ends}
        return self.cut(session, part, **turn)

    def result(self, cut: UtteranceCut, node: str = "n", attempt: int = 1, **said: Any) -> Any:
        """Return a node's answer to a job; a full one unless said otherwise."""
        fields: dict[str, Any] = {
            "success": True,
            "text_asr": "hello",
            "text_translated": "hola",
        } | said
        result = JobResult(job_id=NodeJobId("as the node calls it"), **fields)
        return ResultArrived(cut.spec.job_id, attempt, NodeId(node), result)

    def empty(self, cut: UtteranceCut, node: str = "n", attempt: int = 1) -> Any:
        """Return a node's answer without words."""
        return self.result(cut, node, attempt, text_asr="", text_translated="")

    def failure(self, cut: UtteranceCut, node: str = "n", attempt: int = 1, code: str = "") -> Any:
        """Return a node's refusal."""
        error = JobError(code=code or "PROCESSING_ERROR")
        nothing = {"success": False, "text_asr": "", "text_translated": ""}
        return self.result(cut, node, attempt, error=error, **nothing)

    # ---- what came of it --------------------------------------------------------------------

    def assigned(self, node: str = "n") -> list[tuple[JobId, int]]:
        """Return what a node was given, with the attempt, in order."""
        told = self.nodes[node].of(AssignJob)
        return [(one.spec.job_id, one.attempt) for one in told]

    def ends_of(self, session: str = "s") -> list[tuple[int, JobState, str | None]]:
        """Return the outcomes a session was told: index, state and reason, in order."""
        ref = self.sessions[session]
        return [
            (ref.cuts[end.job_id].spec.utterance_index, end.state, end.reason)
            for end in ref.of(JobEnded)
        ]

    def state_of(self, cut: UtteranceCut) -> JobState:
        """Return the state of a job in the store."""
        return self.world.job(cut.spec.job_id).state


def _wanted(session: DyingRef) -> list[AudioSupplied]:
    """Take the wishes for audio that a session has not answered."""
    if not session.answers or session.is_dead:
        return []
    wishes = session.of(UtteranceWanted)
    session.messages = [one for one in session.messages if not isinstance(one, UtteranceWanted)]
    return [
        AudioSupplied(wish.job_id, wish.attempt, session.cuts[wish.job_id].audio) for wish in wishes
    ]
