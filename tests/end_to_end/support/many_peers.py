"""Several nodes and clients at once, and the settings of the scheduler that takes them."""

from contextlib import AsyncExitStack

from tests.support.peers.raw_client import RawClient, raw_client, tone
from tests.support.peers.raw_node import Ability, RawNode, raw_node
from tests.support.peers.raw_wire import Message, Pair
from tests.support.processes.scheduler_process import SchedulerProcess

HOLD = 1.0
SWEEP = 1.1
"""Seconds: how long a node stays marked as overloaded, and how late the mark may go."""
FLAGS = (
    "--hangover-manual-ms=5",
    "--max-queued-per-session=100",
    "--ingest-rate=1000",
    f"--overload-hold-ms={int(HOLD * 1000)}",
    "--session-grace-seconds=0.5",
)


async def nodes_of(
    stack: AsyncExitStack, scheduler: SchedulerProcess, *abilities: Ability
) -> list[RawNode]:
    return [
        await stack.enter_async_context(raw_node(scheduler.node_url, ability))
        for ability in abilities
    ]


async def clients_of(
    stack: AsyncExitStack, scheduler: SchedulerProcess, pair: Pair, count: int
) -> list[RawClient]:
    return [
        await stack.enter_async_context(raw_client(scheduler.session_url, *pair))
        for _ in range(count)
    ]


def events_of(clients: list[RawClient], event: str) -> list[Message]:
    """Return the `ui_event`s of this kind that any of them heard."""
    heard = (message for client in clients for message in client.all_heard("ui_event"))
    return [message for message in heard if message["event"] == event]


async def speak_in_turn(clients: list[RawClient]) -> None:
    """Let them speak one after the other, each when the one before is with a node."""
    for client in clients:
        await client.speak(tone(300))
        await client.hear("ui_event", event="DISPATCHED")
