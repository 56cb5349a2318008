"""A scheduler that cuts early, a session on it, and the one node that it can have."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.support.peers.raw_client import RawClient, raw_client
from tests.support.peers.raw_node import Ability, RawNode, raw_node
from tests.support.peers.raw_wire import Message, Pair
from tests.support.processes.scheduler_process import SchedulerProcess

LIMIT_MS = 1000
TURN_MS = 2500
LIMIT_BYTES = 60_000
"""Reached by opus of the highest rate before `LIMIT_MS`, by PCM at 16 kHz only after it."""
FLAGS = (
    f"--max-duration-ms={LIMIT_MS}",
    f"--max-turn-ms={TURN_MS}",
    f"--max-utterance-bytes={LIMIT_BYTES}",
    "--session-grace-seconds=0.5",
)


@asynccontextmanager
async def speaker_and_node(
    scheduler: SchedulerProcess, pair: Pair, **init: Any
) -> AsyncIterator[tuple[RawClient, RawNode]]:
    """Yield a session and the one node that it can have, which takes one turn at a time."""
    ability = Ability.of(pair, capacity=1)
    async with (
        raw_node(scheduler.node_url, ability) as node,
        raw_client(scheduler.session_url, *pair, **init) as client,
    ):
        yield client, node


async def finish(node: RawNode, client: RawClient, *jobs: Message) -> None:
    for job in jobs:
        await node.answer(job, f"words {job['utterance_index']}")
    for _ in jobs:
        await client.outcome()


def why(job: Message) -> str:
    """Return what the node is told about the cut."""
    (flag,) = [name for name in job if name.startswith("is_") and job[name] is True]
    return str(flag)
