"""What a process costs, read from /proc: processor time, memory, descendants, cores.

Linux only; elsewhere every figure is None and pinning does nothing. Reads and pins processes that
the caller started and nothing else.
"""

import os
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")
_NANOSECONDS: Final = 1e9


def cpu_seconds(pid: int) -> float | None:
    """Return the time all threads of the process have spent on a core so far, in seconds.

    The kernel's scheduling statistics count nanoseconds; the clock ticks of /proc/<pid>/stat are
    10 ms long and serve where the kernel keeps no such statistics.
    """
    used = _schedule_seconds(pid, 0)
    return _cpu_seconds_in_ticks(pid) if used is None else used


def waiting_seconds(pid: int) -> float | None:
    """Return the time its threads were ready to run but had no core so far, in seconds."""
    return _schedule_seconds(pid, 1)


def _schedule_seconds(pid: int, field: int) -> float | None:
    """Return the sum over all threads of one field of /proc/<pid>/task/<tid>/schedstat."""
    try:
        tasks = [task / "schedstat" for task in (_PROC / str(pid) / "task").iterdir()]
        return sum(int(task.read_text().split()[field]) for task in tasks) / _NANOSECONDS
    except (OSError, IndexError, ValueError):
        return None


def _cpu_seconds_in_ticks(pid: int) -> float | None:
    fields = _stat_fields(pid)
    if fields is None:
        return None
    user, system = int(fields[11]), int(fields[12])
    return (user + system) / os.sysconf("SC_CLK_TCK")


def resident_kb(pid: int) -> int | None:
    """Return the resident memory of the process in kB of 1024 bytes."""
    try:
        pages = int((_PROC / str(pid) / "statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE") // 1024


def descendants(pid: int) -> list[int]:
    """Return the processes that `pid` started, those that they started, and so on."""
    if not _PROC.is_dir():
        return []
    started_by: dict[int, list[int]] = {}
    for entry in _PROC.iterdir():
        fields = _stat_fields(int(entry.name)) if entry.name.isdigit() else None
        if fields is not None:
            started_by.setdefault(int(fields[1]), []).append(int(entry.name))
    found = list(started_by.get(pid, ()))
    for process in found:  # grows while it is walked
        found += started_by.get(process, ())
    return found


def program(pid: int) -> str:
    """Return the file name of the program that the process runs; empty where it is not told."""
    try:
        return (_PROC / str(pid) / "exe").readlink().name.removesuffix(" (deleted)")
    except OSError:
        return ""


def _stat_fields(pid: int) -> list[str] | None:
    """Return the fields of /proc/<pid>/stat behind the command name (which may hold blanks)."""
    try:
        return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def available_cores() -> list[int]:
    """Return the cores this process may run on; empty where that cannot be told."""
    if not hasattr(os, "sched_getaffinity"):
        return []
    return sorted(os.sched_getaffinity(0))


def pin(pid: int, cores: list[int]) -> None:
    """Let all threads of the process run on `cores` only; a process that is gone is no error."""
    if not cores or not hasattr(os, "sched_setaffinity"):
        return
    try:
        for task in (_PROC / str(pid) / "task").iterdir():
            os.sched_setaffinity(int(task.name), cores)
    except OSError:
        return
