"""The way between two sockets stays short: what `make hops` counts, held.

The bounds leave a feature some space. Who needs more of it than that looks first what could go.
"""

import asyncio
import statistics

from tests.hops import measure

BOUNDS = {"chunk": (40, 16), "final to job_assign": (180, 56), "result to client": (130, 46)}
"""Calls, and files in which they lie."""


def test_a_trip_takes_few_calls_through_few_files() -> None:
    trips = asyncio.run(measure(rounds=6))
    for name, (most_calls, most_files) in BOUNDS.items():
        calls = statistics.median_low(len(trip.calls) for trip in trips[name])
        files = statistics.median_low(trip.files for trip in trips[name])
        assert 0 < calls <= most_calls, f"{name}: {calls} calls"
        assert files <= most_files, f"{name}: {files} files"
