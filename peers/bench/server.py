"""The server under measure: starts it in a process of its own, reads its metrics, ends it.

It knows the server only from outside: a command line, a port, `/ready`, `/metrics` and /proc.
It ends the process it started and nothing else.
"""

import asyncio
import contextlib
import http.client
import json
import re
import socket
import tempfile
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar

from peers.bench import process_usage
from peers.child_module import module_environment

HOST: Final = "127.0.0.1"
START_TIMEOUT_SECONDS: Final = 60.0
STOP_TIMEOUT_SECONDS: Final = 10.0
REQUEST_TIMEOUT_SECONDS: Final = 5.0
POLL_SECONDS: Final = 0.05
STORE_PROGRAMS: Final = frozenset({"valkey-server", "redis-server"})
"""What an embedded store runs; everything else that the server starts is the server's own."""
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
    """Of all its processes but the store: workers, and whoever keeps them running."""
    store_cpu_seconds: float | None
    """None without a store of its own."""
    resident_kb: int | None
    server_waiting_seconds: float | None = None
    """Ready to run while something else had the core."""
    process_cpu_seconds: Mapping[int, float] = field(default_factory=dict)
    """Of each of its processes but the store."""


@dataclass(frozen=True, slots=True)
class Instance:
    """One instance of the scheduler, as it tells itself."""

    pid: int
    sessions: int
    """That live there."""
    nodes: int
    """That are connected there."""


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
        """Read what the server and its store have cost so far."""
        own, store = self._processes()
        each = {pid: process_usage.cpu_seconds(pid) for pid in own}
        known = {pid: seconds for pid, seconds in each.items() if seconds is not None}
        return Usage(
            at_seconds=asyncio.get_running_loop().time(),
            server_cpu_seconds=sum(known.values()) if self.pid in known else None,
            store_cpu_seconds=_sum(process_usage.cpu_seconds(pid) for pid in store),
            resident_kb=_sum(process_usage.resident_kb(pid) for pid in own),
            server_waiting_seconds=_sum(process_usage.waiting_seconds(pid) for pid in own),
            process_cpu_seconds=known,
        )

    def pin(self, server_cores: list[int], other_cores: list[int]) -> None:
        """Give the server its own cores, and its store the others."""
        own, store = self._processes()
        for pid in own:
            process_usage.pin(pid, server_cores)
        for pid in store:
            process_usage.pin(pid, other_cores)

    def _processes(self) -> tuple[list[int], list[int]]:
        """Return the server's own processes, and its store's."""
        started = process_usage.descendants(self.pid)
        store = [pid for pid in started if process_usage.program(pid) in STORE_PROGRAMS]
        return [self.pid, *(pid for pid in started if pid not in store)], store

    async def instances(self) -> list[Instance]:
        """Ask the server which instances it consists of, in the order of their processes.

        Raises:
            BenchError: it did not answer.
        """
        told = json.loads(await self._read("/api/v1/cluster"))["instances"]
        alive = [one for one in told if one["is_online"]]
        found = [Instance(one["pid"], one["sessions_owned"], one["nodes_owned"]) for one in alive]
        return sorted(found, key=lambda instance: instance.pid)

    async def metrics(self) -> Metrics:
        """Read `/metrics`.

        Raises:
            BenchError: it did not answer.
        """
        return Metrics(await self._read("/metrics"))

    async def _read(self, path: str) -> str:
        try:
            status, body = await asyncio.to_thread(_get, self.port, path)
        except (OSError, http.client.HTTPException) as error:
            raise BenchError(f"{path} did not answer: {error}") from error
        if status != http.client.OK:
            raise BenchError(f"{path} answered with status {status}")
        return body

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
async def running_server(
    command: Sequence[str], wanted_port: int = 0
) -> AsyncIterator[ServerUnderTest]:
    """Start `command --port <port>` and give it while the context is open.

    The port is the wanted one where nobody has it, else a free one.

    Raises:
        BenchError: it did not become ready; the message ends with what it wrote to stderr.
    """
    port = free_port(wanted_port)
    with tempfile.TemporaryFile() as output:
        process = await asyncio.create_subprocess_exec(
            *command,
            *("--port", str(port)),
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


_Number = TypeVar("_Number", int, float)


def _sum(values: Iterable[_Number | None]) -> _Number | None:
    """Return the sum of what is known; None when nothing is."""
    known = [value for value in values if value is not None]
    return sum(known[1:], known[0]) if known else None


def _environment() -> dict[str, str]:
    """Return the environment without settings: what is measured stands on the command line."""
    kept = module_environment().items()
    return {name: text for name, text in kept if not name.startswith("LINGUA_")}


def free_port(wanted: int = 0) -> int:
    """Return a port nobody listens on at this moment, the wanted one if that is so."""
    try:
        probe = socket.create_server((HOST, wanted))
    except OSError:
        probe = socket.create_server((HOST, 0))
    with probe:
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
