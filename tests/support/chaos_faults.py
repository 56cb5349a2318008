"""The faults of a chaos run: each a class with a weight and a switch, all in one table.

A fault strikes once: it picks whom, does harm, and takes it back where that is possible. What it
makes impossible to expect it marks as a disturbance in the log.
"""

import asyncio
import os
import signal
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from random import Random
from typing import ClassVar, TypeVar

from tests.support.chaos_client import ChaosClient
from tests.support.chaos_log import EVERYBODY, DataLost
from tests.support.chaos_node import ChaosNode
from tests.support.chaos_proxy import Link, Way
from tests.support.chaos_store import Survives
from tests.support.chaos_world import World

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


# ---- clients ----------------------------------------------------------------------------------


class ClientReset(Fault):
    """A client's connection is reset."""

    weight = 5

    async def strike(self, targets: Targets) -> None:
        """See `Fault.strike`."""
        if found := targets.client(self.rng):
            found[1].reset()


class ClientFinish(Fault):
    """A client's connection ends without a closing handshake."""

    weight = 3

    async def strike(self, targets: Targets) -> None:
        """See `Fault.strike`."""
        if found := targets.client(self.rng):
            found[1].finish()


class ClientStall(Fault):
    """Nothing passes for a while, then everything."""

    weight = 4

    async def strike(self, targets: Targets) -> None:
        """See `Fault.strike`."""
        seconds = self.rng.uniform(0.3, 3.0)
        if found := targets.client(self.rng):
            await _stalled(targets.world, found[0].session, found[1], seconds)


class ClientHalfOpen(Fault):
    """Bytes vanish in both directions; the client notices some seconds later."""

    weight = 2

    async def strike(self, targets: Targets) -> None:
        """See `Fault.strike`."""
        seconds = self.rng.uniform(0.5, 4.5)
        if found := targets.client(self.rng):
            client, link = found
            with targets.world.disturbance(client.session):
                link.swallow()
                await asyncio.sleep(seconds)
                link.reset()


class ClientSlowLine(Fault):
    """Long ways, or a thin line, for a while."""

    weight = 3

    async def strike(self, targets: Targets) -> None:
        """See `Fault.strike`."""
        delay, is_thin = self.rng.uniform(0.05, 0.5), self.rng.random() < 0.5
        if found := targets.client(self.rng):
            client, link = found
            with targets.world.disturbance(client.session):
                await _slow(link, delay, 20_000 if is_thin else None, 3.0)


class AllClientsReset(Fault):
    """Every client loses its socket at the same moment."""

    weight = 0.2

    async def strike(self, targets: Targets) -> None:
        """See `Fault.strike`."""
        for link in list(targets.world.client_proxy.links):
            link.reset()


# ---- nodes ------------------------------------------------------------------------------------


class NodeKill(Fault):
    """A node dies with what it has in hand; another process comes up later."""

    weight = 3

    async def strike(self, targets: Targets) -> None:
        """See `Fault.strike`."""
        away = self.rng.uniform(0.3, 4.0)
        if found := targets.node(self.rng):
            found[0].kill(away)


class NodeReset(Fault):
    """A node's connection is reset; it goes on working and comes back under its name."""

    weight = 3

    async def strike(self, targets: Targets) -> None:
        """See `Fault.strike`."""
        away = self.rng.choice((0.0, 0.5, 5.0))
        if found := targets.node(self.rng):
            node, link = found
            node.back_at = targets.world.now() + away
            link.reset()


class NodeStall(Fault):
    """A node is stopped and goes on, at times after the scheduler gave it up."""

    weight = 3

    async def strike(self, targets: Targets) -> None:
        """See `Fault.strike`."""
        seconds = self.rng.choice((0.5, 2.0, 6.0))
        if found := targets.node(self.rng):
            await _stalled(targets.world, found[0].name, found[1], seconds)


class NodeHalfOpen(Fault):
    """A node's bytes vanish; it comes back on a new socket before the old one is noticed."""

    weight = 2

    async def strike(self, targets: Targets) -> None:
        """See `Fault.strike`."""
        away, noticed = self.rng.uniform(0.2, 2.0), self.rng.uniform(1.0, 8.0)
        if found := targets.node(self.rng):
            link = found[0].go_half_open(away)
            await asyncio.sleep(noticed)
            if link is not None:
                link.reset()


class NodeMove(Fault):
    """A node comes back on a new socket while the old one still works."""

    weight = 2

    async def strike(self, targets: Targets) -> None:
        """See `Fault.strike`."""
        if found := targets.node(self.rng):
            await found[0].move()


class NodeSlowLine(Fault):
    """Long ways to a node for a while."""

    weight = 2

    async def strike(self, targets: Targets) -> None:
        """See `Fault.strike`."""
        delay = self.rng.uniform(0.05, 0.5)
        if found := targets.node(self.rng):
            with targets.world.disturbance(found[0].name):
                await _slow(found[1], delay, None, 3.0)


class AllNodesReset(Fault):
    """Every node loses its socket at the same moment."""

    weight = 0.2

    async def strike(self, targets: Targets) -> None:
        """See `Fault.strike`."""
        for link in list(targets.world.node_proxy.links):
            link.reset()


# ---- the store --------------------------------------------------------------------------------


class StoreFault(Fault):
    """A fault that waits for others of the store to be over."""

    async def strike(self, targets: Targets) -> None:
        """See `Fault.strike`."""
        async with targets.store_lock:
            await self.harm(targets.world)

    @abstractmethod
    async def harm(self, world: World) -> None:
        """Do harm to the store."""


