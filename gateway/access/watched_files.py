"""Files that are read again when they change: credentials, certificates.

It owns when to look, and looks at nothing but a file's metadata: about 5 µs for each, once a
second. It must not know what stands in them.
"""

import asyncio
import os
from collections.abc import Callable, Iterable

from loguru import logger

_LOOK_SECONDS = 1.0

Stamp = tuple[int, int, int] | None
"""Time of change, inode and size, those of what a link points to; None: it is not there."""


class WatchedFiles:
    """Life: made, `start`ed, `close`d."""

    def __init__(
        self, paths: Iterable[str], read_again: Callable[[], None], what: str = "credentials"
    ) -> None:
        """`read_again` raises ValueError or OSError where what it finds cannot be used."""
        self._paths = tuple(paths)
        self._read_again = read_again
        self._what = what
        self._stamps = [_stamp(path) for path in self._paths]
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Look from now on."""
        if self._paths:
            self._timer = asyncio.get_running_loop().call_later(_LOOK_SECONDS, self._on_time)

    def close(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def look(self) -> None:
        """Read again if something has changed."""
        stamps = [_stamp(path) for path in self._paths]
        if stamps != self._stamps:
            self._stamps = stamps
            self.reload()

    def reload(self) -> None:
        """Read again. What cannot be used changes nothing: it may be half written."""
        if not self._paths:
            return
        try:
            self._read_again()
        except (ValueError, OSError) as error:
            log = logger.bind(what=self._what, why=str(error))
            log.log("ERROR", "cannot be used as it stands now; the former stays valid")
        else:
            logger.bind(what=self._what).info("read again")

    def _on_time(self) -> None:
        self.start()
        self.look()


def _stamp(path: str) -> Stamp:
    try:
        found = os.stat(os.path.expanduser(path))  # noqa: PTH111, PTH116 - a third of pathlib's cost
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size
