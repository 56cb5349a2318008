"""Where the figures of a process are read from, and where its traces go."""

from collections.abc import Callable

from actors.directory import Directory
from actors.dispatcher.open_jobs import OpenJobs
from actors.held_audio import HeldAudio
from actors.metrics import Gauge
from cli.serve.clocks import monotonic_ms, wall_ms
from cli.serve.repositories import Repositories
from cli.settings.arguments import project_version
from cli.settings.error import SettingsError
from gateway.http.metrics import PrometheusMetrics
from gateway.tracing.exporter import ClosableTraces, TracingMissingError, open_traces
from gateway.tracing.options import TraceOptions


def watch_figures(
    metrics: PrometheusMetrics,
    directory: Directory,
    held: HeldAudio,
    repositories: Repositories,
    open_jobs: Callable[[], OpenJobs],
) -> None:
    """Have gauges read what they show; a dispatcher's successor has other open jobs."""
    metrics.watch(Gauge.SESSIONS, lambda: len(directory.sessions))
    metrics.usage, metrics.ownership = directory.usage, directory.ownership
    metrics.watch(Gauge.NODES, lambda: len(directory.nodes))
    metrics.watch(Gauge.OPEN_SLOTS, lambda: open_jobs().open_slots)
    metrics.watch(Gauge.AUDIO_BYTES_HELD, lambda: held.held_bytes)
    metrics.node_states.watch(repositories.nodes.own_records, wall_ms)
    metrics.utterances.open_jobs = open_jobs
    metrics.utterances.now_ms = monotonic_ms


def follow_traces(
    options: TraceOptions, directory: Directory, metrics: PrometheusMetrics
) -> ClosableTraces | None:
    """Have utterances followed where that is asked for.

    Raises:
        SettingsError: it is, and what it needs is not installed.
    """
    try:
        traces = open_traces(options, directory.instance_id, project_version())
    except TracingMissingError as error:
        raise SettingsError(str(error)) from None
    if traces is not None:
        directory.traces = traces
        metrics.on_ended = traces.ended
    return traces
