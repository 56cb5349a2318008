"""Clocks that a chaos run may set wrong: the scheduler's by a file, the store's by a key."""

import struct
import tempfile

OFFSET_FILE = "CHAOS_CLOCK_FILE"
"""Environment variable: where the scheduler under test reads how wrong its clock is."""
OFFSET_KEY = "chaos:clock"
"""Key of the store: how many seconds its clock is wrong in scripts."""


class WallClock:
    """The scheduler's wall clock, beside the true one."""

    def __init__(self) -> None:
        self._file = tempfile.NamedTemporaryFile(prefix="chaos-clock-")  # noqa: SIM115 - see close
        self.move(0.0)

    @property
    def path(self) -> str:
        """The file that says how wrong it is."""
        return self._file.name

    def move(self, seconds: float) -> None:
        """Let it be ahead of the true time by so much; behind, if that is negative."""
        self._file.seek(0)
        self._file.write(struct.pack("d", seconds))
        self._file.flush()

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()
