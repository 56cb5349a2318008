"""The child process behind an embedded store: a Redis-protocol server on a private Unix socket.

Owns the process, its socket directory and the lock on a data directory. It must not know keys or
scripts, and it blocks while it starts and stops: use it outside a running event loop.
"""

import contextlib
import fcntl
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from loguru import logger

from storage.embedded.private_directory import PrivateDirectory, remove_dead_directories

_PARENT_WATCH = Path(__file__).with_name("parent_watch.py")
_START_LIMIT_SECONDS = 10.0
"""How long a server may take to answer, apart from the time it says that it loads its data."""
_STOP_LIMIT_SECONDS = 10.0
_POLL_SECONDS = 0.005
_RESTART_DELAY_SECONDS = 0.2


class StoreUnusable(Exception):  # noqa: N818 - named for what is the case, like its siblings
    """The store cannot be started as configured; the message is one line for the operator."""


class DataDirectory:
    """A directory that one server at a time may keep its data in.

    The lock belongs to the open file, which the server inherits: it is free when the last of the
    two has ended, so a successor never opens files that a dying server still writes.
    """

    def __init__(self, path: str) -> None:
        self.path = Path(path).expanduser().absolute()
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.lock_fd = os.open(self.path / "lingua.lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            message = f"data_dir {self.path} cannot be used: {error.strerror}"
            raise StoreUnusable(message) from error
        try:
            fcntl.flock(self.lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self.lock_fd)
            message = f"data_dir {self.path} is in use by another server"
            raise StoreUnusable(message) from error

    def close(self) -> None:
        """Let go of the directory."""
        os.close(self.lock_fd)


class ServerProcess:
    """One server from its start to its end, started again when it ends without being asked to.

    A keeper thread starts the child and lives as long as it does, because the kernel's
    parent-death signal is bound to the *thread* that forked, whichever thread asked for the store.
    """

    def __init__(self, binary: Path, data: DataDirectory | None) -> None:
        self._binary = binary
        self._data = data
        if dead := remove_dead_directories():
            logger.info("removed what killed schedulers left", directories=dead)
        self._directory = PrivateDirectory()
        self.socket_path = self._directory.socket_path
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        self._child: subprocess.Popen[bytes] | None = None
        self._serving = threading.Event()
        self._ended = threading.Event()
        self._closing = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="store-keeper", daemon=True)

    @property
    def pid(self) -> int | None:
        """Process id of the server, while there is one."""
        return self._child.pid if self._child else None

    def start(self) -> None:
        """Return when the server answers; `StoreUnusable` with its last output if it fails."""
        self._keeper.start()
        deadline = time.monotonic() + _START_LIMIT_SECONDS
        while not (answer := _ping(self.socket_path)).startswith(b"+PONG"):
            if answer.startswith(b"-LOADING"):
                deadline = time.monotonic() + _START_LIMIT_SECONDS
            if self._ended.wait(_POLL_SECONDS):
                last_output = self._last_output()
                self.close()
                message = f"{self._binary} ended at its start: {last_output}"
                raise StoreUnusable(message)
            if time.monotonic() > deadline:
                self.close()
                message = f"{self._binary} did not answer in {_START_LIMIT_SECONDS:.0f} s"
                raise StoreUnusable(message)
        self._serving.set()

    def close(self) -> None:
        """End the server, remove what it left and let go of the data directory. Idempotent."""
        if self._closing.is_set():
            return
        self._closing.set()
        if self._child:
            self._child.terminate()
        self._keeper.join(_STOP_LIMIT_SECONDS)
        if self._keeper.is_alive() and self._child:
            self._child.kill()
            self._keeper.join()
        self._directory.remove()
        self._log.close()
        if self._data:
            self._data.close()

    def _keep(self) -> None:
        try:
            status = self._run_once()
            while self._serving.is_set() and not self._closing.is_set():
                logger.bind(exit_status=status, last_output=self._last_output()).critical(
                    "embedded store ended by itself; starting it again"
                )
                self._closing.wait(_RESTART_DELAY_SECONDS)
                status = self._run_once()
        finally:
            self._ended.set()

    def _run_once(self) -> int:
        mode = "signal" if sys.platform == "linux" else "pipe"
        watch = [sys.executable, "-I", "-S", str(_PARENT_WATCH), str(os.getpid()), mode]
        with subprocess.Popen(  # noqa: S603 - a server binary of our own choice, no shell
            [*watch, *self._command()],
            stdin=subprocess.PIPE,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            pass_fds=self._locks(),
            start_new_session=True,  # Ctrl-C is for us: the store must outlast the drain
        ) as child:
            self._child = child
            if self._closing.is_set():  # it came between the loop's look and the assignment
                child.terminate()
            return child.wait()

    def _locks(self) -> tuple[int, ...]:
        """Return what the server keeps locked for as long as it lives."""
        own = (self._directory.lock_fd,)
        return own if self._data is None else (*own, self._data.lock_fd)

    def _command(self) -> list[str]:
        command = [str(self._binary), "--port", "0", "--daemonize", "no"]
        command += ["--unixsocket", str(self.socket_path), "--unixsocketperm", "700"]
        command += ["--loglevel", "warning", "--save", "", "--maxmemory-policy", "noeviction"]
        if self._data is None:
            return [*command, "--dir", str(self._directory.path), "--appendonly", "no"]
        command += ["--dir", str(self._data.path), "--appendonly", "yes"]
        return [*command, "--appendfsync", "everysec"]

    def _last_output(self) -> str:
        size = os.fstat(self._log.fileno()).st_size
        tail = os.pread(self._log.fileno(), 2000, max(0, size - 2000)).decode(errors="replace")
        lines = [line.strip() for line in tail.splitlines() if line.strip()]
        return lines[-1] if lines else "it wrote nothing"


def _ping(path: Path) -> bytes:
    """Return what the server answers to PING; nothing when there is no server yet."""
    with (
        contextlib.suppress(OSError),
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection,
    ):
        connection.settimeout(1.0)
        connection.connect(str(path))
        connection.sendall(b"PING\r\n")
        return connection.recv(256)
    return b""
