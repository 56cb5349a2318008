"""One script invocation that has not run yet.

Owns the value that repositories build and the store runs. It must not know a connection: building
a call does no I/O, so the dispatcher can collect the calls of a whole mailbox into one round trip.
"""

from collections.abc import Callable, Sequence
from typing import Any, Generic, Protocol, TypeVar

from protocol.value import value
from storage.scripts import Script

T_co = TypeVar("T_co", covariant=True)


@value
class Call(Generic[T_co]):
    """A script with its arguments and the reader of its reply. All scripts are idempotent."""

    script: Script
    keys: tuple[str, ...]
    """The key prefix only: it routes the call and every key of the script begins with it."""
    args: tuple[str | int, ...]
    """In the order of the script's ARGV lines, see `Script.arguments`."""
    read: Callable[[list[Any]], T_co]
    """Turns the raw reply into the outcome class of its first word."""


class ScriptRunner(Protocol):
    """The store, as far as the dispatcher needs it."""

    async def run(self, calls: Sequence[Call[Any]]) -> list[Any]:
        """Run all calls in one round trip; raise StorageUnavailable when it cannot be reached.

        Where only a part of it can not, the replies of that part are a StorageUnavailable each.
        """
