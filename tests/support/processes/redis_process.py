"""One Redis or Valkey server on a loopback port of its own, as part of a cluster or a set."""

import os
import signal
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import hiredis
import pytest

from storage.embedded.server import find_servers
from tests.support.waiting import wait_until


def server_binary() -> Path:
    """Return a server of this machine, or skip the test loudly (in CI: fail)."""
    servers = find_servers()
    if not servers:
        text = "NO REAL STORE: no valkey or redis server runs on this machine"
        if os.environ.get("CI"):
            pytest.fail(text)
        pytest.skip(text)
    return servers[0]


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


class RedisProcess:
    """A server process; in memory only, so a killed one comes back empty."""

    def __init__(self, binary: Path, directory: Path, port: int, *options: str) -> None:
        self.port = port
        self._command = [str(binary), *options]
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and return when it answers."""
        self._directory.mkdir(parents=True, exist_ok=True)
        with (self._directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command, cwd=self._directory, stdout=log, stderr=log
            )
        wait_until(lambda: self.is_up, f"server on port {self.port} answers")

    @property
    def is_up(self) -> bool:
        """Whether it answers now."""
        try:
            return bool(self.ask("PING") == "PONG")
        except OSError:
            return False

    def ask(self, *words: str | int) -> Any:
        """Return the reply to one command.

        Raises:
            OSError: It does not answer.
        """
        reader = hiredis.Reader(encoding="utf-8", errors="replace")
        with socket.create_connection(("127.0.0.1", self.port), 2) as connection:
            connection.settimeout(5)
            connection.sendall(hiredis.pack_command(words))  # type: ignore[arg-type]  # its stub
            while (reply := reader.gets()) is False:
                data = connection.recv(65536)
                if not data:
                    raise OSError("closed")
                reader.feed(data)
        return reply

    def must(self, *words: str | int) -> Any:
        """Return the reply to one command that may not be refused."""
        reply = self.ask(*words)
        assert not isinstance(reply, Exception), f"{words}: {reply}"
        return reply

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

    def log(self) -> str:
        """Return what it said."""
        return (self._directory / "log").read_text(errors="replace")


def kill_all(servers: Sequence[RedisProcess]) -> None:
    """End them all."""
    for server in servers:
        server.kill()
