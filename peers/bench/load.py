"""The load processes of a bench: starts workers, leads them through a run, sums up.

It speaks the line protocol of bench_worker over pipes. It ends the processes it started and
nothing else.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final, Protocol

from peers.bench import process_usage
from peers.bench.counts import Counts
from peers.bench.server import BenchError
from peers.child_module import module_command, module_environment

LINE_LIMIT_BYTES: Final = 64 * 1024 * 1024
"""A report carries every latency sample of a window."""
ANSWER_TIMEOUT_SECONDS: Final = 120.0
LOAD_PROCESS: Final = module_command("peers.bench.load_process")


class ProcessSpec(Protocol):
    """What one process is opened with."""

    def as_json(self) -> dict[str, Any]:
        """Return the spec as JSON values."""


class LoadWorker:
    """One worker process, seen from the bench."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    async def ask(self, command: str, **values: Any) -> dict[str, Any]:
        """Send a command and return its answer.

        Raises:
            BenchError: the worker failed, ended or did not answer in time.
        """
        if self._process.stdin is None or self._process.stdout is None:
            raise BenchError("a load process was started without pipes")
        line = json.dumps({"command": command} | values) + "\n"
        self._process.stdin.write(line.encode())
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_SECONDS):
                answered = await self._process.stdout.readline()
        except TimeoutError:
            raise BenchError(f"a load process did not answer {command!r} in time") from None
        if not answered:
            raise BenchError(f"a load process ended while it was asked to {command!r}")
        answer: dict[str, Any] = json.loads(answered)
        if answer["event"] == "failed":
            raise BenchError(f"the load could not {command!r}: {answer['message']}")
        return answer

    async def stop(self) -> None:
        """End the process."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
        await self._process.wait()


class Load:
    """All workers of a run, led together."""

    def __init__(self, workers: Sequence[LoadWorker]) -> None:
        self._workers = workers

    def cpu_seconds(self) -> float | None:
        """Return the processor time of all workers so far; None where it is not told."""
        used = [process_usage.cpu_seconds(worker.pid) for worker in self._workers]
        known = [seconds for seconds in used if seconds is not None]
        return sum(known) if len(known) == len(used) else None

    async def ask(self, command: str, **values: Any) -> list[dict[str, Any]]:
        """Send one command to all workers and return their answers."""
        return await asyncio.gather(*(worker.ask(command, **values) for worker in self._workers))

    async def stop(self) -> Counts:
        """End the measured window, wait for open outcomes, return the sum of all counts."""
        return await self._report("stop")

    async def finish(self) -> Counts:
        """Wait for open outcomes, then end the window; return the sum of all counts."""
        return await self._report("finish")

    async def _report(self, command: str) -> Counts:
        total = Counts()
        for answer in await self.ask(command):
            total.add(Counts.from_json(answer["counts"]))
        return total

    async def close(self) -> list[str]:
        """Close all sessions and return the sentences about what went wrong so far."""
        answers = await self.ask("close")
        return [problem for answer in answers for problem in answer["problems"]]


@contextlib.asynccontextmanager
async def running_load(
    specs: Sequence[ProcessSpec], cores: list[int], command: Sequence[str] = LOAD_PROCESS
) -> AsyncIterator[Load]:
    """Start one process per spec, connect them in order, and give them while the context is open.

    Raises:
        BenchError: a worker could not connect.
    """
    workers: list[LoadWorker] = []
    try:
        for spec in specs:
            process = await asyncio.create_subprocess_exec(
                *command,
                env=module_environment(),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                limit=LINE_LIMIT_BYTES,
            )
            workers.append(LoadWorker(process))
            process_usage.pin(process.pid, cores)
            await workers[-1].ask("open", **spec.as_json())
        yield Load(workers)
    finally:
        await asyncio.gather(*(worker.stop() for worker in workers))
