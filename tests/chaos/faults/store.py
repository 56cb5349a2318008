"""The faults of the store, and of its clock."""

import asyncio
from typing import ClassVar

from tests.chaos.faults.clocks import OFFSET_KEY
from tests.chaos.faults.fault import StoreFault, slow_down
from tests.chaos.faults.proxy import Way
from tests.chaos.log import EVERYBODY, ClockJumped, DataLost
from tests.chaos.store import Survives
from tests.chaos.world import World

_RECOVERY_SECONDS = 2.0
"""After an outage of the store: its instance beats once a second and finds out."""


class StoreSlow(StoreFault):
    """Every reply takes 200 ms more, for some seconds."""

    weight = 2

    async def harm(self, world: World) -> None:
        """See `StoreFault.harm`."""
        links = list(world.store.proxy.links)
        with world.disturbance(EVERYBODY):  # a slot then takes as long as its round trips
            await asyncio.gather(*(slow_down(link, 0.2, None, 3.0, Way.DOWN) for link in links))


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
        await world.store.command("FUNCTION", "FLUSH")


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


class StoreClockJump(StoreFault):
    """The store's clock jumps ahead or back, stays wrong for a while, and jumps home."""

    weight = 1

    async def harm(self, world: World) -> None:
        """See `StoreFault.harm`."""
        seconds, stays = self.rng.choice((-30, -3, -1, 1, 3, 30)), self.rng.uniform(0.5, 5.0)
        with world.disturbance(EVERYBODY):  # all deadlines of jobs and leases go by it
            await world.store.command("SET", OFFSET_KEY, seconds)
            await asyncio.sleep(stays)
            await world.store.command("DEL", OFFSET_KEY)
            world.log(ClockJumped)
            await asyncio.sleep(_RECOVERY_SECONDS)
