"""Which client reaches the store that a URL names."""

from functools import partial

from storage.cluster import ClusterExecutor
from storage.executor import Executor, RedisExecutor
from storage.place import Kind, StorePlace
from storage.sentinel import SentinelExecutor
from storage.slot_map import Address
from storage.wire import ServerAddress, WireExecutor

_CONNECT_SECONDS = 1.0
_REPLY_SECONDS = 2.0
"""Of one server of many: there is another one to turn to."""


def open_executor(url: str) -> Executor:
    """Return the client for a store URL; it connects on first use.

    A plain server gets the fast client, or the general one for what only that can do.

    Raises:
        ValueError: It is no URL of a store.
    """
    place = StorePlace.from_url(url)
    if place.kind is Kind.CLUSTER:
        return ClusterExecutor(place.seeds, lambda address: _wire(_server(place, address)))
    if place.kind is Kind.SENTINEL:
        sentinels = [_wire(ServerAddress(host, port)) for host, port in place.seeds]
        return SentinelExecutor(sentinels, place.master_name, partial(_server, place))
    address = ServerAddress.from_url(url)
    return WireExecutor(address) if address else RedisExecutor.from_url(url)


def _wire(address: ServerAddress) -> WireExecutor:
    return WireExecutor(address, connect_timeout_s=_CONNECT_SECONDS, reply_timeout_s=_REPLY_SECONDS)


def _server(place: StorePlace, address: Address) -> ServerAddress:
    found = ServerAddress.from_url(place.server_url(*address))
    if found is None:
        raise ValueError("this option of a store URL works with a single server only")
    return found
