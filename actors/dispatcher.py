"""DispatcherActor: brings utterances to nodes and outcomes to sessions, through the store.

It alone runs the scripts of jobs, nodes and sessions. Everything that waits in its mailbox is
decided together and run as one pipeline; what arrives meanwhile is the next one. So a dispatch
costs one round trip shared with its neighbours, and there is never a lock.

While the store is away the steps that could not run are kept, in order, and run again when it
answers: every script is idempotent. A cut that waits too long ends as `store_unavailable`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from loguru import logger

from actors.job_steps import JobSteps
from actors.messages import (
    EndJob,
    InstanceExpired,
    JobAccepted,
    JobUndelivered,
    NodeArrived,
    NodeBeat,
    NodeChanged,
    NodeLost,
    ResultArrived,
    SessionEnded,
    SessionOpened,
    StoreEmptied,
    UtteranceCut,
)
from actors.node_steps import NodeSteps
from actors.reap_steps import ReapSteps
from actors.runtime import LoopActor
from actors.session_steps import SessionSteps
from actors.step import Step, without_expired
from protocol.ids import NodeId
from storage.call import Call
from storage.store import StorageUnavailable

_PIPELINE_CALLS = 256
"""Scripts in one round trip at most: about 12 ms of the store's time."""
_RETRY_MS = 200
_SWEEP_MS = 1000
"""The store is asked for due jobs at their time, and at least this often: lost wake-ups heal."""
_SWEEP_APART_MS = 5
"""It is never asked more often than this, whatever it says is due."""


class ScriptRunner(Protocol):
    """The store, as far as the dispatcher needs it."""

    async def run(self, calls: Sequence[Call[Any]]) -> list[Any]:
        """Run all calls in one round trip; raise StorageUnavailable when it cannot be reached."""


@dataclass(frozen=True, slots=True)
class Steps:
    """Who decides which scripts follow a message, by subject."""

    jobs: JobSteps
    nodes: NodeSteps
    sessions: SessionSteps
    reaping: ReapSteps


