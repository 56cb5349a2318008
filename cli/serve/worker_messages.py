"""What the supervisor of workers and a worker say to each other: one JSON line each.

Down a worker's standard input: its order first, then `Stop`, `Reload` and `ShowMetrics`. Up its
standard output: `Ready`, `MetricsAsked` and `MetricsShown`. The end of the input means that the
supervisor is gone: the worker stops as if it had been asked to.
"""

from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

from pydantic import Discriminator, TypeAdapter

from cli.settings.settings import Settings


@dataclass(frozen=True, slots=True)
class WorkOrder:
    """The first line to a worker."""

    settings: Settings
    instance_id: str
    port: int
    store_url: str
    kind: Literal["order"] = "order"


@dataclass(frozen=True, slots=True)
class Stop:
    """Drain and end."""

    kind: Literal["stop"] = "stop"


@dataclass(frozen=True, slots=True)
class Reload:
    """Read files with credentials and certificates again."""

    kind: Literal["reload"] = "reload"


@dataclass(frozen=True, slots=True)
class ShowMetrics:
    """Say your own figures."""

    number: int
    """Of the question; the answer repeats it."""
    kind: Literal["show_metrics"] = "show_metrics"


@dataclass(frozen=True, slots=True)
class MetricsSummed:
    """The figures of all workers, as asked for."""

    number: int
    text: str
    kind: Literal["metrics_summed"] = "metrics_summed"


@dataclass(frozen=True, slots=True)
class Ready:
    """The worker listens."""

    kind: Literal["ready"] = "ready"


@dataclass(frozen=True, slots=True)
class MetricsAsked:
    """Somebody asked this worker for the figures of all."""

    number: int
    kind: Literal["metrics_asked"] = "metrics_asked"


@dataclass(frozen=True, slots=True)
class MetricsShown:
    """A worker's own figures."""

    number: int
    text: str
    kind: Literal["metrics_shown"] = "metrics_shown"


ToWorker: TypeAlias = WorkOrder | Stop | Reload | ShowMetrics | MetricsSummed
FromWorker: TypeAlias = Ready | MetricsAsked | MetricsShown

_TO_WORKER: TypeAdapter[ToWorker] = TypeAdapter(Annotated[ToWorker, Discriminator("kind")])
_FROM_WORKER: TypeAdapter[FromWorker] = TypeAdapter(Annotated[FromWorker, Discriminator("kind")])

LONGEST_LINE_BYTES = 16 * 1024 * 1024
"""Figures of a worker with many nodes are the longest."""


def encode(message: ToWorker | FromWorker) -> bytes:
    """Return the line that says it."""
    adapter: TypeAdapter[ToWorker] | TypeAdapter[FromWorker]
    adapter = _TO_WORKER if isinstance(message, ToWorker) else _FROM_WORKER
    return adapter.dump_json(message) + b"\n"  # type: ignore[arg-type]  # the check is right above


def read_to_worker(line: bytes) -> ToWorker:
    """Return what a line to a worker says; ValueError if it says nothing known."""
    return _TO_WORKER.validate_json(line)


def read_from_worker(line: bytes) -> FromWorker:
    """Return what a line of a worker says; ValueError if it says nothing known."""
    return _FROM_WORKER.validate_json(line)
