"""ClusterExecutor: a Redis Cluster behind the seam of one server.

Owns the slot map and one connection per master. Commands go to the master of their key, those of
different masters at the same time; replies come back in the order of the commands. It must not know
scripts or outcomes.

A master that does not answer costs only its own commands: each gets a `StorageUnavailable` in the
place of its reply. Nothing that may have run is sent twice; only what a node *refused* to run
because another has the slot (MOVED, ASK) goes there. A script is never sent after an ASK: its slot
is on its way, and half of what the script would read is elsewhere. It waits until the slot has
arrived, so a cell can be moved to another master while the service runs.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from loguru import logger
from redis.crc import key_slot

from storage.client.cluster_master import ClusterMaster
from storage.client.executor import Command, CommandRefused, StorageUnavailable, is_our_fault
from storage.client.slot_map import Address, Redirection, SlotMap, redirection
from storage.client.wire import WireExecutor

_EVERYWHERE = frozenset({"SCRIPT", "FUNCTION", "PING", "TIME", "FLUSHALL"})
"""Commands without a key: every master gets them, one answer is enough."""
_SCRIPTS = frozenset({"EVALSHA", "EVAL", "FCALL"})
_KEY_OF_SCRIPT = 3
"""EVALSHA sha number key …, FCALL name number key …"""
_MAX_REDIRECTIONS = 5
_HEAL_SECONDS = 0.1
_ASK_SECONDS = 1.0
"""How long one node may take to tell the map."""

Replies = list[Any]


@dataclass(slots=True)
class _Part:
    """The commands of one round that one master gets."""

    positions: list[int] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)
    shifts: list[int] = field(default_factory=list)
    """Where in the part's replies each position's own is: an ASKING may stand before it."""


class ClusterExecutor:
    """The masters of a cluster; found through any of the seeds.

    `patience_s` is how long one call waits for a master: longer than any pipeline takes, and short
    enough for the commands of the other masters to bear.
    """

    def __init__(
        self,
        seeds: Iterable[Address],
        connect: Callable[[Address], WireExecutor],
        *,
        patience_s: float,
    ) -> None:
        self._seeds = tuple(seeds)
        self._connect = connect
        self._patience_s = patience_s
        self._map: SlotMap | None = None
        self._masters: dict[Address, ClusterMaster] = {}
        self._healing: asyncio.Task[None] | None = None
        self._leaving: set[asyncio.Task[None]] = set()
        """Connections to former masters that are being closed."""
        self._is_stale = False
        """A node answered that the map is old, or that the cluster is not well."""
        self._closed = False

    async def execute(self, commands: Sequence[Command]) -> Replies:
        """See `storage.client.executor.Executor.execute`; a part that failed fails in place.

        Raises:
            StorageUnavailable: No command has an answer.
        """
        if self._closed:
            raise StorageUnavailable("the store was closed")
        if self._map is None:
            await self._learn()
        replies: Replies = [None] * len(commands)
        asked: dict[int, ClusterMaster] = {}
        open_positions = list(range(len(commands)))
        for _ in range(_MAX_REDIRECTIONS):
            open_positions = await self._round(commands, open_positions, asked, replies)
            if not open_positions:
                break
        for position in open_positions:
            replies[position] = StorageUnavailable("the cluster sends us round in circles")
        if self._is_stale or any(master.away for master in self._masters.values()):
            self._heal()
        unanswered = [reply for reply in replies if isinstance(reply, StorageUnavailable)]
        if unanswered and len(unanswered) == len(replies):
            raise unanswered[0]
        return replies

    async def slot_map(self) -> SlotMap:
        """Return a fresh map.

        Raises:
            StorageUnavailable: No node tells.
        """
        await self._learn()
        if self._map is None:
            raise StorageUnavailable("the cluster does not say who has which slot")
        return self._map

    async def close(self) -> None:
        """Close the connections; idempotent."""
        self._closed = True
        if self._healing is not None:
            self._healing.cancel()
            with suppress(asyncio.CancelledError):
                await self._healing
        masters, self._masters, self._map = list(self._masters.values()), {}, None
        await asyncio.gather(*(master.close() for master in masters), *self._leaving)

    # ---- one round --------------------------------------------------------------------------

    async def _round(
        self,
        commands: Sequence[Command],
        positions: Sequence[int],
        asked: dict[int, ClusterMaster],
        replies: Replies,
    ) -> list[int]:
        """Run these commands where they belong; return those that were sent elsewhere."""
        parts = self._parts(commands, positions, asked, replies)
        tasks = {master: master.start(part.commands) for master, part in parts.items()}
        if tasks:
            await asyncio.wait(tasks.values(), timeout=self._patience_s)
        asked.clear()
        again: list[int] = []
        for master, part in parts.items():
            answers = self._answers(master, tasks[master], len(part.commands))
            for position, shift in zip(part.positions, part.shifts, strict=True):
                reply = self._judge(commands[position], answers[shift], master)
                if isinstance(reply, Redirection):
                    again.append(position)
                    target = self._master(reply.address)
                    if not reply.is_for_good:
                        asked[position] = target
                elif not _is_answer(replies[position]):  # of many masters the first answer counts
                    replies[position] = reply
        return sorted(again)

    def _parts(
        self,
        commands: Sequence[Command],
        positions: Sequence[int],
        asked: dict[int, ClusterMaster],
        replies: Replies,
    ) -> dict[ClusterMaster, _Part]:
        parts: dict[ClusterMaster, _Part] = {}
        for position in positions:
            command = commands[position]
            for master in self._targets(command, asked.get(position)):
                if master is None or master.away is not None:
                    why = "a slot has no master" if master is None else f"{master}: {master.away}"
                    if replies[position] is None:
                        replies[position] = StorageUnavailable(why)
                    continue
                part = parts.setdefault(master, _Part())
                if position in asked:
                    part.commands.append(("ASKING",))
                part.positions.append(position)
                part.shifts.append(len(part.commands))
                part.commands.append(command)
        return parts

    def _targets(
        self, command: Command, asked: ClusterMaster | None
    ) -> Sequence[ClusterMaster | None]:
        if asked is not None:
            return (asked,)
        slot_map = self._map
        if slot_map is None:
            return (None,)
        if command[0] in _EVERYWHERE:
            return [self._master(address) for address in slot_map.masters()]
        key = command[_KEY_OF_SCRIPT if command[0] in _SCRIPTS else 1]
        owner = slot_map.owner(key_slot(str(key).encode()))
        return (None if owner is None else self._master(owner),)

    def _answers(
        self, master: ClusterMaster, task: "asyncio.Task[Replies]", size: int
    ) -> Sequence[Any]:
        """Return the replies of a part; the same refusal for all of it where there are none."""
        if not task.done():
            master.away = f"no answer in {self._patience_s} s"
        elif task.cancelled():
            master.away = "the store was closed"
        elif (error := task.exception()) is None:
            return task.result()
        elif isinstance(error, StorageUnavailable):
            master.away = str(error)
        else:
            raise error
        return [StorageUnavailable(f"{master}: {master.away}")] * size

    def _judge(self, command: Command, reply: Any, master: ClusterMaster) -> Any:
        if not isinstance(reply, CommandRefused):
            return reply
        text = str(reply)
        redirected = redirection(text, master.address)
        if redirected is None:
            if is_our_fault(text):
                return reply
            self._is_stale = True
            return StorageUnavailable(f"{master}: {text}")
        if not redirected.is_for_good and command[0] in _SCRIPTS:
            return StorageUnavailable(f"a slot is on its way to another master ({text})")
        if redirected.is_for_good and self._map is not None:
            self._map.move(redirected.slot, redirected.address)
            self._is_stale = True
        return redirected

    # ---- the map ----------------------------------------------------------------------------

    def _master(self, address: Address) -> ClusterMaster:
        master = self._masters.get(address)
        if master is None:
            master = self._masters[address] = ClusterMaster(address, self._connect(address))
        return master

    async def _learn(self) -> None:
        """Ask one node after the other for the map until one tells; masters that answer first.

        Raises:
            StorageUnavailable: None does.
        """
        known = sorted(self._masters.values(), key=lambda master: master.away is not None)
        others = [seed for seed in self._seeds if seed not in self._masters]
        fault = "no node of the cluster is known"
        for address in (*(master.address for master in known), *others):
            try:
                self._take(await self._told_by(address))
            except (StorageUnavailable, ValueError, TimeoutError) as error:
                fault = f"{address[0]}:{address[1]}: {error or 'no answer in time'}"
            else:
                return
        raise StorageUnavailable(fault)

    async def _told_by(self, address: Address) -> SlotMap:
        master = self._masters.get(address)
        node = master or ClusterMaster(address, self._connect(address))
        try:
            async with asyncio.timeout(_ASK_SECONDS):
                reply = await node.ask("CLUSTER", "SLOTS")
        finally:
            if master is None:
                await node.close()
        if isinstance(reply, CommandRefused):
            raise StorageUnavailable(str(reply))
        return SlotMap.read(reply, address)

    def _take(self, slot_map: SlotMap) -> None:
        before = set(self._map.masters()) if self._map is not None else set()
        self._map, self._is_stale = slot_map, False
        now = set(slot_map.masters())
        if before and before != now:
            logger.bind(masters=sorted(f"{host}:{port}" for host, port in now)).warning(
                "the cluster has other masters than before"
            )
        for address in [address for address in self._masters if address not in now]:
            leaving = asyncio.create_task(self._masters.pop(address).close())
            self._leaving.add(leaving)
            leaving.add_done_callback(self._leaving.discard)

    def _heal(self) -> None:
        if not self._closed and (self._healing is None or self._healing.done()):
            self._healing = asyncio.create_task(self._until_well())

    async def _until_well(self) -> None:
        """Look for a fresh map, and for masters that answer again, until nothing is amiss."""
        while not self._closed:
            with suppress(StorageUnavailable):
                await self._learn()
            away = [master for master in self._masters.values() if master.away is not None]
            if not away and not self._is_stale:
                return
            for master in away:
                master.probe()
            await asyncio.sleep(_HEAL_SECONDS)


def _is_answer(reply: Any) -> bool:
    return reply is not None and not isinstance(reply, StorageUnavailable | CommandRefused)
