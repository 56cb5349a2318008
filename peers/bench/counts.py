"""What a load generator counted: one mutable record per process, summed up by the bench.

It holds numbers and short sentences only, never a message or audio.
"""

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final, Self

MAX_PROBLEMS: Final = 20
"""More sentences than this say nothing further about what went wrong."""
MAX_SAMPLES: Final = 1_000_000


@dataclass(slots=True)
class Counts:
    """Counts of a run, and latencies since the last `mark`."""

    chunks: int = 0
    """Audio chunks sent, over the whole run."""
    utterances: int = 0
    """Finals sent, over the whole run."""
    results: int = 0
    """`translation_result`s that were the expected one, over the whole run."""
    refusals: Counter[str] = field(default_factory=Counter)
    """`missing_result`s by reason, over the whole run."""
    late: int = 0
    """Outcomes that came after one of a later utterance and said so, over the whole run."""
    open_utterances: int = 0
    """Utterances without an outcome at the moment of the report."""
    window_ns: int = 0
    """From the last `mark` to `freeze`, by this process's own clock."""
    window_chunks: int = 0
    window_outcomes: int = 0
    """Outcomes in that window."""
    window_results: int = 0
    """Those of them that were `translation_result`s."""
    result_us: list[int] = field(default_factory=list)
    """Final sent → result received, microseconds."""
    assign_us: list[int] = field(default_factory=list)
    """Final sent → `job_assign` received by the node, microseconds."""
    jobs: int = 0
    """`job_assign`s received by the simulated nodes, over the whole run."""
    streamed: int = 0
    """Utterances that a node heard while they were spoken, to their end."""
    most_open_at_a_node: int = 0
    behind_ms: int = 0
    """How far a paced generator fell behind its own plan at worst, milliseconds."""
    problems: list[str] = field(default_factory=list)
    _marked_ns: int | None = None

    def mark(self) -> None:
        """Begin the measured window."""
        self.window_chunks = self.window_outcomes = self.window_results = self.behind_ms = 0
        del self.result_us[:], self.assign_us[:]
        self._marked_ns = time.monotonic_ns()

    def freeze(self) -> None:
        """End the measured window; what still arrives only counts towards the whole run."""
        if self._marked_ns is not None:
            self.window_ns = time.monotonic_ns() - self._marked_ns
            self._marked_ns = None

    def problem(self, sentence: str) -> None:
        """Note something that must not happen; the first few are kept."""
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(sentence)

    def chunk_sent(self, *, is_final: bool) -> None:
        """Count one chunk."""
        self.chunks += 1
        if is_final:
            self.utterances += 1
            self.open_utterances += 1
        if self._marked_ns is not None:
            self.window_chunks += 1

    def outcome_received(self, latency_ns: int | None, reason: str = "") -> None:
        """Count one outcome: a result with its latency, or the reason why there is none."""
        self.open_utterances -= 1
        if self._marked_ns is not None:
            self.window_outcomes += 1
        if latency_ns is None:
            self.refusals[reason] += 1
            return
        self.results += 1
        if self._marked_ns is None:
            return
        self.window_results += 1
        if len(self.result_us) < MAX_SAMPLES:
            self.result_us.append(latency_ns // 1000)

    def job_received(self, latency_ns: int, open_jobs: int) -> None:
        """Count one `job_assign` at a node that now has `open_jobs` open."""
        self.jobs += 1
        self.most_open_at_a_node = max(self.most_open_at_a_node, open_jobs)
        if self._marked_ns is not None and len(self.assign_us) < MAX_SAMPLES:
            self.assign_us.append(latency_ns // 1000)

    def as_json(self) -> dict[str, Any]:
        """Return the record as JSON values."""
        return {
            "chunks": self.chunks,
            "utterances": self.utterances,
            "results": self.results,
            "refusals": dict(self.refusals),
            "late": self.late,
            "open_utterances": self.open_utterances,
            "window_ns": self.window_ns,
            "window_chunks": self.window_chunks,
            "window_outcomes": self.window_outcomes,
            "window_results": self.window_results,
            "result_us": self.result_us,
            "assign_us": self.assign_us,
            "jobs": self.jobs,
            "streamed": self.streamed,
            "most_open_at_a_node": self.most_open_at_a_node,
            "behind_ms": self.behind_ms,
            "problems": self.problems,
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """Return the record that `as_json` wrote."""
        return cls(**values | {"refusals": Counter(values["refusals"])})

    def add(self, other: "Counts") -> None:
        """Add what another process counted."""
        for name in ("chunks", "utterances", "results", "late", "open_utterances", "window_chunks"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.window_outcomes += other.window_outcomes
        self.window_results += other.window_results
        self.window_ns = max(self.window_ns, other.window_ns)
        self.jobs += other.jobs
        self.streamed += other.streamed
        self.refusals.update(other.refusals)
        self.result_us.extend(other.result_us)
        self.assign_us.extend(other.assign_us)
        self.most_open_at_a_node = max(self.most_open_at_a_node, other.most_open_at_a_node)
        self.behind_ms = max(self.behind_ms, other.behind_ms)
        self.problems.extend(other.problems)


def percentile_ms(samples_us: list[int], percent: float) -> float | None:
    """Return the sample below which `percent` per cent lie, in milliseconds; None without any."""
    if not samples_us:
        return None
    ordered = sorted(samples_us)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] / 1000
