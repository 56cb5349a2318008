"""Sessions that speak all the time and nodes that answer, while a test breaks something."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from tests.support.peers.raw_client import RawClient, raw_client, tone
from tests.support.peers.raw_node import Ability, RawNode, raw_node
from tests.support.peers.raw_wire import Message
from tests.support.processes.scheduler_process import SchedulerProcess
from tests.support.waiting import PATIENCE_S

CAPACITY = 2
_PERIOD_SECONDS = 0.2
_WORK_SECONDS = 0.1


class SteadyLoad:
    """Who speaks and who answers; `stop` ends the speech and waits for the last outcome."""

    def __init__(self, clients: list[RawClient], nodes: list[RawNode]) -> None:
        self.clients = clients
        self.nodes = nodes
        self._said = dict.fromkeys(clients, 0)
        self._is_over = False
        self._speakers = [asyncio.create_task(self._speak(client)) for client in clients]

    async def _speak(self, client: RawClient) -> None:
        while not self._is_over:
            self._said[client] += 1
            await client.speak(tone(200))
            await asyncio.sleep(_PERIOD_SECONDS)

    async def stop(self, seconds: float = 2 * PATIENCE_S) -> list[Message]:
        """Return all outcomes, one for each utterance, when the last has come.

        A job whose assignment got lost with a reply of the store may wait for its time-out (30 s).
        """
        self._is_over = True
        await asyncio.gather(*self._speakers)
        outcomes: list[Message] = []
        async with asyncio.timeout(seconds):
            for client, said in self._said.items():
                outcomes += [await client.outcome(seconds=seconds) for _ in range(said)]
        return outcomes

    def check(self) -> None:
        """Fail if anybody was cut off, alarmed or given more than fits."""
        for client in self.clients:
            assert client.is_open, "a session's socket was closed"
            assert not client.all_heard("error")
            indexes = [outcome["utterance_index"] for outcome in client.outcomes()]
            in_order = [one for one in client.outcomes() if not one.get("late")]
            assert len(set(indexes)) == len(indexes) == self._said[client]
            assert in_order == sorted(in_order, key=lambda one: int(one["utterance_index"]))
        for node in self.nodes:
            assert node.is_open, "a node's socket was closed"
            assert node.peak <= CAPACITY, f"{node.peak} slots of {CAPACITY}"


@asynccontextmanager
async def steady_load(
    scheduler: SchedulerProcess, sessions: int = 6, nodes: int = 3
) -> AsyncIterator[SteadyLoad]:
    """Yield a load that has begun."""
    async with AsyncExitStack() as stack:
        staff = [
            await stack.enter_async_context(
                raw_node(scheduler.node_url, Ability(capacity=CAPACITY))
            )
            for _ in range(nodes)
        ]
        for node in staff:
            node.answers(_WORK_SECONDS)
        clients = [
            await stack.enter_async_context(raw_client(scheduler.session_url))
            for _ in range(sessions)
        ]
        yield SteadyLoad(clients, staff)
