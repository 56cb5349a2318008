"""What a fault is: it strikes once, does harm, and takes it back where that is possible.

What it makes impossible to expect it marks as a disturbance in the log.
"""

import asyncio
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from random import Random
from typing import ClassVar, TypeVar

from tests.chaos.faults.proxy import Link, Way
from tests.chaos.peers.client import ChaosClient
from tests.chaos.peers.node import ChaosNode
from tests.chaos.world import World

_Peer = TypeVar("_Peer", ChaosClient, ChaosNode)


@dataclass(slots=True)
class Targets:
    """Whom faults may strike."""

    world: World
    clients: list[ChaosClient]
    nodes: list[ChaosNode]
    store_lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    """One fault of the store at a time."""

    def client(self, rng: Random) -> tuple[ChaosClient, Link] | None:
        """Pick a client; None if it is not connected."""
        return _connected(self.clients, rng)

    def node(self, rng: Random) -> tuple[ChaosNode, Link] | None:
        """Pick a node; None if it is not connected."""
        return _connected(self.nodes, rng)

    def streaming_node(self, rng: Random) -> tuple[ChaosNode, Link] | None:
        """Pick a node that hears somebody speak; None if none does."""
        busy = [node for node in self.nodes if node.streams]
        return _connected(busy, rng) if busy else None


def _connected(peers: list[_Peer], rng: Random) -> tuple[_Peer, Link] | None:
    peer = rng.choice(peers)
    link = peer.wire.link if peer.wire is not None else None
    return (peer, link) if link is not None else None


class Fault(ABC):
    """One way in which things go wrong."""

    weight: ClassVar[float]
    """How often it strikes, beside the others."""
    is_on: ClassVar[bool] = True
    why_off: ClassVar[str] = ""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        """Decides everything about this one strike."""

    @abstractmethod
    async def strike(self, targets: Targets) -> None:
        """Do harm."""


class StoreFault(Fault):
    """A fault that waits for others of the store to be over."""

    async def strike(self, targets: Targets) -> None:
        """See `Fault.strike`."""
        async with targets.store_lock:
            await self.harm(targets.world)

    @abstractmethod
    async def harm(self, world: World) -> None:
        """Do harm to the store."""


async def stalled(world: World, subject: str, link: Link, seconds: float) -> None:
    """Hold a connection back for a while."""
    with world.disturbance(subject):
        link.stall()
        await asyncio.sleep(seconds)
        link.release()


async def slow_down(
    link: Link, delay: float, bytes_per_second: float | None, seconds: float, *ways: Way
) -> None:
    """Slow a connection down for a while."""
    for weather in link.weather(*ways):
        weather.delay_seconds, weather.bytes_per_second = delay, bytes_per_second
    await asyncio.sleep(seconds)
    for weather in link.weather(*ways):
        weather.delay_seconds, weather.bytes_per_second = 0.0, None
