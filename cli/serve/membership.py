"""Membership: an instance's place among those that share its store."""

import asyncio

from loguru import logger

from actors.lease import Lease
from actors.usage import Usage
from cli.settings.error import SettingsError
from storage.cells import Cell
from storage.instances import InstanceRepository
from storage.keys import SCHEMA
from storage.replies.job import Alive, Incompatible, Reaped, Revived, Taken, Updated
from storage.store import StorageUnavailable, Store

_LEASE_SLACK_SECONDS = 0.5
_LOOK_SECONDS = 0.2
_RETIRE_SECONDS = 1.0
"""For so long a shutdown waits for the store to take the lease back."""


def refuse_other_schema(agreed: Updated | Incompatible) -> None:
    """Go on only where all programs on this store mean the same by its keys.

    Raises:
        SettingsError: The store holds keys in a layout that this program does not know.
    """
    if isinstance(agreed, Incompatible):
        raise SettingsError(
            f"the store holds keys of schema {agreed.schema}; this program needs {SCHEMA}"
        )


class Membership:
    """Joins and leaves; in between the instance's actor keeps the lease."""

    def __init__(
        self,
        store: Store,
        instances: InstanceRepository,
        lease: Lease,
        lease_ms: int,
        usage: Usage,
    ) -> None:
        """`usage`: what tenants have used by the end goes to the store with the lease."""
        self._store = store
        self._instances = instances
        self._lease = lease
        self._lease_ms = lease_ms
        self._usage = usage

    async def join(self) -> None:
        """Take the lease before anybody connects; a store that is away is waited for later.

        Raises:
            SettingsError: The store holds keys in a layout that this program does not know.
        """
        loop = asyncio.get_running_loop()
        cells = self._store.cells.all
        beats = [self._instances.beat(self._lease_ms, cell) for cell in cells]
        try:
            [agreed] = await self._store.run([self._instances.agree_schema()])
            refuse_other_schema(agreed)
            ends_at = loop.time() + self._lease_ms / 1000 + _LEASE_SLACK_SECONDS
            for cell in cells:
                await self._clear_up_after_namesake(cell, ends_at)
            asked_at_ms = loop.time() * 1000
            first, *others = await self._store.run(beats)
        except StorageUnavailable as error:
            logger.warning("the store does not answer; not ready until it does", error=str(error))
            return
        if any(isinstance(reply, Taken) for reply in (first, *others)):
            raise self._id_in_use()
        self._lease.renew(asked_at_ms, self._lease_ms)
        if isinstance(first, Alive):
            self._lease.secret = first.secret

    async def _clear_up_after_namesake(self, cell: Cell, ends_at: float) -> None:
        """Let a former process of this name be dead: its sessions, nodes and jobs are not ours.

        Raises:
            SettingsError: It is alive, for longer than the lease of a dead one would last.
        """
        reap = self._instances.reap(self._instances.instance_id, cell=cell)
        while True:
            [reply] = await self._store.run([reap])
            if isinstance(reply, Revived):
                if asyncio.get_running_loop().time() > ends_at:
                    raise self._id_in_use()
                await asyncio.sleep(_LOOK_SECONDS)
            elif not (isinstance(reply, Reaped) and reply.more):
                return

    def _id_in_use(self) -> SettingsError:
        name = self._instances.instance_id
        return SettingsError(
            f"instance_id: {name} is in use by another process that is alive; "
            "give each process an id of its own, or none"
        )

    async def has_others(self) -> bool:
        """Return whether another instance is alive; not, when the store does not say so."""
        try:
            return bool(await self._instances.others())
        except StorageUnavailable:
            return False

    async def retire(self) -> None:
        """Give the lease back: what is left here is cleared up at once, not after it lapses."""
        beats = [self._instances.beat(0, cell) for cell in self._store.cells.all]
        batch = self._usage.batch()
        adding = () if batch is None else (self._instances.add_usage(batch.number, batch.rows),)
        try:
            async with asyncio.timeout(_RETIRE_SECONDS):
                await self._store.run([*adding, *beats])
        except (StorageUnavailable, TimeoutError) as error:
            logger.warning("the lease was not given back", error=str(error))
