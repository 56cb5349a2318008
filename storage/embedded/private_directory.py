"""The private directory of an embedded server's socket, and what dead ones left of theirs.

A scheduler that is killed cannot clean up. Its directory is locked for as long as it or its server
lives, because the lock belongs to the open directory, which the server inherits: what is not
locked any more, and where nobody answers, may be removed by whoever comes next.
"""

import contextlib
import fcntl
import os
import shutil
import socket
import stat
import tempfile
import time
from pathlib import Path

SOCKET_NAME = "store.sock"
_PREFIX = "lingua-store-"
_SHORT_PLACE = "/tmp"  # noqa: S108 - mkdtemp makes it private; where TMPDIR is too long a path
_SOCKET_PATH_LIMIT = 100
"""`sun_path` holds 108 bytes on Linux and 104 on macOS, with its closing zero."""
_YOUNG_SECONDS = 60.0
"""Nothing that began or changed this recently is dead, whatever it looks like."""


class PrivateDirectory:
    """A directory that only this user may enter, short enough for a socket's path."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix=_PREFIX))
        if len(os.fsencode(self.path)) + len(SOCKET_NAME) + 1 > _SOCKET_PATH_LIMIT:
            self.path.rmdir()
            self.path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=_SHORT_PLACE))
        self.lock_fd = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(self.lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)

    @property
    def socket_path(self) -> Path:
        """Where the server listens."""
        return self.path / SOCKET_NAME

    def remove(self) -> None:
        """Delete it and all that is in it."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self.lock_fd)


def remove_dead_directories() -> int:
    """Delete what schedulers of this user left that were killed; return how many directories."""
    places = {Path(tempfile.gettempdir()), Path(_SHORT_PLACE)}
    found = [path for place in places for path in place.glob(f"{_PREFIX}*")]
    return sum(_remove_if_dead(path) for path in found)


def _remove_if_dead(path: Path) -> bool:
    with contextlib.suppress(OSError):  # it is gone by now, or not ours to look at
        about = path.lstat()
        is_ours = stat.S_ISDIR(about.st_mode) and about.st_uid == os.getuid()
        if not is_ours or time.time() - about.st_mtime < _YOUNG_SECONDS:
            return False
        lock_fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _answers(path / SOCKET_NAME):  # its lock went with a scheduler of another version
                return False
            shutil.rmtree(path)
        finally:
            os.close(lock_fd)
        return True
    return False


def _answers(socket_path: Path) -> bool:
    with (
        contextlib.suppress(FileNotFoundError, ConnectionRefusedError),
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection,
    ):
        connection.settimeout(0.2)
        connection.connect(str(socket_path))
        return True
    return False
