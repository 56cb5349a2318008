"""A node in a process of its own, so that a test can kill or stop it as an operator's would be.

`python -m tests.end_to_end.support.processes.node_process` with URL, source, target, capacity,
seconds per job and seconds between heartbeats prints its node id when it is registered, and answers
every job.
"""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.peers.raw_node import Ability, raw_node

ROOT = Path(__file__).parents[4]


@dataclass(frozen=True, slots=True)
class NodeProgram:
    """What such a node is told."""

    url: str
    source: str
    target: str
    capacity: int = 4
    work_seconds: float = 0.1
    beat_seconds: float = 15.0

    def command(self) -> list[str]:
        """Return what starts it."""
        words = (self.url, self.source, self.target, self.capacity)
        times = (self.work_seconds, self.beat_seconds)
        return [
            sys.executable,
            "-m",
            "tests.end_to_end.support.processes.node_process",
            *map(str, (*words, *times)),
        ]


@dataclass(frozen=True, slots=True)
class NodeProcess:
    """One that runs."""

    process: subprocess.Popen[str]
    node_id: str


@contextmanager
def node_processes(program: NodeProgram, count: int) -> Iterator[list[NodeProcess]]:
    """Run so many; they are registered."""
    with ExitStack() as stack:
        started = []
        for _ in range(count):
            process = subprocess.Popen(
                program.command(), cwd=ROOT, stdout=subprocess.PIPE, text=True
            )
            stack.callback(_end, process)
            started.append(process)
        yield [NodeProcess(process, _first_line(process)) for process in started]


def _first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def _end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


async def _main(program: NodeProgram) -> None:
    ability = Ability((program.source,), (program.target,), capacity=program.capacity)
    async with raw_node(program.url, ability) as node:
        node.answers(program.work_seconds)
        sys.stdout.write(f"{node.node_id}\n")
        sys.stdout.flush()
        while node.is_open:
            await node.beat()
            await asyncio.sleep(program.beat_seconds)


if __name__ == "__main__":
    url, source, target, capacity, work, beat = sys.argv[1:]
    asyncio.run(_main(NodeProgram(url, source, target, int(capacity), float(work), float(beat))))
