"""How many cells the data set has: settled by the first instance, kept for the life of the data."""

import asyncio
import time

from loguru import logger
from redis.crc import key_slot

from storage.cells import DEFAULT_PREFIX, Cells, default_count
from storage.client.cluster import ClusterExecutor
from storage.client.executor import StorageUnavailable
from storage.embedded.process import StoreUnusable
from storage.store import Store

_KEY = f"{DEFAULT_PREFIX}cells"
_WAIT_SECONDS = 10.0
_RETRY_SECONDS = 0.2


async def settle_cells(store: Store, wanted: int | None) -> None:
    """Let the store use the cells that the data set has, or is to have.

    Args:
        store: Its `cells` are set.
        wanted: As configured; None takes what is there, or else one for a single server and a few
            per master of a cluster.

    Raises:
        StoreUnusable: The data set has another number of cells, or the cluster does not answer.
    """
    if not isinstance(store.executor, ClusterExecutor):
        try:
            store.cells = Cells(await _settled(store, wanted, 1))
        except StorageUnavailable:
            store.cells = Cells(wanted or 1)  # whoever waits for the store will find out
        return
    deadline = time.monotonic() + _WAIT_SECONDS
    while True:
        try:
            slot_map = await store.executor.slot_map()
            default = default_count(slot_map.masters())
            store.cells = Cells.of_cluster(await _settled(store, wanted, default))
        except StorageUnavailable as error:
            if time.monotonic() > deadline:
                message = f"redis_url: the cluster does not answer: {error}"
                raise StoreUnusable(message) from error
            await asyncio.sleep(_RETRY_SECONDS)
        else:
            break
    shares = slot_map.shares(key_slot(prefix.encode()) for prefix in store.cells.prefixes)
    cells = {f"{host}:{port}": share for (host, port), share in shares.items()}
    log = logger.bind(cells=cells)
    if 0 in shares.values():
        log.warning("a master has no cell: it can take some over by CLUSTER SETSLOT")
    else:
        log.info("cells of the data set by master")


async def _settled(store: Store, wanted: int | None, default: int) -> int:
    _, stored = await store.read([("SET", _KEY, wanted or default, "NX"), ("GET", _KEY)])
    count = int(stored)
    if wanted is not None and count != wanted:
        message = f"cells: the data set has {count}, not {wanted}, and keeps them while it lives"
        raise StoreUnusable(message)
    return count
