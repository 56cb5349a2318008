"""Ledger: what a dispatcher has taken on and not finished, message by message.

A message is finished when every step that follows from it has run and its conclusions are drawn.
What is not finished can be done again from the message: every script is idempotent. So when the
dispatcher fails, nothing else has to be known of what was under way. Pure.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, NamedTuple

from actors.dispatcher.step import JobFault, Step
from actors.messages.job import (
    AudioSupplied,
    EndJob,
    JobAbandoned,
    JobAccepted,
    JobUndelivered,
    ResultArrived,
    UtteranceCut,
)
from protocol.ids import JobId
from storage.store import ScriptError, StorageUnavailable


class Owed(NamedTuple):
    """A step, and what asked for it."""

    step: Step
    message: Any
    """None: it follows from time alone, and will again."""


class Fault(NamedTuple):
    """What the dispatcher was at when it failed."""

    message: Any
    """None where no message asked for it, or nobody knows."""
    job_id: JobId | None
    """Whose handling failed; None: it is not the matter of one job."""


class Ledger:
    """Messages and steps in the order in which they are due. The dispatcher moves them through."""

    def __init__(self) -> None:
        self.undecided: deque[Any] = deque()
        """Messages of the batch that were not looked at."""
        self.decided: list[Owed] = []
        """Steps that were just decided on; `enter` says when they are due."""
        self.waiting: list[Owed] = []
        """Steps to run, in order; while the store is away they stay here."""
        self.running: deque[Owed] = deque()
        """Steps that were sent to the store and whose conclusions are not drawn."""
        self.missed: list[Owed] = []
        """Steps that were sent to the store and not answered, while others were."""
        self.later: list[Owed] = []
        """Steps whose time has not come; they hold nobody up."""
        self.at: Owed | None = None
        """Whose conclusions are drawn at this moment."""
        self.is_deciding = False
        """The first of the undecided messages is looked at."""

    def __len__(self) -> int:
        return len(self.waiting) + len(self.running) + len(self.missed) + len(self.later)

    def owe(self, steps: Iterable[Step], message: Any = None) -> None:
        """Note steps that were decided on because of this message; `enter` puts them in place."""
        for step in steps:
            (self.later if step.postponed else self.decided).append(Owed(step, message))

    def enter(self, *, first: bool = False) -> None:
        """Put what was decided on in its place."""
        if first:
            self.waiting[:0] = self.decided
        else:
            self.waiting.extend(self.decided)
        self.decided.clear()

    def begin(self, most: int, away: AbstractSet[str] = frozenset()) -> deque[Owed]:
        """Take the first steps, to run them; not those of cells that are away, by their prefix."""
        if not away:
            if len(self.waiting) <= most:
                self.running.extend(self.waiting)
                self.waiting.clear()
            else:
                self.running.extend(self.waiting[:most])
                del self.waiting[:most]
            return self.running
        here = [owed for owed in self.waiting if owed.step.call.keys[0] not in away]
        rest = here[most:]
        self.running.extend(here[:most])
        held = [owed for owed in self.waiting if owed.step.call.keys[0] in away]
        self.waiting = held + rest
        return self.running

    def miss(self, replies: Sequence[Any]) -> list[Any]:
        """Set aside what the store did not answer; return the replies to the rest."""
        answers: list[Any] = []
        for _ in range(len(self.running)):
            owed, reply = self.running.popleft(), replies[len(answers) + len(self.missed)]
            if isinstance(reply, StorageUnavailable):
                self.missed.append(owed)
            else:
                answers.append(reply)
                self.running.append(owed)
        return answers

    def put_back(self) -> None:
        """What was not answered is run again, before the rest."""
        self.waiting[:0] = self.missed
        self.missed.clear()

    def take_later(self) -> None:
        """The time has come for what was put off: it is due behind what waits."""
        self.waiting.extend(self.later)
        self.later.clear()

    def expire(self, now_ms: float, *, running: bool = False) -> None:
        """Give up what has waited too long; what stands in its place waits on.

        Also of what the store has, with `running`: its replies will not count.
        """
        kept: list[Owed] = []
        for at, owed in enumerate(self.running if running else ()):
            instead = self._instead(owed, now_ms)
            if instead != [owed]:
                kept.extend(instead)
                self.running[at] = Owed(Step(owed.step.call, _ignore), owed.message)
        for owed in self.waiting:
            kept.extend(self._instead(owed, now_ms))
        self.waiting = kept

    def _instead(self, owed: Owed, now_ms: float) -> list[Owed]:
        expiry = owed.step.expiry
        if expiry is None or now_ms < expiry.at_ms:
            return [owed]
        self.at = owed
        steps = expiry.give_up()
        self.at = None
        return [one for step in steps for one in self._instead(Owed(step, owed.message), now_ms)]

    # ---- after a failure --------------------------------------------------------------------

    def fault(self, error: BaseException) -> Fault:
        """Return whom the error concerns, as far as can be known."""
        at = self.at
        if isinstance(error, ScriptError) and error.number < len(self.running):
            at = self.running[error.number]
        message = at.message if at else self.undecided[0] if self.is_deciding else None
        if isinstance(error, JobFault):
            return Fault(message, error.job_id)
        return Fault(message, (at.step.job_id if at else None) or job_of(message))

    def unfinished(self, without: Any) -> list[Any]:
        """Return the messages to be done again, in order and once each, but for this one."""
        steps = [self.at] if self.at else []
        steps += [*self.running, *self.missed, *self.decided, *self.waiting, *self.later]
        messages = [*(owed.message for owed in steps), *self.undecided]
        unique = {id(message): message for message in messages}
        return [one for one in unique.values() if one is not None and one is not without]


def _ignore(_reply: Any) -> Sequence[Step]:
    return ()


def job_of(message: Any) -> JobId | None:
    """Return the one job that a message is about; None if it is about something else."""
    match message:
        case UtteranceCut():
            return message.spec.job_id
        case (
            ResultArrived()
            | AudioSupplied()
            | JobAccepted()
            | JobUndelivered()
            | EndJob()
            | JobAbandoned()
        ):
            return message.job_id
        case _:
            return None
