"""How an instance finds out where a session is that a socket has named, on a real store."""

from collections.abc import Iterator

import fakeredis
import pytest

from actors.dispatcher.locating import LOCATE_WAIT_MS
from actors.messages.takeover import LocateSession, SessionLocated
from protocol.ids import InstanceId, SessionId
from storage.client.executor import RedisExecutor
from tests.actors.support.dispatch_bench import DispatchBench
from tests.support.recording import RecordingRef
from tests.support.storage_world import World

SID = SessionId("s")


@pytest.fixture
def bench() -> Iterator[DispatchBench]:
    client = fakeredis.FakeAsyncRedis(server=fakeredis.FakeServer(), decode_responses=True)
    world = World.on_empty_store(RedisExecutor(client))
    yield DispatchBench(world)
    world.close()


def other(bench: DispatchBench) -> None:
    """Let there be another instance."""
    bench.world.member("i2").instances.about = {"peer_url": "ws://i2"}
    bench.world.beat("i2")


def sought(bench: DispatchBench) -> RecordingRef:
    asker = RecordingRef("asker")
    bench.tell(LocateSession(asker, SID))
    return asker


def test_the_owner_of_a_session_is_found_in_one_read(bench: DispatchBench) -> None:
    other(bench)
    bench.world.session("s", owner="i2")
    asker = sought(bench)
    assert asker.messages == [SessionLocated(SID, InstanceId("i2"), "ws://i2")]
    assert bench.store.count("locate_session") == 1


def test_an_instance_that_is_alone_knows_at_once_that_a_session_is_nowhere(
    bench: DispatchBench,
) -> None:
    assert sought(bench).messages == [SessionLocated(SID)]
    assert bench.store.count("locate_session") == 1


def test_a_session_that_another_instance_is_about_to_enter_is_found(bench: DispatchBench) -> None:
    other(bench)
    asker = sought(bench)
    bench.pass_time(300)
    assert asker.messages == []
    bench.world.session("s", owner="i2")
    bench.pass_time(300)
    assert asker.only(SessionLocated).owner == "i2"


def test_a_session_that_nobody_enters_is_given_up_soon(bench: DispatchBench) -> None:
    other(bench)
    asker = sought(bench)
    bench.pass_time(1_500)
    assert asker.messages == [SessionLocated(SID)]
    assert bench.store.count("locate_session") == 6


def test_nobody_waits_for_long_while_the_store_is_away(bench: DispatchBench) -> None:
    bench.store.is_away = True
    asker = sought(bench)
    bench.pass_time(LOCATE_WAIT_MS + 500)
    assert asker.messages == [SessionLocated(SID, is_store_away=True)]
    bench.store.is_away = False
    bench.pass_time(1_000)
    assert len(asker.messages) == 1
