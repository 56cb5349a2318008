"""Each storage test runs on an imitation and on every real server of this machine."""

from collections.abc import Iterator

import fakeredis
import pytest

from storage.executor import Executor, RedisExecutor
from tests.support.key_leaks import leaks
from tests.support.redis_server import KINDS, real_server
from tests.support.storage_world import World


@pytest.fixture(scope="session")
def server_urls() -> Iterator[dict[str, str]]:
    """Servers that were started so far, by kind; each runs until the last test."""
    running: dict[str, str] = {}
    yield running


@pytest.fixture(scope="session", params=["fakeredis", *KINDS])
def server(request: pytest.FixtureRequest) -> Iterator[str]:
    """Where the store of this round is."""
    if request.param == "fakeredis":
        yield "fakeredis"
    else:
        with real_server(request.param) as url:
            yield url


@pytest.fixture
def executor(server: str) -> Executor:
    """A connection to an empty store."""
    if server == "fakeredis":
        client = fakeredis.FakeAsyncRedis(server=fakeredis.FakeServer(), decode_responses=True)
        return RedisExecutor(client)
    return RedisExecutor.from_url(server)
