"""DispatcherActor: brings utterances to nodes and outcomes to sessions, through the store.

It alone runs the scripts of jobs, nodes and sessions. Everything that waits in its mailbox is
decided together and run as one pipeline; what arrives meanwhile is the next one. So a dispatch
costs one round trip shared with its neighbours, and there is never a lock.

While the store is away the steps that could not run are kept, in order, and run again when it
answers: every script is idempotent. A cut that waits too long ends as `store_unavailable`. Where
several servers share the data, only what concerns the cells of one that is away waits.

What it has taken on stands in its ledger. When it fails, a successor gets that: see `succession`.
"""

import asyncio
from collections.abc import Sequence
from operator import attrgetter
from typing import Any, TypeAlias, assert_never

from loguru import logger

from actors.dispatcher.job_driver import SWEEP_MS
from actors.dispatcher.ledger import Ledger
from actors.dispatcher.parts import Parts
from actors.dispatcher.step import Step
from actors.dispatcher.succession import DispatcherHandover
from actors.messages.job import (
    AudioSupplied,
    EndJob,
    JobAbandoned,
    JobAccepted,
    JobUndelivered,
    ResultArrived,
    UtteranceCut,
)
from actors.messages.node import (
    NodeArrived,
    NodeBeat,
    NodeChanged,
    NodeDraining,
    NodeHeld,
    NodeLost,
    SlotsWanted,
)
from actors.messages.process import InstanceExpired, NoteArrived, PeerUnreachable, StoreEmptied
from actors.messages.session import SessionEnded, SessionOpened
from actors.messages.stream import StreamBroken, StreamClosed, StreamWanted
from actors.messages.takeover import (
    LocateSession,
    OwnershipUnclear,
    RecordSession,
    ReleaseSession,
    ResumeRequested,
    SessionDrained,
)
from actors.runtime.actor import LoopActor
from protocol.ids import NodeId
from storage.call import ScriptRunner
from storage.store import StorageUnavailable

_CALL = attrgetter("step.call")
_PIPELINE_CALLS = 256
"""Scripts in one round trip at most: about 12 ms of the store's time."""
_RETRY_MS = 200
_HUNG_SECONDS = 1.0
"""A store that has not answered for so long may not answer at all."""
_HUNG_LOOK_SECONDS = 0.1
_SWEEP_APART_MS = 5
"""The store is asked for due jobs at their time, and at least every `SWEEP_MS`: lost wake-ups heal.
It is never asked more often than this, whatever it says is due."""


DispatcherMessage: TypeAlias = (
    UtteranceCut
    | AudioSupplied
    | ResultArrived
    | JobAccepted
    | JobUndelivered
    | JobAbandoned
    | EndJob
    | SessionOpened
    | SessionEnded
    | RecordSession
    | ResumeRequested
    | LocateSession
    | SessionDrained
    | ReleaseSession
    | OwnershipUnclear
    | NodeArrived
    | NodeChanged
    | NodeBeat
    | NodeLost
    | NodeDraining
    | NodeHeld
    | SlotsWanted
    | StoreEmptied
    | InstanceExpired
    | NoteArrived
    | PeerUnreachable
    | StreamWanted
    | StreamClosed
    | StreamBroken
)
"""All that a dispatcher is sent."""


