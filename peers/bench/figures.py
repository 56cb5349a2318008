"""What a run means in numbers: figures of a row, and the sentences about what must not be.

Pure arithmetic on counts, usage and metrics, but for the short wait until audio is freed.
"""

import asyncio
from dataclasses import dataclass
from typing import Final

from peers.bench.counts import Counts, percentile_ms
from peers.bench.server import Metrics, ServerUnderTest, Usage

AUDIO_HELD: Final = "lingua_audio_bytes_held"
SCRIPTS: Final = "lingua_scripts_total"
ROUND_TRIPS: Final = "lingua_store_round_trips_total"
AUDIO_FREED_POLLS: Final = 40
AUDIO_FREED_POLL_SECONDS: Final = 0.05
_NANOSECONDS: Final = 1e9
_MICROSECONDS: Final = 1e6


@dataclass(frozen=True, slots=True)
class Reading:
    """The server's cost around the measured window, and its metrics around the whole run."""

    before: Usage
    after: Usage
    load_cpu_seconds: float | None
    """What the load spent between `before` and `after`."""
    metrics_before: Metrics
    metrics_after: Metrics


def steady_figures(counts: Counts, reading: Reading) -> dict[str, float | None]:
    """Return the figures of a load that goes on.

    Rates come from the load's own clock, processor time from the server's window: two windows of
    the same length that begin a few milliseconds apart, so each is divided by its own length.
    """
    seconds = counts.window_ns / _NANOSECONDS
    utterances = counts.window_outcomes / seconds if seconds else 0.0
    chunks = counts.window_chunks / seconds if seconds else 0.0
    server = _busy(reading, reading.before.server_cpu_seconds, reading.after.server_cpu_seconds)
    waiting = _busy(
        reading, reading.before.server_waiting_seconds, reading.after.server_waiting_seconds
    )
    store = _busy(reading, reading.before.store_cpu_seconds, reading.after.store_cpu_seconds)
    return latency_figures(counts) | {
        "utterances_per_second": utterances,
        "chunks_per_second": chunks,
        "server_busy_percent": _percent(server),
        "server_kept_waiting_percent": _percent(waiting),
        "load_busy_percent": _percent(_busy(reading, 0.0, reading.load_cpu_seconds)),
        "server_cpu_us_per_utterance": _each(server, utterances),
        "server_cpu_us_per_chunk": _each(server, chunks),
        "store_cpu_us_per_utterance": _each(store, utterances),
        "scripts_per_utterance": _per_utterance(counts, reading, SCRIPTS),
        "round_trips_per_utterance": _per_utterance(counts, reading, ROUND_TRIPS),
        "resident_before_mib": mebibytes(reading.before),
        "resident_after_mib": mebibytes(reading.after),
        "audio_bytes_held_after": reading.metrics_after.total(AUDIO_HELD),
        "load_behind_ms": counts.behind_ms,
    }


def latency_figures(counts: Counts) -> dict[str, float | None]:
    """Return the percentiles of what the load measured, in milliseconds."""
    return {
        "assign_p50_ms": percentile_ms(counts.assign_us, 50),
        "assign_p99_ms": percentile_ms(counts.assign_us, 99),
        "result_p50_ms": percentile_ms(counts.result_us, 50),
        "result_p99_ms": percentile_ms(counts.result_us, 99),
    }


def mebibytes(usage: Usage) -> float | None:
    """Return the resident memory in MiB."""
    return None if usage.resident_kb is None else usage.resident_kb / 1024


def scripts_per_utterance(counts: Counts, reading: Reading) -> dict[str, float]:
    """Return how often each script ran per utterance; over the whole run, so nothing is cut off."""
    if not counts.utterances:
        return {}
    before = reading.metrics_before.by_label(SCRIPTS, "script")
    after = reading.metrics_after.by_label(SCRIPTS, "script")
    return {
        script: (runs - before.get(script, 0.0)) / counts.utterances
        for script, runs in sorted(after.items())
        if runs > before.get(script, 0.0)
    }


def outcome_problems(counts: Counts) -> list[str]:
    """Return what is wrong with the outcomes of a run; empty when every one was a result."""
    problems = []
    if counts.open_utterances:
        problems.append(
            f"{counts.open_utterances} of {counts.utterances} utterances got no outcome"
        )
    if counts.late:
        problems.append(f"{counts.late} of {counts.utterances} outcomes came after later ones")
    problems += [
        f"{count} of {counts.utterances} utterances ended as {reason}"
        for reason, count in sorted(counts.refusals.items())
    ]
    return problems


async def metrics_when_freed(server: ServerUnderTest) -> Metrics:
    """Return the metrics once no audio is held, or the last reading after a short wait."""
    metrics = await server.metrics()
    for _ in range(AUDIO_FREED_POLLS):
        if not metrics.total(AUDIO_HELD):
            break
        await asyncio.sleep(AUDIO_FREED_POLL_SECONDS)
        metrics = await server.metrics()
    return metrics


def audio_problems(metrics: Metrics) -> list[str]:
    """Return what is wrong with the audio held when every utterance has its outcome."""
    held = metrics.total(AUDIO_HELD)
    if held is None:
        return [f"/metrics has no {AUDIO_HELD}"]
    return [f"{held:.0f} bytes of audio are still held after the last outcome"] if held else []


def _busy(reading: Reading, before: float | None, after: float | None) -> float | None:
    """Return the share of the window a process spent on a core."""
    if before is None or after is None:
        return None
    return (after - before) / (reading.after.at_seconds - reading.before.at_seconds)


def _percent(share: float | None) -> float | None:
    return None if share is None else share * 100


def _each(busy: float | None, rate: float) -> float | None:
    return None if busy is None or not rate else busy * _MICROSECONDS / rate


def _per_utterance(counts: Counts, reading: Reading, name: str) -> float | None:
    before, after = reading.metrics_before.total(name), reading.metrics_after.total(name)
    if after is None or not counts.utterances:
        return None
    return (after - (before or 0.0)) / counts.utterances
