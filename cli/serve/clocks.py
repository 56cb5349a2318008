"""The two clocks: what peers are told, and what lengths of time are measured with."""

import time


def wall_ms() -> int:
    """Return Unix time in ms."""
    return int(time.time() * 1000)


def monotonic_ms() -> float:
    """Return the time that never goes back, in ms."""
    return time.monotonic() * 1000