class DispatcherActor(LoopActor):
    """Runs steps, and nothing else; what they are is decided by its `Parts`.

    Its mailbox has no limit of its own, for nobody could wait: what is open bounds it. A session
    tells it a few messages for each open utterance (`max_open_utterances` in the process), a node
    no more than its own full mailbox, whose socket is not read meanwhile.
    """

    def __init__(self, store: ScriptRunner, parts: Parts) -> None:
        super().__init__()
        self._store = store
        self._parts = parts
        self._beats: dict[NodeId, NodeBeat] = {}
        self._ledger = Ledger()
        self._away: set[str] = set()
        """The prefixes of the cells whose server did not answer; empty from each retry on."""
        self._store_is_away = False
        self._hung_timer: asyncio.TimerHandle | None = None
        self._hung_error: Exception | None = None
        self._retry_at_ms: float | None = None
        self._later_at_ms: float | None = None
        self._sweep_at_ms = 0.0
        self._no_sweep_before_ms = 0.0

    def __repr__(self) -> str:
        return f"<DispatcherActor open={len(self._parts.ends.open_jobs)} owed={len(self._ledger)}>"

    def on_start(self) -> None:
        """Begin to look for due jobs."""
        self._sweep_at_ms = self.now_ms() + SWEEP_MS
        self.wake_at(self._sweep_at_ms)

    async def on_receive_batch(self, messages: list[DispatcherMessage]) -> None:
        """Decide on everything that waits, then run it.

        The first cut of a session may be in the same batch as its opening: it is dispatched
        under the epoch that its claim brings.
        """
        ledger, now_ms = self._ledger, self.now_ms()
        epochs = self._parts.claims.epochs
        unclaimed: list[DispatcherMessage] = []
        for message in messages:
            if isinstance(message, UtteranceCut) and message.spec.session_id not in epochs:
                unclaimed.append(message)  # noqa: PERF401 - a step less, for each batch
        ledger.undecided.extend(messages)
        if unclaimed:
            behind = set(map(id, unclaimed))
            first = [message for message in messages if id(message) not in behind]
            ledger.undecided.clear()
            ledger.undecided.extend((*first, *unclaimed))
            self._decide(len(first), now_ms)
            await self._run_due()
        self._decide(len(ledger.undecided), now_ms)
        await self._run_due()

    async def on_wake(self, now_ms: float) -> None:
        """Due jobs, steps that were put off, or another try after the store was away."""
        ledger = self._ledger
        if self._retry_at_ms is not None and now_ms >= self._retry_at_ms:
            self._retry_at_ms = None
            self._away.clear()
        if self._later_at_ms is not None and now_ms >= self._later_at_ms:
            self._later_at_ms = None
            ledger.take_later()
            ledger.expire(now_ms)
        if now_ms >= self._sweep_at_ms:
            self._sweep_at_ms = now_ms + SWEEP_MS
            self._no_sweep_before_ms = now_ms + _SWEEP_APART_MS
            ledger.owe(self._parts.jobs.deadlines.sweep(now_ms))
            ledger.enter()
        await self._run_due()

    def handover(self, error: BaseException) -> DispatcherHandover:
        """A bug ended this actor: what is not finished passes to its successor."""
        fault = self._ledger.fault(error)
        return DispatcherHandover(self._parts, fault, tuple(self._ledger.unfinished(fault.message)))

    def _decide(self, count: int, now_ms: float) -> None:
        """Find the steps that follow from the next messages."""
        ledger = self._ledger
        ledger.is_deciding = True
        for _ in range(count):
            message = ledger.undecided[0]
            steps = self._plan(message, now_ms)
            if steps:
                ledger.owe(steps, message)
            ledger.undecided.popleft()
        ledger.is_deciding = False
        if ledger.decided:
            ledger.enter()

    def _plan(  # noqa: C901, PLR0912 - one line per message
        self, message: DispatcherMessage, now_ms: float
    ) -> Sequence[Step]:
        parts = self._parts
        match message:
            case UtteranceCut():
                return parts.jobs.cut(message)
            case ResultArrived():
                return parts.jobs.result(message)
            case JobAccepted():
                return parts.jobs.accepted(message, now_ms)
            case AudioSupplied():
                return parts.jobs.assigner.audio_supplied(message)
            case NodeBeat():
                self._beats[message.node_id] = message
                return ()
            case EndJob():
                return parts.jobs.end(message)
            case JobAbandoned():
                return parts.ends.abandoned(message)
            case JobUndelivered():
                return parts.jobs.undelivered(message)
            case SessionOpened():
                return parts.claims.opened(message)
            case RecordSession():
                return parts.takeover.record(message)
            case SessionEnded():
                left = parts.jobs.streams.session_gone(message.session_id)
                return (*left, *parts.claims.ended(message))
            case ResumeRequested():
                return parts.takeover.resume(message, now_ms)
            case LocateSession():
                return parts.takeover.locate(message, now_ms)
            case SessionDrained():
                return parts.takeover.drained(message)
            case ReleaseSession():
                return parts.takeover.release(message)
            case OwnershipUnclear():
                return parts.claims.check(message.stalls)
            case NodeArrived():
                return parts.nodes.arrived(message)
            case NodeChanged():
                return parts.nodes.changed(message)
            case NodeLost():
                return parts.nodes.lost(message)
            case NodeDraining():
                return parts.nodes.draining(message)
            case NodeHeld():
                return parts.nodes.held(message)
            case SlotsWanted():
                return parts.nodes.slots_wanted(message)
            case StreamWanted() | StreamClosed() | StreamBroken():
                return parts.jobs.streams.on(message, now_ms)
            case StoreEmptied():
                return parts.store_emptied()
            case InstanceExpired() | NoteArrived() | PeerUnreachable():
                return parts.instances.on(message)
            case _:
                assert_never(message)

    # ---- running ----------------------------------------------------------------------------

    async def _run_due(self) -> None:
        """Run what is due, in order; keep what the store could not take."""
        ledger = self._ledger
        if self._away:
            ledger.expire(self.now_ms())
        elif self._beats:
            ledger.owe(self._parts.nodes.beats(self._beats.values(), self.now_ms()))
            ledger.enter()
            self._beats.clear()
        loop = asyncio.get_running_loop()
        while ledger.waiting and (running := ledger.begin(_PIPELINE_CALLS, self._away)):
            self._hung_timer = loop.call_later(_HUNG_SECONDS, self._on_hung, loop)
            try:
                replies = await self._store.run(list(map(_CALL, running)))
            except StorageUnavailable as error:
                replies = [error] * len(running)
            finally:
                self._hung_timer.cancel()
            if self._hung_error is not None:
                raise self._hung_error
            was_away = self._store_is_away
            self._conclude(replies)
            if was_away and not self._store_is_away:
                ledger.owe(self._parts.jobs.restorer.look_for_waiting())
                ledger.enter()
        self._arm()

    def _on_hung(self, loop: asyncio.AbstractEventLoop) -> None:
        """The store has not answered for long: give up what has waited too long meanwhile."""
        try:
            self._ledger.expire(self.now_ms(), running=True)
        except Exception as error:  # noqa: BLE001 - this actor fails of it, when it goes on
            self._hung_error = error
        self._hung_timer = loop.call_later(_HUNG_LOOK_SECONDS, self._on_hung, loop)

    def _conclude(self, replies: Sequence[Any]) -> None:
        """Draw the conclusions of what ran; keep what was not answered. What follows is next.

        Whatever a script was, waiting jobs may have got slots by it.
        """
        ledger = self._ledger
        fault: str | None = None
        if StorageUnavailable in map(type, replies):
            fault = next(str(one) for one in replies if isinstance(one, StorageUnavailable))
            replies = ledger.miss(replies)
        for reply in replies:
            ledger.at = owed = ledger.running.popleft()
            steps = owed.step.apply(reply)
            if steps:
                ledger.owe(steps, owed.message)
            if handovers := getattr(reply, "handovers", ()):
                jobs = self._parts.jobs
                cell = jobs.cell_of(owed.step.call)
                ledger.owe(jobs.handed_over(handovers, cell), owed.message)
        ledger.at = None
        if ledger.decided:
            ledger.enter(first=True)
        if fault is not None:
            self._keep(fault)
        elif self._store_is_away and not self._away:
            self._note_store(None)

    def _note_store(self, fault: str | None) -> None:
        """Log when the store goes away and when it is back, once each."""
        if fault is not None and not self._store_is_away:
            logger.warning("the store does not answer; what it should do waits", error=fault)
        elif fault is None and self._store_is_away:
            logger.info("the store answers again")
        self._store_is_away = fault is not None

    def _keep(self, fault: str) -> None:
        self._note_store(fault)
        self._away.update(owed.step.call.keys[0] for owed in self._ledger.missed)
        self._ledger.put_back()
        self._ledger.expire(self.now_ms())
        self._retry_at_ms = self.now_ms() + _RETRY_MS

    # ---- time -------------------------------------------------------------------------------

    def _arm(self) -> None:
        """Wake at the earliest of: due jobs, steps put off, the next try at the store."""
        due_in_ms = self._parts.due_in_ms
        if due_in_ms is not None:
            self._parts.due_in_ms = None
            at_ms = max(self.now_ms() + due_in_ms + 1, self._no_sweep_before_ms)
            self._sweep_at_ms = min(self._sweep_at_ms, at_ms)
        if self._ledger.later and self._later_at_ms is None:
            self._later_at_ms = self.now_ms() + _RETRY_MS
        at_ms = self._sweep_at_ms
        if self._retry_at_ms is not None and self._retry_at_ms < at_ms:
            at_ms = self._retry_at_ms
        if self._later_at_ms is not None and self._later_at_ms < at_ms:
            at_ms = self._later_at_ms
        if self._alarm is None or self._alarm.deadline_ms != at_ms:
            self.wake_at(at_ms)
