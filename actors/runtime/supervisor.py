"""What happens when an actor fails: stop it, start a successor, or give up.

It owns the decision and the hand-over of what the dead actor left. It must not know what actors
do: how to clean up or to make a successor stands in the rules, which the composition root writes.

It is called by the failing actor itself, before any other actor runs. So nobody ever tells a
dead actor because its successor is not there yet, and messages keep their order.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from loguru import logger

from actors.ports import Mailbox
from actors.runtime.actor import ActorFailed, LoopActor, count_dead_letters, tell


class Policy(StrEnum):
    """What to do about a failed actor."""

    STOP = "stop"
    """It stays dead; `clean_up` tells those who relied on it."""
    RESTART = "restart"
    """`restart` makes a successor, which gets what is left to do, in order."""
    ESCALATE = "escalate"
    """The process cannot go on without it."""


@dataclass(frozen=True, slots=True)
class Rule:
    """How failures of one actor class are handled."""

    policy: Policy
    clean_up: Callable[[ActorFailed], object] | None = None
    """Called for every failure, before a successor is made."""
    restart: Callable[[ActorFailed], Mailbox | None] | None = None
    """Starts a successor, enters it in the directory and returns it; None: there is no use."""
    hand_over: Callable[[ActorFailed], Iterable[Any]] | None = None
    """What a successor is sent first, in order; None: all that was pending."""
    max_failures: int | None = 5
    """Failures of the class within the window that are borne; one more escalates. None: any."""
    max_restarts: int | None = None
    """Failures under one key within the window that get a successor; one more stops. None: any."""
    window_ms: float = 60_000
    """Length of the window, milliseconds."""

    def __post_init__(self) -> None:
        if (self.policy is Policy.RESTART) != (self.restart is not None):
            raise ValueError("`restart` belongs to Policy.RESTART, and to no other")


def decide(rule: Rule, failed_at_ms: deque[float], now_ms: float) -> Policy:
    """Enter a failure in the record of its class and return what to do about it."""
    failed_at_ms.append(now_ms)
    while failed_at_ms[0] <= now_ms - rule.window_ms:
        failed_at_ms.popleft()
    if rule.max_failures is not None and len(failed_at_ms) > rule.max_failures:
        return Policy.ESCALATE
    return rule.policy


class Supervisor:
    """Handles failures by a table of rules. Pass it as `supervisor=` when an actor is started.

    The rule of the nearest class in the actor's ancestry holds; a class without one escalates.
    After an escalation it starts no successors any more: the process is going down.
    """

    def __init__(
        self,
        rules: Mapping[type[LoopActor], Rule],
        on_escalate: Callable[[ActorFailed], object],
        now_ms: Callable[[], float],
    ) -> None:
        self._rules = dict(rules)
        self._on_escalate = on_escalate
        self._now_ms = now_ms
        self._failed_at_ms: dict[type[LoopActor], deque[float]] = {}
        self._failed_keys: deque[tuple[float, type[LoopActor], str]] = deque()
        self.failures: dict[str, int] = {}
        """Failures since the start by name of the actor class."""
        self.has_escalated = False

    def __repr__(self) -> str:
        return f"<Supervisor failures={self.failures} escalated={self.has_escalated}>"

    def __call__(self, failure: ActorFailed) -> None:
        """Decide about one failure and carry it out."""
        name = failure.actor_class.__name__
        self.failures[name] = self.failures.get(name, 0) + 1
        rule = self._rule_of(failure.actor_class)
        record = self._failed_at_ms.setdefault(failure.actor_class, deque())
        policy = decide(rule, record, self._now_ms())
        if policy is Policy.RESTART and (self.has_escalated or self._is_hopeless(rule, failure)):
            policy = Policy.STOP
        logger.warning("supervisor decides", actor=name, key=failure.key, policy=str(policy))
        try:
            self._carry_out(policy, rule, failure)
        except Exception as error:  # noqa: BLE001 - a hook that fails leaves the actor's work undone
            logger.opt(exception=error).error("supervision failed", actor=name, key=failure.key)
            self._escalate(failure)

    def _rule_of(self, actor_class: type[LoopActor]) -> Rule:
        for ancestor in actor_class.__mro__:
            if ancestor in self._rules:
                return self._rules[ancestor]
        return Rule(Policy.ESCALATE)

    def _is_hopeless(self, rule: Rule, failure: ActorFailed) -> bool:
        """Return whether the actor of this key has failed too often for yet another life."""
        if rule.max_restarts is None:
            return False
        now_ms, known = self._now_ms(), (failure.actor_class, failure.key)
        while self._failed_keys and self._failed_keys[0][0] <= now_ms - rule.window_ms:
            self._failed_keys.popleft()
        self._failed_keys.append((now_ms, *known))
        return sum(known == each[1:] for each in self._failed_keys) > rule.max_restarts

    def _carry_out(self, policy: Policy, rule: Rule, failure: ActorFailed) -> None:
        if rule.clean_up is not None:
            rule.clean_up(failure)
        successor = None
        if policy is Policy.RESTART and rule.restart is not None:
            successor = rule.restart(failure)
        if successor is not None:
            self._hand_over(rule, failure, successor)
            return
        count_dead_letters(str(failure.ref), *failure.failed, *failure.pending)
        if policy is Policy.ESCALATE:
            self._escalate(failure)

    def _hand_over(self, rule: Rule, failure: ActorFailed, successor: Mailbox) -> None:
        """Tell the successor what is left to do, and count what is not."""
        messages = list(failure.pending if rule.hand_over is None else rule.hand_over(failure))
        handed = {id(message) for message in messages}
        left = (one for one in (*failure.failed, *failure.pending) if id(one) not in handed)
        count_dead_letters(str(failure.ref), *left)
        for message in messages:
            tell(successor, message)

    def _escalate(self, failure: ActorFailed) -> None:
        if self.has_escalated:
            return
        self.has_escalated = True
        logger.critical("supervisor gives up", actor=failure.actor_class.__name__, key=failure.key)
        self._on_escalate(failure)
