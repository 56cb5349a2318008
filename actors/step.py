"""Step: one script to run and what its reply means. Decide, then do."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from storage.call import Call


@dataclass(frozen=True, slots=True)
class Expiry:
    """How long a step may wait for the store, and what giving it up means."""

    at_ms: float
    """Monotonic ms."""
    give_up: Callable[[], Sequence["Step"]]


@dataclass(frozen=True, slots=True)
class Step:
    """A call on the store with its continuation.

    A step may be run again when its reply was lost: every script is idempotent, and `apply` is
    called once, with the reply that came through.
    """

    call: Call[Any]
    apply: Callable[[Any], Sequence["Step"]]
    """Takes the typed reply, changes the dispatcher's state, tells actors; returns what follows."""
    expiry: Expiry | None = None
    """None: it is kept until the store takes it."""
    postponed: bool = False
    """Wait a moment before running it: the store is not ready for it."""

    def later(self) -> Self:
        """Return the same step for when the store is ready."""
        return replace(self, postponed=True)
