"""Which processes a test started, directly or not: they inherit a mark in their environment."""

import os
import secrets
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.waiting import PATIENCE_S

MARK = "PROCESS_MARK"
_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Mark:
    """One mark; `environment` goes to the first process, `processes` finds all that came of it."""

    value: str = field(default_factory=lambda: secrets.token_hex(8))

    @property
    def environment(self) -> dict[str, str]:
        """This process's environment with the mark."""
        return os.environ | {MARK: self.value}

    def processes(self) -> dict[int, str]:
        """Return process id → command line of those that live; needs /proc."""
        found: dict[int, str] = {}
        mark = f"{MARK}={self.value}".encode()
        for entry in _PROC.iterdir():
            if not entry.name.isdigit():
                continue
            try:
                if mark in (entry / "environ").read_bytes().split(b"\0"):
                    command = (entry / "cmdline").read_bytes().replace(b"\0", b" ")
                    found[int(entry.name)] = command.decode(errors="replace")
            except OSError:
                continue
        return found

    def wait_until_gone(self, seconds: float = PATIENCE_S) -> dict[int, str]:
        """Return what still lives when time is up: nothing, if all is well."""
        deadline = time.monotonic() + seconds
        while (left := self.processes()) and time.monotonic() < deadline:
            time.sleep(0.05)
        return left


def take_ctrl_c() -> None:
    """Let a child hear SIGINT, also where the parent was told to ignore it: nohup, a script's &."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
