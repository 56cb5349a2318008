"""What the machine did to a chaos run: nobody can be in time who does not get a processor."""

import os
import time
from pathlib import Path

from tests.chaos.log import EVERYBODY, Disturbed, Undisturbed
from tests.chaos.world import World

_LATE_SECONDS = 0.3
"""So late comes a tick when this process is too slow for what it has to do."""
_SHARE = 0.25
"""Of its time a process waits for a processor when others take it."""
_CALM_SECONDS = 1.0
"""So long all must be well before anything is expected again."""


class MachineWatch:
    """Marks the times in which the run is slowed down from outside. Life: `look` at each tick.

    The driver's own loop is judged by how late it ticks, the scheduler and the store by how long
    they were ready to run and did not: what they do with the time they get is not excused.
    """

    def __init__(self, world: World, tick_seconds: float) -> None:
        self._slow_before = 0.0
        self._world = world
        self._tick_seconds = tick_seconds
        self._looked_at = time.monotonic()
        self._waited: dict[int, float] = {}
        self._slow_since: float | None = None
        self._slow_until = 0.0

    @property
    def slow_seconds(self) -> float:
        """For how long in all nothing was expected."""
        lasts = 0.0 if self._slow_since is None else self._looked_at - self._slow_since
        return self._slow_before + lasts

    def look(self) -> None:
        """Compare what should have been with what was."""
        now = time.monotonic()
        passed, self._looked_at = now - self._looked_at, now
        pids = (os.getpid(), self._world.scheduler_pid, self._world.store.pid)
        waits = [self._waited_more(pid) for pid in pids]
        if passed > self._tick_seconds + _LATE_SECONDS or max(waits) > _SHARE * passed:
            self._slow_until = now + _CALM_SECONDS
        if self._slow_since is None and now < self._slow_until:
            self._slow_since = now
            self._world.is_slow = True
            self._world.log(Disturbed, subject=EVERYBODY)
        elif self._slow_since is not None and now >= self._slow_until:
            self._slow_before += now - self._slow_since
            self._slow_since = None
            self._world.is_slow = False
            self._world.log(Undisturbed, subject=EVERYBODY)

    def _waited_more(self, pid: int) -> float:
        """Return for how many seconds a process has waited for a processor since the last look."""
        try:
            fields = Path(f"/proc/{pid}/schedstat").read_text().split()
        except OSError:  # it was restarted, or the system does not say
            return 0.0
        waited = int(fields[1]) / 1e9
        before = self._waited.get(pid, waited)
        self._waited[pid] = waited
        return waited - before
