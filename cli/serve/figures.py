"""Where the figures of a process are read from."""

import time
from collections.abc import Callable

from actors.directory import Directory
from actors.dispatcher.open_jobs import OpenJobs
from actors.held_audio import HeldAudio
from actors.metrics import Gauge
from cli.serve.repositories import Repositories
from gateway.http.metrics import PrometheusMetrics


def watch_figures(
    metrics: PrometheusMetrics,
    directory: Directory,
    held: HeldAudio,
    repositories: Repositories,
    open_jobs: Callable[[], OpenJobs],
) -> None:
    """Have gauges read what they show; a dispatcher's successor has other open jobs."""
    metrics.watch(Gauge.SESSIONS, lambda: len(directory.sessions))
    metrics.watch(Gauge.NODES, lambda: len(directory.nodes))
    metrics.watch(Gauge.OPEN_SLOTS, lambda: open_jobs().open_slots)
    metrics.watch(Gauge.AUDIO_BYTES_HELD, lambda: held.held_bytes)
    metrics.node_states.watch(repositories.nodes.own_records, lambda: int(time.time() * 1000))
    metrics.utterances.open_jobs = open_jobs
    metrics.utterances.now_ms = lambda: time.monotonic() * 1000
