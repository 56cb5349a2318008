"""Step: one script to run and what its reply means. Decide, then do."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, Self

from storage.call import Call


class Deadline(Protocol):
    """How long a step may wait for the store, and what giving it up means."""

    @property
    def at_ms(self) -> float:
        """Monotonic ms; infinite: not limited."""

    @property
    def give_up(self) -> Callable[[], Sequence["Step"]]:
        """Called once, when the step has waited too long; returns what stands in its place."""


@dataclass(frozen=True, slots=True)
class Expiry:
    """A deadline that is known from the start; a step without a meaning of its own just ends."""

    at_ms: float
    give_up: Callable[[], Sequence["Step"]] = tuple


@dataclass(frozen=True, slots=True)
class Step:
    """A call on the store with its continuation.

    A step may be run again when its reply was lost: every script is idempotent, and `apply` is
    called once, with the reply that came through.
    """

    call: Call[Any]
    apply: Callable[[Any], Sequence["Step"]]
    """Takes the typed reply, changes the dispatcher's state, tells actors; returns what follows."""
    expiry: Deadline | None = None
    """None: it is kept until the store takes it."""
    postponed: bool = False
    """Wait a moment before running it: the store is not ready for it."""

    def later(self) -> Self:
        """Return the same step for when the store is ready."""
        return replace(self, postponed=True)


def without_expired(steps: Sequence[Step], now_ms: float) -> list[Step]:
    """Return what may go on waiting, in order; what has waited too long is given up."""
    kept: list[Step] = []
    for step in steps:
        if step.expiry is None or now_ms < step.expiry.at_ms:
            kept.append(step)
        else:
            kept.extend(without_expired(step.expiry.give_up(), now_ms))
    return kept
