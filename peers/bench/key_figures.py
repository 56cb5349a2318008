"""The figures by which the scheduler is judged: what is measured, compared and written down. Pure.

A shared machine is now faster and now slower, so times are compared by their ratio to what the bare
relay takes per utterance in the same round. A figure has got worse when all of today's samples are
worse than all of the baseline's, and their median by more than `WORSE`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Final

from peers.bench.plan import Row, Scenario

KEY_SCENARIOS: Final = (
    Scenario.RELAY,
    Scenario.CLOSED_LOOP,
    Scenario.INGEST_FEW,
    Scenario.INGEST_JSON,
    Scenario.SPOKEN,
    Scenario.IDLE,
)
"""One round, in this order."""
WORSE: Final = 1.05
"""Between two medians; less is noise on any machine."""
MOST_WAITING_PERCENT: Final = 20.0
"""Of the window, ready to run while something else had the core: beyond it a load is not followed,
and what was spent on a part of it would be divided by all of it."""
_UTTERANCE_CPU: Final = "server_cpu_us_per_utterance"


@dataclass(frozen=True, slots=True)
class KeyFigure:
    """One of them; lower is better."""

    name: str
    """In the JSON document."""
    label: str
    """In the table."""
    scenario: Scenario
    figure: str
    """Of the scenario's row."""
    layout: str
    is_time: bool = True
    """A faster machine takes less, so it is compared by its ratio to the bare relay."""


KEY_FIGURES: Final = (
    KeyFigure(
        "utterance_cpu_us",
        "server CPU per one-chunk utterance",
        Scenario.CLOSED_LOOP,
        _UTTERANCE_CPU,
        "{:.0f} µs",
    ),
    KeyFigure(
        "chunk_cpu_us_few",
        "server CPU per chunk of 1 kB, all in, 200 sessions sending 10/s",
        Scenario.INGEST_FEW,
        "server_cpu_us_per_chunk",
        "{:.0f} µs",
    ),
    KeyFigure(
        "chunk_cpu_us_many",
        "the same, 1,000 sessions sending 10/s",
        Scenario.INGEST_JSON,
        "server_cpu_us_per_chunk",
        "{:.0f} µs",
    ),
    KeyFigure(
        "store_cpu_us",
        "store CPU per utterance",
        Scenario.CLOSED_LOOP,
        "store_cpu_us_per_utterance",
        "{:.0f} µs",
    ),
    KeyFigure(
        "assign_p50_ms",
        "final → `job_assign` at 20 utterances/s, p50",
        Scenario.SPOKEN,
        "assign_p50_ms",
        "{:.1f} ms",
    ),
    KeyFigure("assign_p99_ms", "the same, p99", Scenario.SPOKEN, "assign_p99_ms", "{:.1f} ms"),
    KeyFigure(
        "idle_kb",
        "memory per idle session",
        Scenario.IDLE,
        "idle_kb_per_session",
        "{:.1f} kB",
        is_time=False,
    ),
)


@dataclass(slots=True)
class Samples:
    """Key figures of several rounds, by name."""

    values: dict[str, list[float]]
    beside_relay: dict[str, list[float]]
    """Each value of a round by the bare relay's µs per utterance in that round."""
    relay_us: list[float]
    """The bare relay's own, one per round."""

    @classmethod
    def of(cls, rounds: Sequence[Sequence[Row]]) -> "Samples":
        """Return what the rows of each round say; what the machine does not tell is left out."""
        samples = cls({}, {}, [])
        for rows in rounds:
            figures = {row.scenario: row.figures for row in rows}
            relay_us = figures.get(Scenario.RELAY, {}).get(_UTTERANCE_CPU)
            if relay_us:
                samples.relay_us.append(relay_us)
            for key in KEY_FIGURES:
                value = figures.get(key.scenario, {}).get(key.figure)
                if value is None:
                    continue
                samples.values.setdefault(key.name, []).append(value)
                if relay_us:
                    samples.beside_relay.setdefault(key.name, []).append(value / relay_us)
        return samples

    def as_json(self) -> dict[str, Any]:
        """Return them as JSON values."""
        return {
            "relay_us": self.relay_us,
            "values": self.values,
            "beside_relay": self.beside_relay,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Samples":
        """Return what `as_json` wrote.

        Raises:
            ValueError: it is something else.
        """
        try:
            values, beside = dict(document["values"]), dict(document["beside_relay"])
            return cls(values, beside, list(document["relay_us"]))
        except (KeyError, TypeError) as error:
            raise ValueError("these are no figures of a bench") from error

    def compared(self, key: KeyFigure) -> list[float]:
        """Return what is compared with another run's."""
        return (self.beside_relay if key.is_time else self.values).get(key.name, [])


def disturbed(rows: Sequence[Row]) -> list[str]:
    """Return a sentence per row that says nothing, because others had the server's core."""
    waiting = [(row.scenario, row.figures.get("server_kept_waiting_percent")) for row in rows]
    return [
        f"{scenario}: others had the server's core for {percent:.0f} % of the time"
        for scenario, percent in waiting
        if percent is not None and percent > MOST_WAITING_PERCENT
    ]


def losses(now: Samples, baseline: Samples) -> list[str]:
    """Return a sentence per figure that has got worse, beyond the noise of both runs."""
    sentences = []
    for key in KEY_FIGURES:
        today, before = now.compared(key), baseline.compared(key)
        if not today or not before:
            continue
        ratio = median(today) / median(before)
        if ratio > WORSE and min(today) > max(before):
            what = "beside the bare relay" if key.is_time else "in itself"
            sentences.append(f"{key.name} has got worse: {ratio:.2f} times the baseline, {what}")
    return sentences


def markdown_table(samples: Samples) -> str:
    """Return the table of the README: medians, extremes, and what each is of the bare relay's."""
    lines = ["| figure | median | least to largest | of the bare relay's |", "|---|---|---|---|"]
    for key in KEY_FIGURES:
        values = samples.values.get(key.name)
        if values:
            span = f"{key.layout.format(min(values))} to {key.layout.format(max(values))}"
            ratios = samples.beside_relay.get(key.name, [])
            is_unit = key.layout.endswith("µs") and ratios
            ratio = f"{median(ratios):.1f}" if is_unit else "-"
            middle = key.layout.format(median(values))
            lines.append(f"| {key.label} | {middle} | {span} | {ratio} |")
    if samples.relay_us:
        least, most = min(samples.relay_us), max(samples.relay_us)
        middle = f"{median(samples.relay_us):.0f} µs"
        lines.append(
            f"| bare relay, CPU per utterance | {middle} | {least:.0f} µs to {most:.0f} µs | 1 |"
        )
    return "\n".join(lines)
