"""GPUs differ by ten times: the fast ones work while they have a free slot."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from tests.end_to_end.support.many_peers import clients_of, nodes_of
from tests.support.peers.raw_client import tone
from tests.support.peers.raw_node import Ability
from tests.support.peers.raw_wire import Pair, over_sockets
from tests.support.processes.scheduler_process import SchedulerProcess

QUICK_S = 0.02
SLOW_S = 0.3


@pytest.fixture
def scheduler(scheduler_for_crowds: SchedulerProcess) -> SchedulerProcess:
    return scheduler_for_crowds


@over_sockets
async def test_who_speaks_does_not_wait_for_the_slow_node_while_others_are_free(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    ability = Ability.of(pair, capacity=2)
    async with AsyncExitStack() as stack:
        slow, *fast = await nodes_of(stack, scheduler, ability, ability, ability)
        slow.answers(after_seconds=SLOW_S)
        for node in fast:
            node.answers(after_seconds=QUICK_S)
        clients = await clients_of(stack, scheduler, pair, 6)

        async def say(count: int, times: int) -> None:
            for _ in range(times):
                await asyncio.gather(*(client.speak(tone(300)) for client in clients[:count]))
                await asyncio.gather(*(client.result() for client in clients[:count]))

        await say(6, 6)  # all nodes are known by then
        for node in (slow, *fast):
            await node.beat()
            await node.fence()
        await say(1, 1)
        before = len(slow.jobs)
        await say(4, 6)
        assert len(slow.jobs) == before
        await say(6, 1)
        assert len(slow.jobs) > before
        path = f"/api/v1/route?src={pair[0]}&tgt={pair[1]}"
        rows = (await asyncio.to_thread(scheduler.get, path)).json["nodes"]
        assert rows[-1]["node_id"] == slow.node_id
        assert any(reason.startswith("slow: ") for reason in rows[-1]["reasons"])