class StoreSlow(StoreFault):
    """Every reply takes 200 ms more, for some seconds."""

    weight = 2

    async def harm(self, world: World) -> None:
        """See `StoreFault.harm`."""
        links = list(world.store.proxy.links)
        with world.disturbance(EVERYBODY):  # a slot then takes as long as its round trips
            await asyncio.gather(*(_slow(link, 0.2, None, 3.0, Way.DOWN) for link in links))


class StoreReset(StoreFault):
    """The connections to the store are reset."""

    weight = 2

    async def harm(self, world: World) -> None:
        """See `StoreFault.harm`."""
        for link in list(world.store.proxy.links):
            link.reset()


class StoreReplyLost(StoreFault):
    """Scripts run, their replies vanish, then the connections are reset."""

    weight = 2

    async def harm(self, world: World) -> None:
        """See `StoreFault.harm`."""
        seconds = self.rng.uniform(0.05, 1.0)
        links = list(world.store.proxy.links)
        with world.disturbance(EVERYBODY):
            for link in links:
                link.swallow(Way.DOWN)
            await asyncio.sleep(seconds)
            for link in links:
                link.reset()


class StoreScriptFlush(StoreFault):
    """The store forgets all scripts."""

    weight = 2

    async def harm(self, world: World) -> None:
        """See `StoreFault.harm`."""
        await world.store.command("SCRIPT", "FLUSH")


class StorePause(StoreFault):
    """The store answers nobody for 2 s, then everybody."""

    weight = 1

    async def harm(self, world: World) -> None:
        """See `StoreFault.harm`."""
        with world.disturbance(EVERYBODY):
            await world.store.command("CLIENT", "PAUSE", 2000, "ALL")
            await asyncio.sleep(2.0)


class StorePartition(StoreFault):
    """Bytes to and from the store vanish, new connections included."""

    weight = 0.4

    async def harm(self, world: World) -> None:
        """See `StoreFault.harm`."""
        seconds = self.rng.choice((3.0, 12.0))
        proxy = world.store.proxy
        with world.disturbance(EVERYBODY):
            proxy.is_partitioned = True
            for link in list(proxy.links):
                link.swallow()
            await asyncio.sleep(seconds)
            proxy.is_partitioned = False
            for link in list(proxy.links):
                link.reset()
            await asyncio.sleep(_RECOVERY_SECONDS)


class StoreRestart(StoreFault):
    """The store ends and comes back with its data."""

    weight = 0.5
    survives: ClassVar = Survives.ALL

    async def harm(self, world: World) -> None:
        """See `StoreFault.harm`."""
        seconds = self.rng.choice((0.0, 1.0, 10.0))
        with world.disturbance(EVERYBODY):
            await world.store.restart(self.survives, seconds)
            if self.survives is not Survives.ALL:
                world.log(DataLost)
            await asyncio.sleep(_RECOVERY_SECONDS)


class StoreRestartBehind(StoreRestart):
    """The store ends and comes back with what it knew half a second before."""

    weight = 0.4
    is_on = False
    why_off = "a store that knows an older state is not told from one that knows all"
    survives: ClassVar = Survives.MOST


class StoreRestartEmpty(StoreRestart):
    """The store ends and comes back without its data: a fail-over to an empty replica."""

    weight = 0.4
    survives: ClassVar = Survives.NOTHING


class StoreFlushAll(StoreFault):
    """All data is gone between one script and the next."""

    weight = 0.4

    async def harm(self, world: World) -> None:
        """See `StoreFault.harm`."""
        with world.disturbance(EVERYBODY):
            await world.store.command("FLUSHALL")
            world.log(DataLost)
            await asyncio.sleep(_RECOVERY_SECONDS)


# ---- the scheduler ----------------------------------------------------------------------------


class SchedulerStop(Fault):
    """The scheduler's process is stopped and goes on."""

    weight = 1

    async def strike(self, targets: Targets) -> None:
        """See `Fault.strike`."""
        seconds, pid = self.rng.uniform(0.2, 1.5), targets.world.scheduler_pid
        with targets.world.disturbance(EVERYBODY):
            os.kill(pid, signal.SIGSTOP)
            try:
                await asyncio.sleep(seconds)
            finally:
                os.kill(pid, signal.SIGCONT)


FAULTS: tuple[type[Fault], ...] = (
    ClientReset,
    ClientFinish,
    ClientStall,
    ClientHalfOpen,
    ClientSlowLine,
    AllClientsReset,
    NodeKill,
    NodeReset,
    NodeStall,
    NodeHalfOpen,
    NodeMove,
    NodeSlowLine,
    AllNodesReset,
    StoreSlow,
    StoreReset,
    StoreReplyLost,
    StoreScriptFlush,
    StorePause,
    StorePartition,
    StoreRestart,
    StoreRestartBehind,
    StoreRestartEmpty,
    StoreFlushAll,
    SchedulerStop,
)
"""Every fault there is."""

_RECOVERY_SECONDS = 2.0
"""After an outage of the store: its instance beats once a second and finds out."""


def chosen(names: tuple[str, ...]) -> list[type[Fault]]:
    """Return the faults of these names, or all that are switched on."""
    unknown = set(names) - {fault.__name__ for fault in FAULTS}
    if unknown:
        raise ValueError(f"no such fault: {sorted(unknown)}")
    return [fault for fault in FAULTS if (fault.__name__ in names if names else fault.is_on)]


async def _stalled(world: World, subject: str, link: Link, seconds: float) -> None:
    with world.disturbance(subject):
        link.stall()
        await asyncio.sleep(seconds)
        link.release()


async def _slow(
    link: Link, delay: float, bytes_per_second: float | None, seconds: float, *ways: Way
) -> None:
    for weather in link.weather(*ways):
        weather.delay_seconds, weather.bytes_per_second = delay, bytes_per_second
    await asyncio.sleep(seconds)
    for weather in link.weather(*ways):
        weather.delay_seconds, weather.bytes_per_second = 0.0, None
