"""A session and the nodes that may serve it, under a scheduler whose deadlines are short."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from tests.support.peers.raw_client import RawClient, raw_client
from tests.support.peers.raw_node import Ability, RawNode, raw_node
from tests.support.peers.raw_wire import Message, Pair
from tests.support.processes.scheduler_process import SchedulerProcess

JOB_TIMEOUT = 0.6
PENDING = 0.9
PENALTY = 0.5
TURN_WAIT = 0.5
"""Seconds."""
FLAGS = (
    f"--job-timeout-ms={int(JOB_TIMEOUT * 1000)}",
    f"--pending-timeout-ms={int(PENDING * 1000)}",
    f"--model-penalty-ms={int(PENALTY * 1000)}",
    f"--turn-wait-ms={int(TURN_WAIT * 1000)}",
    "--max-duration-ms=1000",
    "--result-gap-ms=500",
    "--hangover-manual-ms=5",
    "--session-grace-seconds=0.5",
)


@asynccontextmanager
async def session_and_nodes(
    scheduler: SchedulerProcess, pair: Pair, nodes: int, capacity: int | None = None
) -> AsyncIterator[tuple[RawClient, list[RawNode]]]:
    """Yield a session and this many nodes."""
    able = Ability.of(pair, capacity)
    async with AsyncExitStack() as stack:
        staff = [
            await stack.enter_async_context(raw_node(scheduler.node_url, able))
            for _ in range(nodes)
        ]
        yield await stack.enter_async_context(raw_client(scheduler.session_url, *pair)), staff


def others(nodes: list[RawNode], *gone: RawNode) -> list[RawNode]:
    return [node for node in nodes if node not in gone]


def is_next_attempt(again: Message, before: Message) -> bool:
    """Whether a job is the same work under ids that no node has seen."""
    attempt = again["attempt_id"]
    plain = {name: before[name].partition("~")[0] for name in ("job_id", "session_id", "turn_id")}
    same = ("audio", "audio_format", "utterance_index", "src_lang", "tgt_lang", "trace_id")
    return (
        attempt == before["attempt_id"] + 1
        and all(again[name] == f"{plain[name]}~{attempt}" for name in plain)
        and all(again[name] == before[name] for name in same)
    )
