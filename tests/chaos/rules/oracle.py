"""The judge of a chaos run: it knows the wire logs, and nothing else.

Feed it the events of all peers in the order of their times. Every breach is a sentence with the
rule that was broken. What a finished session has left is forgotten after a while, so a run may be
as long as one likes.
"""

from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from tests.chaos.log import (
    EVERYBODY,
    CloseAcked,
    Complaint,
    Event,
    OutcomeHeard,
    ResumeRefused,
    SessionAbandoned,
    SessionEvent,
    Tick,
    TurnedAway,
)
from tests.chaos.rules.calm import Calm
from tests.chaos.rules.merge import MergeRule
from tests.chaos.rules.node import AttemptRule, CapacityRule, OrderRule
from tests.chaos.rules.progress import DeadlineRule, StallRule, StarvationRule
from tests.chaos.rules.session import AudioRule, OutcomeRule

_FORGET_SECONDS = 90.0
"""A session that ended may still be with a node, for as long as its jobs may live."""
_CONTEXT = 12
_NOTICED_SECONDS = 10.0
"""In which both ends of a connection notice that it is lost."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What the server under test was told, as far as it concerns the rules."""

    outcome_seconds: float = 60.0
    """From the end of an utterance to its outcome, at the latest."""
    stall_seconds: float = 5.0
    """Without any outcome, or without a node for an utterance, while a node is free."""
    max_attempts: int = 3
    job_seconds: float = 30.0
    """For which a node may have a job."""
    grace_seconds: float = 30.0
    """For which a session may be resumed."""


@dataclass(frozen=True, slots=True)
class Breach:
    """A rule, broken."""

    rule: str
    at: float
    text: str

    def __str__(self) -> str:
        return f"{self.at:9.3f}  {self.rule}: {self.text}"


class Rule(Protocol):
    """One invariant."""

    name: str

    def take(self, event: Event) -> Iterator[str]:
        """Look at an event; yield what it breaks."""

    def forget(self, session: str) -> None:
        """Let go of a session that is over."""


class ComplaintRule:
    """Nobody hears what no peer may be told; a session that may be resumed can be resumed."""

    name = "manners"

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._calm = Calm()

    def take(self, event: Event) -> Iterator[str]:
        """See `Rule.take`."""
        self._calm.take(event)
        match event:
            case Complaint():
                yield event.text
            case TurnedAway() if self._is_calm(event.at):
                yield event.text
            case ResumeRefused() if event.away_seconds < self._limits.grace_seconds:
                if self._is_calm(event.at):  # else it may have noticed the loss long after us
                    yield f"{event.session} was away {event.away_seconds:.1f} s and is not known"

    def _is_calm(self, now: float) -> bool:
        """Tell whether nothing has gone wrong for everybody, now and just before."""
        calm_since = self._calm.since(EVERYBODY)
        return calm_since is not None and calm_since <= now - _NOTICED_SECONDS

    def forget(self, session: str) -> None:
        """See `Rule.forget`."""


@dataclass(slots=True)
class Tally:
    """What a run was made of."""

    outcomes: Counter[str] = field(default_factory=Counter)
    """`translated`, or the reason of a `missing_result`; those that came late count twice."""
    events: Counter[str] = field(default_factory=Counter)

    def take(self, event: Event) -> None:
        """Count an event."""
        self.events[type(event).__name__] += 1
        if isinstance(event, OutcomeHeard):
            self.outcomes[event.reason or "translated"] += 1
            if event.late:
                self.outcomes["late"] += 1


class Oracle:
    """All rules. Life: that of a run; `breaches` grows, and is empty if all is well."""

    def __init__(self, limits: Limits | None = None) -> None:
        limits = limits or Limits()
        self.tally = Tally()
        self.breaches: list[Breach] = []
        self.context: dict[int, list[Event]] = {}
        """Number of a breach → the last events of its session or of all."""
        self._rules: tuple[Rule, ...] = (
            OutcomeRule(),
            AudioRule(),
            CapacityRule(limits.job_seconds),
            OrderRule(),
            MergeRule(),
            AttemptRule(limits.max_attempts),
            DeadlineRule(limits.outcome_seconds),
            StallRule(limits.stall_seconds),
            StarvationRule(limits.stall_seconds),
            ComplaintRule(limits),
        )
        self._over: deque[tuple[float, str]] = deque()
        self._recent: deque[Event] = deque(maxlen=5000)

    @property
    def rules(self) -> tuple[str, ...]:
        """The names of all rules."""
        return tuple(rule.name for rule in self._rules)

    def take(self, event: Event) -> None:
        """Look at the next event."""
        self.tally.take(event)
        if not isinstance(event, Tick):
            self._recent.append(event)
        for rule in self._rules:
            for text in rule.take(event):
                self.context[len(self.breaches)] = self._context(event)
                self.breaches.append(Breach(rule.name, event.at, text))
        if isinstance(event, (CloseAcked, SessionAbandoned)):
            self._over.append((event.at + _FORGET_SECONDS, event.session))
        while self._over and self._over[0][0] < event.at:
            _, session = self._over.popleft()
            for rule in self._rules:
                rule.forget(session)

    def verdict(self) -> dict[str, int]:
        """Return rule → how often it was broken."""
        broken = Counter(breach.rule for breach in self.breaches)
        return {rule: broken[rule] for rule in self.rules}

    def report(self, most: int = 20) -> str:
        """Return the breaches as text, with what happened before the first of them."""
        lines = [str(breach) for breach in self.breaches[:most]]
        if self.breaches:
            lines.append("before the first of them:")
            lines += [f"    {event}" for event in self.context[0]]
        return "\n".join(lines)

    def _context(self, event: Event) -> list[Event]:
        session = event.session.split("~")[0] if isinstance(event, SessionEvent) else None
        session = getattr(event, "session", session)
        if session is None:
            return list(self._recent)[-_CONTEXT:]
        public = session.split("~")[0].split("#")[0]
        about = [one for one in self._recent if public in str(getattr(one, "session", ""))]
        return about[-_CONTEXT:]
