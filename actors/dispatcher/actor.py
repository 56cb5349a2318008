"""DispatcherActor: brings utterances to nodes and outcomes to sessions, through the store.

It alone runs the scripts of jobs, nodes and sessions. Everything that waits in its mailbox is
decided together and run as one pipeline; what arrives meanwhile is the next one. So a dispatch
costs one round trip shared with its neighbours, and there is never a lock.

While the store is away the steps that could not run are kept, in order, and run again when it
answers: every script is idempotent. A cut that waits too long ends as `store_unavailable`. Where
several servers share the data, only what concerns the cells of one that is away waits.

What it has taken on stands in its ledger. When it fails, that is its estate: see `succession`.
"""

from collections.abc import Sequence
from typing import Any

from loguru import logger

from actors.dispatcher.ledger import Ledger
from actors.dispatcher.step import Step
from actors.dispatcher.succession import DispatcherHandover, Steps
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
    NodeLost,
    SlotsWanted,
)
from actors.messages.process import InstanceExpired, NoteArrived, PeerUnreachable, StoreEmptied
from actors.messages.session import SessionEnded, SessionOpened
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

_PIPELINE_CALLS = 256
"""Scripts in one round trip at most: about 12 ms of the store's time."""
_RETRY_MS = 200
_SWEEP_MS = 1000
"""The store is asked for due jobs at their time, and at least this often: lost wake-ups heal."""
_SWEEP_APART_MS = 5
"""It is never asked more often than this, whatever it says is due."""


