"""The server under measure: starts it in a process of its own, reads its metrics, ends it.

It knows the server only from outside: a command line, a port, `/ready`, `/metrics` and /proc.
It ends the process it started and nothing else.
"""

import asyncio
import contextlib
import http.client
import os
import re
import socket
import tempfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from peers import process_usage

HOST: Final = "127.0.0.1"
START_TIMEOUT_SECONDS: Final = 15.0
STOP_TIMEOUT_SECONDS: Final = 10.0
REQUEST_TIMEOUT_SECONDS: Final = 5.0
POLL_SECONDS: Final = 0.05
_STDERR_SHOWN: Final = 800

_SAMPLE: Final = re.compile(r"^(\w+)(\{.*\})? (\S+)")


class BenchError(Exception):
    """The bench cannot go on; the message is one sentence for the user."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What the server had cost up to one moment."""

    at_seconds: float
    """Monotonic clock."""
    server_cpu_seconds: float | None
    store_cpu_seconds: float | None
    """All child processes together; None without any."""
    resident_kb: int | None
    server_waiting_seconds: float | None = None
    """Ready to run while something else had the core."""


class Metrics:
    """One reading of a Prometheus text page."""

    def __init__(self, text: str) -> None:
        self._samples: dict[str, float] = {}
        for line in text.splitlines():
            sample = _SAMPLE.match(line)
            if sample is not None:
                self._samples[sample[1] + (sample[2] or "")] = float(sample[3])

    def total(self, name: str) -> float | None:
        """Return the sum over all label values of a metric; None if the page lacks it."""
        values = [value for key, value in self._samples.items() if key.partition("{")[0] == name]
        return sum(values) if values else None

    def by_label(self, name: str, label: str) -> dict[str, float]:
        """Return the values of a metric by the value of one label."""
        found: dict[str, float] = {}
        for key, value in self._samples.items():
            if key.startswith(name + "{"):
                match = re.search(rf'[{{,]{label}="([^"]*)"', key)
                if match is not None:
                    found[match[1]] = found.get(match[1], 0.0) + value
        return found


class ServerUnderTest:
    """A running server process."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self.port = port
        self._process = process

    @property
    def pid(self) -> int:
        """The server's own process, without its children."""
        return self._process.pid

    def is_running(self) -> bool:
        """Tell whether the process has not ended."""
        return self._process.returncode is None

    def usage(self) -> Usage:
        """Read what the server and its children have cost so far."""
        store = [process_usage.cpu_seconds(pid) for pid in process_usage.children(self.pid)]
        known = [seconds for seconds in store if seconds is not None]
        return Usage(
            at_seconds=asyncio.get_running_loop().time(),
            server_cpu_seconds=process_usage.cpu_seconds(self.pid),
            store_cpu_seconds=sum(known) if known else None,
            resident_kb=process_usage.resident_kb(self.pid),
            server_waiting_seconds=process_usage.waiting_seconds(self.pid),
        )

    def pin(self, server_cores: list[int], other_cores: list[int]) -> None:
        """Give the server its own cores, and its children (the store) the others."""
        process_usage.pin(self.pid, server_cores)
        for child in process_usage.children(self.pid):
            process_usage.pin(child, other_cores)

    async def metrics(self) -> Metrics:
        """Read `/metrics`.

        Raises:
            BenchError: it did not answer.
        """
        try:
            status, body = await asyncio.to_thread(_get, self.port, "/metrics")
        except (OSError, http.client.HTTPException) as error:
            raise BenchError(f"/metrics did not answer: {error}") from error
        if status != http.client.OK:
            raise BenchError(f"/metrics answered with status {status}")
        return Metrics(body)

    async def is_ready(self) -> bool:
        """Tell whether `/ready` answers with 200."""
        try:
            return (await asyncio.to_thread(_get, self.port, "/ready"))[0] == http.client.OK
        except (OSError, http.client.HTTPException):
            return False

    async def wait_ready(self) -> None:
        """Return once the server is ready.

        Raises:
            BenchError: it ended, or was not ready in time.
        """
        for _ in range(int(START_TIMEOUT_SECONDS / POLL_SECONDS)):
            if not self.is_running():
                raise BenchError(f"the server ended with status {self._process.returncode}")
            if await self.is_ready():
                return
            await asyncio.sleep(POLL_SECONDS)
        raise BenchError(f"the server was not ready within {START_TIMEOUT_SECONDS:.0f} s")

    async def stop(self) -> None:
        """End the process: politely, then not."""
        if not self.is_running():
            return
        self._process.terminate()
        try:
            await asyncio.wait_for(self._process.wait(), STOP_TIMEOUT_SECONDS)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()


@contextlib.asynccontextmanager
async def running_server(command: Sequence[str], cwd: Path) -> AsyncIterator[ServerUnderTest]:
    """Start `command --port <free port>` and give it while the context is open.

    Raises:
        BenchError: it did not become ready; the message ends with what it wrote to stderr.
    """
    port = free_port()
    with tempfile.TemporaryFile() as output:
        process = await asyncio.create_subprocess_exec(
            *command,
            *("--port", str(port)),
            cwd=cwd,
            env=_environment(),
            stdout=output,
            stderr=output,
        )
        server = ServerUnderTest(process, port)
        try:
            try:
                await server.wait_ready()
            except BenchError as error:
                output.seek(0)
                said = output.read().decode(errors="replace").strip()[-_STDERR_SHOWN:]
                raise BenchError(f"{error}; it said: {said or 'nothing'}") from error
            yield server
        finally:
            await server.stop()


def _environment() -> dict[str, str]:
    """Return the environment without settings: what is measured stands on the command line."""
    return {name: text for name, text in os.environ.items() if not name.startswith("LINGUA_")}


def free_port() -> int:
    """Return a port nobody listens on at this moment."""
    with socket.create_server((HOST, 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def _get(port: int, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection(HOST, port, timeout=REQUEST_TIMEOUT_SECONDS)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()
