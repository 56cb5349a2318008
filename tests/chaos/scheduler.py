"""The scheduler of a chaos run: the real one, with clocks that somebody else may set.

Two clocks can be wrong: ours, which peers are told, and the store's, by which all deadlines go.
Ours is `time.time`, moved by what a file says; the store's is `TIME` in the scripts, moved by a
key. Nothing else is different, and no compiler is needed as for a library that is put in between.
"""

import mmap
import os
import runpy
import struct
import sys
import time
from pathlib import Path

from storage import scripts
from tests.chaos.faults.clocks import OFFSET_FILE, OFFSET_KEY

_CLOCK = Path("lib") / "clock.lua"
_ASKED = "local time = call('TIME')\n"
_MOVED = f"  time[1] = tonumber(time[1]) + tonumber(call('GET', '{OFFSET_KEY}') or '0')\n"


def _move_our_clock(path: str) -> None:
    with Path(path).open("rb") as file:
        offset = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    true_time = time.time

    def moved_time() -> float:
        seconds: float = struct.unpack_from("d", offset)[0]
        return true_time() + seconds

    time.time = moved_time


def _move_the_stores_clock() -> None:
    true_read = scripts._read

    def moved_read(path: Path) -> str:
        text = true_read(path)
        if path.parts[-2:] != _CLOCK.parts:
            return text
        assert _ASKED in text
        return text.replace(_ASKED, _ASKED + _MOVED)

    scripts._read = moved_read


if __name__ == "__main__":
    _move_our_clock(os.environ.pop(OFFSET_FILE))
    _move_the_stores_clock()
    sys.argv[0] = "run.py"
    runpy.run_path("run.py", run_name="__main__")
