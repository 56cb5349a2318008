"""A Redis-protocol server that a test kills, freezes and starts again on the same socket."""

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from storage.embedded.server import find_servers
from tests.support.waiting import wait_until


class MortalStore:
    """In memory only: what it knew is gone after `kill`."""

    def __init__(self, directory: Path) -> None:
        servers = find_servers()
        if not servers:
            text = "NO REAL STORE: no valkey or redis server runs on this machine"
            if os.environ.get("CI"):
                pytest.fail(text)
            pytest.skip(text)
        self._binary = servers[0]
        self._directory = directory
        self._path = directory / "mortal.sock"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """For the scheduler."""
        return f"unix://{self._path}"

    def start(self) -> None:
        """Return when it answers; one that runs already goes on."""
        if self._process is not None:
            return
        self._path.unlink(missing_ok=True)
        self._process = subprocess.Popen(
            [
                str(self._binary),
                *("--port", "0", "--unixsocket", str(self._path)),
                *("--save", "", "--appendonly", "no", "--dir", str(self._directory)),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_until(lambda: self.ask(b"PING") == b"+PONG\r\n", "the store answers")

    def ask(self, command: bytes) -> bytes:
        """Return what it says to a command in one line; nothing when it is away."""
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(2)
                connection.connect(str(self._path))
                connection.sendall(command + b"\r\n")
                return connection.recv(4096)
        except OSError:
            return b""

    def kill(self) -> None:
        """End it without a word."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """Let it hang: it takes what is sent and answers nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)


@contextmanager
def mortal_store(directory: Path) -> Iterator[MortalStore]:
    """Start one; it is gone afterwards, whatever a test did to it."""
    store = MortalStore(directory)
    store.start()
    try:
        yield store
    finally:
        store.kill()
