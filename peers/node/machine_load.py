"""How busy this machine is, in per cent: what a node reports in its heartbeats.

Reads /proc (Linux); elsewhere the load average stands in for the processors and memory is unknown.
"""

import os
from pathlib import Path

_STAT = Path("/proc/stat")
_MEMINFO = Path("/proc/meminfo")
_IDLE_FIELDS = (3, 4)
"""Of the `cpu` line, after its name: idle and waiting for input or output."""


class MachineLoad:
    """Processor load is a difference: between the last time this object was asked and now."""

    def __init__(self) -> None:
        self._busy, self._total = _processor_ticks()

    def cpu_percent(self) -> float:
        """Return the share of all processors that was busy since the last call, 0 to 100."""
        busy, total = _processor_ticks()
        busy_since, total_since = busy - self._busy, total - self._total
        if total == 0:
            return _load_average_percent()
        if total_since <= 0:
            return 0.0
        self._busy, self._total = busy, total
        return round(100.0 * busy_since / total_since, 1)

    @staticmethod
    def mem_percent() -> float | None:
        """Return the share of memory that cannot be had any more; None where it is unknown."""
        total, available = _memory_kb("MemTotal"), _memory_kb("MemAvailable")
        if not total or available is None:
            return None
        return round(100.0 * (total - available) / total, 1)


def memory_gb() -> int:
    """Return the size of the memory, rounded; 0 where it is unknown."""
    return round((_memory_kb("MemTotal") or 0) / 1024 / 1024)


def _processor_ticks() -> tuple[int, int]:
    """Return (busy, all) of all processors since the machine started; zeros where unknown."""
    try:
        fields = [int(field) for field in _STAT.read_text().splitlines()[0].split()[1:9]]
    except (OSError, ValueError, IndexError):
        return 0, 0
    total = sum(fields)
    return total - sum(fields[index] for index in _IDLE_FIELDS), total


def _memory_kb(name: str) -> int | None:
    try:
        lines = _MEMINFO.read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        if line.startswith(name + ":"):
            return int(line.split()[1])
    return None


def _load_average_percent() -> float:
    try:
        return round(min(100.0, 100.0 * os.getloadavg()[0] / (os.cpu_count() or 1)), 1)
    except OSError:
        return 0.0
