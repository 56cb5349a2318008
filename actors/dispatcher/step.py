"""Step: one script to run and what its reply means. Decide, then do."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, Protocol, Self, TypeVar

from protocol.ids import JobId
from protocol.value import value
from storage.call import Call


class JobFault(Exception):  # noqa: N818 - it says whose the error is, and is raised from it
    """Deciding on this job, one of several, raised an exception."""

    def __init__(self, job_id: JobId) -> None:
        super().__init__(job_id)
        self.job_id = job_id


class _Job(Protocol):
    @property
    def job_id(self) -> JobId:
        """Which job."""


J = TypeVar("J", bound=_Job)


class Deadline(Protocol):
    """How long a step may wait for the store, and what giving it up means."""

    @property
    def at_ms(self) -> float:
        """Monotonic ms; infinite: not limited."""

    @property
    def give_up(self) -> Callable[[], Sequence["Step"]]:
        """Called once, when the step has waited too long; returns what stands in its place."""


@value
class Expiry:
    """A deadline that is known from the start; a step without a meaning of its own just ends."""

    at_ms: float
    give_up: Callable[[], Sequence["Step"]] = tuple


@value
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
    job_id: JobId | None = None
    """Whose it is: if running it or drawing its conclusions fails, this job is at fault."""
    postponed: bool = False
    """Wait a moment before running it: the store is not ready for it."""

    def later(self) -> Self:
        """Return the same step for when the store is ready."""
        return replace(self, postponed=True)


def each(jobs: Iterable[J], decide: Callable[[J], Iterable[Step]]) -> list[Step]:
    """Return the steps of all jobs, in order.

    Raises:
        JobFault: deciding on one of them failed; it names that one.
    """
    steps: list[Step] = []
    for job in jobs:
        try:
            steps.extend(decide(job))
        except Exception as error:
            raise JobFault(job.job_id) from error
    return steps
