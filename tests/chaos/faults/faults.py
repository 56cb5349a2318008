"""The faults of a chaos run: each a class with a weight and a switch, all in one table.

For whoever is connected to a process, SIGKILL is the end of all its sockets at once, and SIGSTOP
that nothing is read or said while the connections stand: that is what is done to nodes here.
"""

import asyncio
import os
import signal
from contextlib import suppress

from redis.exceptions import RedisError

from tests.chaos.faults.fault import Fault, Targets, slow_down, stalled
from tests.chaos.faults.hostile import DeepHeartbeat, DeepMessage, HostileRegistrations
from tests.chaos.faults.refusals import StoreCrowded, StoreForbids, StoreFull, StoreReadOnly
from tests.chaos.faults.store import (
    StoreClockJump,
    StoreFlushAll,
    StorePartition,
    StorePause,
    StoreReplyLost,
    StoreReset,
    StoreRestart,
    StoreRestartBehind,
    StoreRestartEmpty,
    StoreScriptFlush,
    StoreSlow,
)
from tests.chaos.log import EVERYBODY, DataLost

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
            await stalled(targets.world, found[0].session, found[1], seconds)


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
                await slow_down(link, delay, 20_000 if is_thin else None, 3.0)


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
            await stalled(targets.world, found[0].name, found[1], seconds)


class StreamingNodeKill(Fault):
    """A node dies while it hears what is being spoken."""

    weight = 2

    async def strike(self, targets: Targets) -> None:
        """See `Fault.strike`."""
        if found := targets.streaming_node(self.rng):
            found[0].kill(self.rng.uniform(0.3, 2.0))


class StreamingNodeStall(Fault):
    """A node hears nothing more of what is being spoken, for a while or for long."""

    weight = 2

    async def strike(self, targets: Targets) -> None:
        """See `Fault.strike`."""
        seconds = self.rng.choice((0.3, 1.0, 4.0))
        if found := targets.streaming_node(self.rng):
            await stalled(targets.world, found[0].name, found[1], seconds)


class PartialFlood(Fault):
    """A node says far too often what it has recognised so far."""

    weight = 1

    async def strike(self, targets: Targets) -> None:
        """See `Fault.strike`."""
        if found := targets.streaming_node(self.rng):
            found[0].streams.flood(300)


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
                await slow_down(found[1], delay, None, 3.0)


class AllNodesReset(Fault):
    """Every node loses its socket at the same moment."""

    weight = 0.2

    async def strike(self, targets: Targets) -> None:
        """See `Fault.strike`."""
        for link in list(targets.world.node_proxy.links):
            link.reset()


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


class SchedulerStandstill(Fault):
    """It stands still for longer than its lease, as a laptop that sleeps; the store may be wiped.

    Everybody else has given it up meanwhile, and it has to find out what is still its own.
    """

    weight = 0.3

    async def strike(self, targets: Targets) -> None:
        """See `Fault.strike`."""
        seconds, loses_data = self.rng.uniform(3.5, 5.0), self.rng.random() < 0.25
        world = targets.world
        with world.disturbance(EVERYBODY):
            os.kill(world.scheduler_pid, signal.SIGSTOP)
            try:
                await asyncio.sleep(seconds)
                if loses_data:
                    with suppress(RedisError):  # it may be away, too
                        await world.store.command("FLUSHALL")
                        world.log(DataLost)
            finally:
                os.kill(world.scheduler_pid, signal.SIGCONT)
            await asyncio.sleep(_NOTICED_SECONDS)


_NOTICED_SECONDS = 2.0
"""An instance beats once a second and finds out that its lease has run out."""


class WallClockJump(Fault):
    """The scheduler's wall clock is set to another time, for good: nothing may depend on it."""

    weight = 1

    async def strike(self, targets: Targets) -> None:
        """See `Fault.strike`."""
        targets.world.clock.move(self.rng.choice((-86_400, -60, -1, 1, 60, 86_400)))


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
    StreamingNodeKill,
    StreamingNodeStall,
    PartialFlood,
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
    StoreClockJump,
    StoreFull,
    StoreReadOnly,
    StoreForbids,
    StoreCrowded,
    SchedulerStop,
    SchedulerStandstill,
    WallClockJump,
    HostileRegistrations,
    DeepMessage,
    DeepHeartbeat,
)
"""Every fault there is."""


def chosen(names: tuple[str, ...]) -> list[type[Fault]]:
    """Return the faults of these names, or all that are switched on."""
    unknown = set(names) - {fault.__name__ for fault in FAULTS}
    if unknown:
        raise ValueError(f"no such fault: {sorted(unknown)}")
    return [fault for fault in FAULTS if (fault.__name__ in names if names else fault.is_on)]
