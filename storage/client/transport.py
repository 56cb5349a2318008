"""Which client reaches the store that a URL names."""

from functools import partial

from storage.client.cluster import ClusterExecutor
from storage.client.executor import Executor, RedisExecutor
from storage.client.place import Kind, StorePlace
from storage.client.sentinel import SentinelExecutor
from storage.client.slot_map import Address
from storage.client.wire import ServerAddress, WireExecutor

_CONNECT_SECONDS = 1.0
_REPLY_SECONDS = 2.0
"""Of one server of many: there is another one to turn to."""
_PATIENCE_SECONDS = 0.5
_WAIT_SECONDS = 5.0
"""Of a command that waits, above the longest wait."""


def open_executor(url: str, *, waits: bool = False) -> Executor:
    """Return the client for a store URL; it connects on first use.

    A plain server gets the fast client, or the general one for what only that can do. `waits`: for
    commands that the server may answer seconds later.

    Raises:
        ValueError: It is no URL of a store.
    """
    place = StorePlace.from_url(url)
    if place.kind is Kind.CLUSTER:
        reply_s = _WAIT_SECONDS if waits else _REPLY_SECONDS
        return ClusterExecutor(
            place.seeds,
            lambda address: _wire(_server(place, address), reply_s),
            patience_s=_WAIT_SECONDS if waits else _PATIENCE_SECONDS,
        )
    if place.kind is Kind.SENTINEL:
        sentinels = [_wire(ServerAddress(host, port), _REPLY_SECONDS) for host, port in place.seeds]
        master = partial(_server, place)
        reply_s = _WAIT_SECONDS if waits else _REPLY_SECONDS
        return SentinelExecutor(sentinels, place.master_name, master, reply_timeout_s=reply_s)
    address = ServerAddress.from_url(url)
    return WireExecutor(address) if address else RedisExecutor.from_url(url)


def _wire(address: ServerAddress, reply_timeout_s: float) -> WireExecutor:
    return WireExecutor(
        address, connect_timeout_s=_CONNECT_SECONDS, reply_timeout_s=reply_timeout_s
    )


def _server(place: StorePlace, address: Address) -> ServerAddress:
    found = ServerAddress.from_url(place.server_url(*address))
    if found is None:
        raise ValueError("this option of a store URL works with a single server only")
    return found
