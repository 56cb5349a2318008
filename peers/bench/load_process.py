"""One process of the load: simulated nodes and clients, led by the bench through pipes.

`python -m peers.bench.load_process` reads one line of JSON per command from its standard input and
writes one line per answer to its standard output:

    {"command": "open", ...WorkerSpec}  connect everything     → {"event": "ready"}
    {"command": "pace", "chunks_per_second": 10}  from the next start on → {"event": "paced"}
    {"command": "start"}                begin to speak         → {"event": "started"}
    {"command": "mark"}                 begin the window       → {"event": "marked"}
    {"command": "stop"}                 end the window, wait for open outcomes → {"event": "report"}
    {"command": "finish"}               the same with the wait inside the window
    {"command": "close"}                close all sessions     → {"event": "closed"}

Whatever fails is answered with {"event": "failed", "message": ...}. The end of the standard
input ends the process, so it never outlives the bench.
"""

import asyncio
import json
import sys
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Final

from peers.bench.clients import ClientShape, SimulatedClient, close_clients, open_clients
from peers.bench.counts import Counts
from peers.bench.load_pattern import Burst, ClosedLoop, LoadPattern, Pace, Paced
from peers.bench.simulated_node import NodeShape, SimulatedNode
from peers.event_loop import run

SETTLE_POLL_SECONDS: Final = 0.02


class PatternName(StrEnum):
    """Which pattern the clients of a worker follow."""

    IDLE = "idle"
    CLOSED_LOOP = "closed_loop"
    PACED = "paced"
    BURST = "burst"


@dataclass(frozen=True, slots=True)
class WorkerSpec:
    """What one worker process simulates."""

    host: str
    port: int
    name: str
    """Unique among the workers of a run: begins the names of its nodes."""
    nodes: int = 0
    node_port: int = 0
    """Where its nodes connect; 0: where its clients do."""
    node: NodeShape = field(default_factory=NodeShape)
    clients: int = 0
    client: ClientShape = field(default_factory=ClientShape)
    pattern: PatternName = PatternName.IDLE
    pace: Pace = field(default_factory=Pace)
    settle_seconds: float = 15.0
    """How long open utterances may still take after the stop."""

    def as_json(self) -> dict[str, Any]:
        """Return the spec as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "WorkerSpec":
        """Return the spec that `as_json` wrote."""
        node = values["node"] | {"languages": tuple(values["node"]["languages"])}
        return cls(
            **values
            | {
                "node": NodeShape(**node),
                "client": ClientShape(**values["client"]),
                "pattern": PatternName(values["pattern"]),
                "pace": Pace(**values["pace"]),
            }
        )


class Worker:
    """The simulated peers of one process and the commands that lead them."""

    def __init__(self) -> None:
        self._counts = Counts()
        self._spec: WorkerSpec | None = None
        self._nodes: list[SimulatedNode] = []
        self._clients: list[SimulatedClient] = []
        self._pattern: LoadPattern | None = None

    async def obey(self, message: dict[str, Any]) -> dict[str, Any]:
        """Carry out one command and return the answer to it."""
        match message.pop("command"):
            case "open":
                await self._open(WorkerSpec.from_json(message))
                return {"event": "ready"}
            case "start":
                if self._pattern is not None:
                    self._pattern.start()
                return {"event": "started"}
            case "pace":
                if isinstance(self._pattern, Paced):
                    self._pattern.pace(message["chunks_per_second"])
                return {"event": "paced"}
            case "mark":
                self._counts.mark()
                return {"event": "marked"}
            case "stop":
                self._counts.freeze()
                await self._settle()
                return {"event": "report", "counts": self._counts.as_json()}
            case "finish":
                await self._settle()
                self._counts.freeze()
                return {"event": "report", "counts": self._counts.as_json()}
            case "close":
                await close_clients(self._clients)
                for node in self._nodes:
                    node.close()
                return {"event": "closed", "problems": self._counts.problems}
            case unknown:
                raise ValueError(f"unknown command {unknown!r}")

    async def _open(self, spec: WorkerSpec) -> None:
        self._spec = spec
        for number in range(spec.nodes):
            node = SimulatedNode(f"{spec.name}-{number}", spec.node, self._counts)
            await node.open(spec.host, spec.node_port or spec.port)
            self._nodes.append(node)
        address = (spec.host, spec.port)
        self._clients = await open_clients(spec.clients, address, spec.client, self._counts)
        self._pattern = self._make_pattern(spec)

    def _make_pattern(self, spec: WorkerSpec) -> LoadPattern | None:
        if not self._clients:
            return None
        match spec.pattern:
            case PatternName.CLOSED_LOOP:
                return ClosedLoop(self._clients)
            case PatternName.PACED:
                return Paced(self._clients, spec.pace, self._counts)
            case PatternName.BURST:
                return Burst(self._clients)
            case PatternName.IDLE:
                return None

    async def _settle(self) -> None:
        """Fall silent, then wait for the outcomes of what was said (bounded)."""
        if self._pattern is not None:
            self._pattern.stop()
        settle_seconds = self._spec.settle_seconds if self._spec is not None else 0.0
        for _ in range(int(settle_seconds / SETTLE_POLL_SECONDS)):
            if not self._counts.open_utterances:
                break
            await asyncio.sleep(SETTLE_POLL_SECONDS)


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    commands = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    worker = Worker()
    while line := await commands.readline():
        try:
            answer = await worker.obey(json.loads(line))
        except (OSError, TimeoutError, ValueError) as error:
            answer = {"event": "failed", "message": str(error) or type(error).__name__}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    run(_serve())