class DispatcherActor(LoopActor):
    """Runs steps, and nothing else; what they are is decided by its `Steps`."""

    def __init__(self, store: ScriptRunner, steps: Steps) -> None:
        super().__init__()
        self._store = store
        self._jobs = steps.jobs
        self._nodes = steps.nodes
        self._sessions = steps.sessions
        self._reaping = steps.reaping
        self._beats: dict[NodeId, NodeBeat] = {}
        self._kept: list[Step] = []
        """Steps that the store could not take, in order; all that is new goes behind them."""
        self._store_is_away = False
        self._retry_at_ms: float | None = None
        self._later: list[Step] = []
        """Steps whose time has not come; they hold nobody up."""
        self._later_at_ms: float | None = None
        self._sweep_at_ms = 0.0
        self._no_sweep_before_ms = 0.0
        self._jobs.on_due = self._expect_due

    def __repr__(self) -> str:
        return f"<DispatcherActor open={len(self._jobs.open_jobs)} kept={len(self._kept)}>"

    def on_start(self) -> None:
        """Begin to look for due jobs."""
        self._sweep_at_ms = self.now_ms() + _SWEEP_MS
        self.wake_at(self._sweep_at_ms)

    async def on_receive_batch(self, messages: list[Any]) -> None:
        """Decide on everything that waits, then run it.

        The first words of a session may be in the same batch as its opening: they are dispatched
        under the epoch that its claim brings.
        """
        now_ms = self.now_ms()
        unclaimed = [message for message in messages if self._is_unclaimed(message)]
        if len(unclaimed) < len(messages):
            first = messages
            if unclaimed:
                first = [message for message in messages if not self._is_unclaimed(message)]
            await self._run_or_keep(self._planned(first, now_ms))
        if unclaimed:
            await self._run_or_keep(self._planned(unclaimed, now_ms))

    def _is_unclaimed(self, message: Any) -> bool:
        if not isinstance(message, UtteranceCut):
            return False
        return not self._sessions.epoch(message.spec.session_id)

    async def on_wake(self, now_ms: float) -> None:
        """Due jobs, steps that were put off, or another try after the store was away."""
        steps: list[Step] = []
        if self._retry_at_ms is not None and now_ms >= self._retry_at_ms:
            self._retry_at_ms = None
        if self._later_at_ms is not None and now_ms >= self._later_at_ms:
            self._later_at_ms = None
            steps, self._later = without_expired(self._later, now_ms), []
        if now_ms >= self._sweep_at_ms:
            self._sweep_at_ms = now_ms + _SWEEP_MS
            self._no_sweep_before_ms = now_ms + _SWEEP_APART_MS
            if self._retry_at_ms is None:
                steps.extend(self._jobs.sweep(now_ms))
        await self._run_or_keep(steps)

    def _planned(self, messages: list[Any], now_ms: float) -> list[Step]:
        steps = [step for message in messages for step in self._plan(message, now_ms)]
        self._put_off([step for step in steps if step.postponed])
        return [step for step in steps if not step.postponed]

    def _plan(self, message: Any, now_ms: float) -> Sequence[Step]:
        match message:
            case UtteranceCut():
                return self._jobs.cut(message, now_ms)
            case ResultArrived():
                return self._jobs.result(message)
            case JobAccepted():
                return self._jobs.accepted(message, now_ms)
            case NodeBeat():
                self._beats[message.node_id] = message
                return ()
            case EndJob():
                return self._jobs.end(message)
            case JobUndelivered():
                return self._jobs.undelivered(message)
            case NodeArrived():
                return self._nodes.arrived(message)
            case NodeChanged():
                return self._nodes.changed(message)
            case NodeLost():
                return self._nodes.lost(message)
            case InstanceExpired():
                return self._reaping.expired(message)
            case StoreEmptied():
                return self._jobs.restore_all()
            case SessionOpened():
                return self._sessions.opened(message)
            case SessionEnded():
                self._jobs.session_ended(message.session_id)
                return self._sessions.ended(message)
            case _:
                raise TypeError(f"{self!r} cannot handle {type(message).__name__}")

    # ---- running ----------------------------------------------------------------------------

    async def _run_or_keep(self, steps: list[Step]) -> None:
        """Run what was kept and what is new, in this order; keep what the store could not take."""
        waiting = [*self._kept, *steps]
        self._kept = []
        if self._retry_at_ms is not None:
            self._kept = without_expired(waiting, self.now_ms())
            self._arm()
            return
        if self._beats:
            waiting.extend(self._nodes.beats(self._beats.values(), self.now_ms()))
            self._beats.clear()
        while waiting:
            now, waiting = waiting[:_PIPELINE_CALLS], waiting[_PIPELINE_CALLS:]
            try:
                replies = await self._store.run([step.call for step in now])
            except StorageUnavailable as error:
                self._keep([*now, *waiting], str(error))
                return
            is_back = self._store_is_away
            self._note_store(None)
            follow = [
                after
                for step, reply in zip(now, replies, strict=True)
                for after in self._apply(step, reply)
            ]
            self._put_off([step for step in follow if step.postponed])
            waiting = [step for step in follow if not step.postponed] + waiting
            if is_back:
                waiting.extend(self._jobs.look_for_waiting())
        self._arm()

    def _put_off(self, steps: list[Step]) -> None:
        self._later.extend(steps)
        if steps and self._later_at_ms is None:
            self._later_at_ms = self.now_ms() + _RETRY_MS

    def _apply(self, step: Step, reply: Any) -> Sequence[Step]:
        """Draw the conclusions; whatever the script was, waiting jobs may have got slots by it."""
        follow = step.apply(reply)
        handovers = getattr(reply, "handovers", ())
        return (*follow, *self._jobs.handed_over(handovers)) if handovers else follow

    def _note_store(self, fault: str | None) -> None:
        """Log when the store goes away and when it is back, once each."""
        if fault is not None and not self._store_is_away:
            logger.warning("the store does not answer; what it should do waits", error=fault)
        elif fault is None and self._store_is_away:
            logger.info("the store answers again")
        self._store_is_away = fault is not None

    def _keep(self, steps: list[Step], fault: str) -> None:
        self._note_store(fault)
        self._kept = without_expired(steps, self.now_ms())
        self._retry_at_ms = self.now_ms() + _RETRY_MS
        self._arm()

    # ---- time -------------------------------------------------------------------------------

    def _expect_due(self, due_in_ms: int) -> None:
        at_ms = max(self.now_ms() + due_in_ms + 1, self._no_sweep_before_ms)
        self._sweep_at_ms = min(self._sweep_at_ms, at_ms)

    def _arm(self) -> None:
        """Wake at the earliest of: due jobs, steps put off, the next try at the store."""
        at_ms = self._sweep_at_ms if self._retry_at_ms is None else self._retry_at_ms
        if self._later_at_ms is not None and self._later_at_ms < at_ms:
            at_ms = self._later_at_ms
        self.wake_at(at_ms)