class DispatcherActor(LoopActor):
    """Runs steps, and nothing else; what they are is decided by its `Steps`.

    Its mailbox has no limit of its own, for nobody could wait: what is open bounds it. A session
    tells it a few messages for each open utterance (`max_open_utterances` in the process), a node
    no more than its own full mailbox, whose socket is not read meanwhile.
    """

    def __init__(self, store: ScriptRunner, steps: Steps) -> None:
        super().__init__()
        self._store = store
        self._steps = steps
        self._jobs = steps.jobs
        self._nodes = steps.nodes
        self._sessions = steps.sessions
        self._reaping = steps.reaping
        self._notes = steps.notes
        self._moves = steps.moves
        self._beats: dict[NodeId, NodeBeat] = {}
        self._ledger = Ledger()
        self._away: set[str] = set()
        """The prefixes of the cells whose server did not answer; empty from each retry on."""
        self._store_is_away = False
        self._retry_at_ms: float | None = None
        self._later_at_ms: float | None = None
        self._sweep_at_ms = 0.0
        self._no_sweep_before_ms = 0.0
        self._jobs.on_due = self._expect_due

    def __repr__(self) -> str:
        return f"<DispatcherActor open={len(self._jobs.open_jobs)} owed={len(self._ledger)}>"

    def on_start(self) -> None:
        """Begin to look for due jobs."""
        self._sweep_at_ms = self.now_ms() + _SWEEP_MS
        self.wake_at(self._sweep_at_ms)

    async def on_receive_batch(self, messages: list[Any]) -> None:
        """Decide on everything that waits, then run it.

        The first words of a session may be in the same batch as its opening: they are dispatched
        under the epoch that its claim brings.
        """
        unclaimed = [message for message in messages if self._is_unclaimed(message)]
        first = messages
        if unclaimed:
            first = [message for message in messages if not self._is_unclaimed(message)]
        self._ledger.undecided.extend(first)
        self._ledger.undecided.extend(unclaimed)
        if first:
            self._decide(len(first))
            await self._run_due()
        if unclaimed:
            self._decide(len(unclaimed))
            await self._run_due()

    def _is_unclaimed(self, message: Any) -> bool:
        if not isinstance(message, UtteranceCut):
            return False
        return not self._sessions.epoch(message.spec.session_id)

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
            self._sweep_at_ms = now_ms + _SWEEP_MS
            self._no_sweep_before_ms = now_ms + _SWEEP_APART_MS
            ledger.owe(self._jobs.sweep(now_ms))
            ledger.enter()
        await self._run_due()

    def leave(self, error: BaseException) -> DispatcherHandover:
        """A bug ended this actor: what is not finished passes to its successor."""
        fault = self._ledger.fault(error)
        return DispatcherHandover(self._steps, fault, tuple(self._ledger.unfinished(fault.message)))

    def _decide(self, count: int) -> None:
        """Find the steps that follow from the next messages."""
        ledger, now_ms = self._ledger, self.now_ms()
        ledger.is_deciding = True
        for _ in range(count):
            message = ledger.undecided[0]
            ledger.owe(self._plan(message, now_ms), message)
            ledger.undecided.popleft()
        ledger.is_deciding = False
        self._enter()

    def _enter(self, *, first: bool = False) -> None:
        """Put what was decided on in its place."""
        if self._ledger.enter(first=first) and self._later_at_ms is None:
            self._later_at_ms = self.now_ms() + _RETRY_MS

    def _plan(self, message: Any, now_ms: float) -> Sequence[Step]:  # noqa: C901 - a table of contents
        match message:
            case UtteranceCut():
                return self._jobs.cut(message, now_ms)
            case AudioSupplied():
                return self._jobs.assigner.audio_supplied(message)
            case ResultArrived():
                return self._jobs.result(message)
            case JobAccepted():
                return self._jobs.accepted(message, now_ms)
            case NodeBeat():
                self._beats[message.node_id] = message
                return ()
            case EndJob():
                return self._jobs.end(message)
            case JobAbandoned():
                return self._jobs.ends.abandoned(message)
            case JobUndelivered():
                return self._jobs.undelivered(message)
            case NodeArrived():
                return self._nodes.arrived(message)
            case NodeChanged():
                return self._nodes.changed(message)
            case NodeLost():
                return self._nodes.lost(message)
            case NodeDraining():
                return self._nodes.draining(message)
            case StoreEmptied():
                return self._jobs.restore_all()
            case SessionOpened():
                return self._sessions.opened(message)
            case SessionEnded():
                self._jobs.session_ended(message.session_id)
                return self._sessions.ended(message)
            case (
                RecordSession()
                | ResumeRequested()
                | LocateSession()
                | SessionDrained()
                | ReleaseSession()
                | OwnershipUnclear()
            ):
                return self._moves.plan(message, now_ms)
            case _:
                return self._plan_among_instances(message)

    def _plan_among_instances(self, message: Any) -> Sequence[Step]:
        """Decide on what happens only where there are several instances."""
        match message:
            case InstanceExpired():
                return self._reaping.expired(message)
            case NoteArrived() | PeerUnreachable():
                return self._notes.arrived(message)
            case SlotsWanted():
                return self._nodes.slots_wanted(message)
            case _:
                raise TypeError(f"{self!r} cannot handle {type(message).__name__}")

    # ---- running ----------------------------------------------------------------------------

    async def _run_due(self) -> None:
        """Run what is due, in order; keep what the store could not take."""
        ledger = self._ledger
        if self._away:
            ledger.expire(self.now_ms())
        elif self._beats:
            ledger.owe(self._nodes.beats(self._beats.values(), self.now_ms()))
            ledger.enter()
            self._beats.clear()
        while running := ledger.begin(_PIPELINE_CALLS, self._away):
            try:
                replies = await self._store.run([owed.step.call for owed in running])
            except StorageUnavailable as error:
                replies = [error] * len(running)
            was_away = self._store_is_away
            self._conclude(replies)
            if was_away and not self._store_is_away:
                ledger.owe(self._jobs.look_for_waiting())
                ledger.enter()
        self._arm()

    def _conclude(self, replies: Sequence[Any]) -> None:
        """Draw the conclusions of what ran; keep what was not answered. What follows is next."""
        ledger = self._ledger
        faults = [reply for reply in replies if isinstance(reply, StorageUnavailable)]
        if faults:
            replies = ledger.miss(replies)
        for reply in replies:
            ledger.at = owed = ledger.running.popleft()
            ledger.owe(self._apply(owed.step, reply), owed.message)
        ledger.at = None
        self._enter(first=True)
        if faults:
            self._keep(str(faults[0]))
        elif not self._away:
            self._note_store(None)

    def _apply(self, step: Step, reply: Any) -> Sequence[Step]:
        """Draw the conclusions; whatever the script was, waiting jobs may have got slots by it."""
        follow = step.apply(reply)
        handovers = getattr(reply, "handovers", ())
        if not handovers:
            return follow
        return (*follow, *self._jobs.handed_over(handovers, self._jobs.cell_of(step.call)))

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

    def _expect_due(self, due_in_ms: int) -> None:
        at_ms = max(self.now_ms() + due_in_ms + 1, self._no_sweep_before_ms)
        self._sweep_at_ms = min(self._sweep_at_ms, at_ms)

    def _arm(self) -> None:
        """Wake at the earliest of: due jobs, steps put off, the next try at the store."""
        at_ms = self._sweep_at_ms
        if self._retry_at_ms is not None and self._retry_at_ms < at_ms:
            at_ms = self._retry_at_ms
        if self._later_at_ms is not None and self._later_at_ms < at_ms:
            at_ms = self._later_at_ms
        self.wake_at(at_ms)
