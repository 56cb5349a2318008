"""`python -m tests.chaos.soak`: a chaos run as long as one likes, and what came of it."""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.chaos.faults.faults import FAULTS
from tests.chaos.log import Event, Tick
from tests.chaos.plan import ChaosOptions, short_form
from tests.chaos.run import Result, run_chaos

_RATE = 60.0
"""Utterances per second, unless told otherwise."""
_LOG_TAIL = 10_000
"""So many characters of the scheduler's log are shown when something is wrong."""


def main(argv: Sequence[str]) -> int:
    """Run and report; 0 when every invariant held."""
    arguments = _parser().parse_args(argv)
    seed = arguments.seed if arguments.seed is not None else time.time_ns() % 1_000_000
    seconds = arguments.minutes * 60
    options = ChaosOptions(
        seed=seed,
        sessions=arguments.sessions,
        nodes=arguments.nodes,
        utterances=arguments.utterances or int(seconds * _RATE),
        seconds=seconds,
        faults_per_second=arguments.faults_per_second,
        resuming_share=arguments.resuming,
        only=tuple(arguments.only),
    )
    if arguments.short:
        options = short_form(seed)
    if arguments.log is None:
        result = run_chaos(options)
    else:
        with arguments.log.open("w") as file:

            def write(event: Event) -> None:
                if not isinstance(event, Tick):
                    file.write(f"{event}\n")

            result = run_chaos(options, write)
        arguments.log.with_suffix(".scheduler").write_text(result.log)
    sys.stdout.write(report(result))
    return 1 if result.problems else 0


def report(result: Result) -> str:
    """Return the run as text."""
    tally = result.oracle.tally
    lines = [
        f"seed {result.seed}, {result.seconds:.0f} s",
        f"faults    {_counts(result.faults)}",
        f"off       {', '.join(_switched_off()) or 'none'}",
        f"outcomes  {_counts(tally.outcomes)}",
        f"events    {_counts(tally.events)}",
        f"memory    {_memory(result.resident_mib)}",
        f"files     {result.descriptors[0]} before, {result.descriptors[1]} after",
        f"resumes   {result.resumes}",
        f"streams   {result.streams}",
        f"machine   too slow to expect anything in time for {result.slow_seconds:.0f} s",
        "invariants",
        *(f"    {'BROKEN' if n else 'held':8}{rule} {n or ''}" for rule, n in _verdict(result)),
    ]
    if result.problems:
        lines += ["problems", *(f"    {text}" for text in result.problems[:60])]
        lines += [result.oracle.report(), "the end of the scheduler's log", result.log[-_LOG_TAIL:]]
    return "\n".join(lines) + "\n"


def _verdict(result: Result) -> list[tuple[str, int]]:
    return [
        *result.oracle.verdict().items(),
        ("quiescence", len(result.leftovers)),
        ("scheduler's log", len(result.log_lines)),
    ]


def _counts(counter: dict[str, int]) -> str:
    rows = sorted(counter.items(), key=lambda row: -row[1])
    return ", ".join(f"{name} {count}" for name, count in rows) or "none"


def _switched_off() -> list[str]:
    return [f"{fault.__name__} ({fault.why_off})" for fault in FAULTS if not fault.is_on]


def _memory(samples: list[tuple[float, float]]) -> str:
    """Return the quarters, and the slope of the second half: the first one warms up."""
    if len(samples) < 4:
        return "not sampled"
    half = samples[len(samples) // 2 :]
    mean_at = sum(at for at, _ in half) / len(half)
    mean = sum(mib for _, mib in half) / len(half)
    spread = sum((at - mean_at) ** 2 for at, _ in half)
    slope = sum((at - mean_at) * (mib - mean) for at, mib in half) / spread if spread else 0.0
    quarters = [samples[(len(samples) - 1) * number // 4][1] for number in range(5)]
    path = " → ".join(f"{mib:.1f}" for mib in quarters)
    return f"{path} MiB, {slope * 3600:+.1f} MiB/h (least squares over the second half)"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.soak", description=__doc__)
    add = parser.add_argument
    add("--minutes", type=float, default=1.0)
    add("--seed", type=int)
    add("--short", action="store_true", help="the run that is one of the tests")
    add("--sessions", type=int, default=200)
    add("--nodes", type=int, default=10)
    add("--utterances", type=int, help=f"in all; {_RATE:.0f} per second unless given")
    add("--faults-per-second", type=float, default=1.0)
    add("--resuming", type=float, default=0.5, help="share of sessions that resume")
    add("--only", nargs="*", default=(), help="these faults only", metavar="FAULT")
    add("--log", type=Path, help="write every event here, the log beside it")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
