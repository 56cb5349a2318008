"""What a store URL says, and which are refused."""

import pytest

from storage.client.cluster import ClusterExecutor
from storage.client.executor import RedisExecutor
from storage.client.place import Kind, StorePlace
from storage.client.sentinel import SentinelExecutor
from storage.client.transport import open_executor
from storage.client.wire import WireExecutor


def test_a_cluster_is_named_by_some_of_its_nodes() -> None:
    place = StorePlace.from_url("redis+cluster://me:secret@a:7000,b,[::1]:7002/")
    assert place.kind is Kind.CLUSTER
    assert place.seeds == (("a", 7000), ("b", 6379), ("::1", 7002))
    assert place.server_url("::1", 7002) == "redis://me:secret@[::1]:7002/"


def test_a_sentinel_set_is_named_by_its_sentinels_and_its_master() -> None:
    place = StorePlace.from_url("rediss+sentinel://a,b:7/mymaster/3?ssl_cert_reqs=none")
    assert (place.kind, place.seeds) == (Kind.SENTINEL, (("a", 26379), ("b", 7)))
    assert (place.master_name, place.database) == ("mymaster", "3")
    assert place.server_url("c", 1) == "rediss://c:1/3?ssl_cert_reqs=none"


@pytest.mark.parametrize(
    "url",
    [
        "redis+cluster://",
        "redis+cluster://a:0",
        "redis+cluster://a:x",
        "redis+cluster://a,,b",
        "redis+cluster://a/0",
        "unix+cluster:///s",
        "redis+other://a",
        "redis+sentinel://a",
        "redis+sentinel://a/name/x",
        "http://a",
        "redis://",
        "unix://",
    ],
)
def test_a_url_that_names_no_store_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        StorePlace.from_url(url)


def test_the_kind_of_store_decides_the_client() -> None:
    assert isinstance(open_executor("redis+cluster://a"), ClusterExecutor)
    assert isinstance(open_executor("redis+sentinel://a/m"), SentinelExecutor)
    assert isinstance(open_executor("unix:///s"), WireExecutor)
    assert isinstance(open_executor("redis://a?client_name=x"), RedisExecutor)


def test_an_option_that_only_the_general_client_knows_needs_a_single_server() -> None:
    executor = open_executor("redis+cluster://a?client_name=x")
    assert isinstance(executor, ClusterExecutor)
    with pytest.raises(ValueError, match="single server"):
        executor._connect(("a", 1))
