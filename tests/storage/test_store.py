"""Store: one round trip for many calls, scripts loaded where they lack, trouble told as it is."""

import asyncio
from collections.abc import Coroutine, Iterator, Sequence
from typing import Any, TypeVar

import pytest

from protocol.ids import InstanceId
from storage.call import Call
from storage.client.executor import Command, CommandRefused, RedisExecutor, StorageUnavailable
from storage.client.wire import WireExecutor
from storage.instances import InstanceRepository
from storage.replies.job import Alive, Taken
from storage.scripts import parse_script
from storage.store import ScriptError, Store, open_store
from tests.support.processes.redis_server import real_server
from tests.support.storage_world import World

T = TypeVar("T")


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


class Scripted:
    """Answers each round trip with what was prepared, and remembers what was asked."""

    def __init__(self, *answers: list[Any]) -> None:
        self.asked: list[list[Command]] = []
        self._answers = list(answers)

    async def execute(self, commands: Sequence[Command]) -> list[Any]:
        self.asked.append(list(commands))
        return self._answers.pop(0)

    async def close(self) -> None:
        """Nothing is open."""


def beat(store: Store) -> Call[Alive | Taken]:
    return InstanceRepository(store, InstanceId("i1")).beat(1000)


def test_replies_come_in_the_order_of_the_calls(world: World) -> None:
    world.node("n1", slots=4)
    jobs = world.member().jobs
    replies = world.do_all([jobs.dispatch(world.spec(f"s{n}", 1)) for n in range(4)])
    assert [reply.job_id for reply in replies] == [f"job-s{n}-1-es" for n in range(4)]


def test_no_calls_are_no_round_trip() -> None:
    executor = Scripted()
    assert run(Store(executor).run([])) == []
    assert executor.asked == []


def test_after_trouble_scripts_travel_along_again() -> None:
    """Who answers then may be another server."""

    class Flaky(Scripted):
        async def execute(self, commands: Sequence[Command]) -> list[Any]:
            if len(self.asked) == 1:
                self.asked.append([])
                raise StorageUnavailable("away")
            return await super().execute(commands)

    alive = ["OK", "data", 0, [], [], "secret"]
    executor = Flaky(["sha", alive], ["sha", alive])
    store = Store(executor)
    run(store.run([beat(store)]))
    with pytest.raises(StorageUnavailable):
        run(store.run([beat(store)]))
    run(store.run([beat(store)]))
    assert [command[0] for command in executor.asked[2]] == ["SCRIPT", "EVALSHA"]


def test_scripts_that_the_server_lacks_are_loaded_once_and_run(world: World) -> None:
    world.run(world.store.read([("SCRIPT", "FLUSH")]))
    world.node("n1", slots=4)
    world.run(world.store.read([("SCRIPT", "FLUSH")]))
    jobs = world.member().jobs
    specs = [world.spec(f"s{n}", 1) for n in range(4)]
    world.run(world.store.read([("SCRIPT", "FLUSH")]))
    replies = world.do_all([jobs.dispatch(spec) for spec in specs] + [jobs.sweep()])
    assert [reply.__class__.__name__ for reply in replies] == ["Assigned"] * 4 + ["Swept"]


def test_only_calls_without_their_script_are_sent_again() -> None:
    alive = ["OK", "data", 0, [], [], "secret"]
    lacking = CommandRefused("NOSCRIPT No matching script.")
    executor = Scripted(["sha", alive], [alive, lacking, lacking], ["sha", alive, alive])
    store = Store(executor)
    run(store.run([beat(store)]))
    replies = run(store.run([beat(store), beat(store), beat(store)]))
    assert [reply.data_id for reply in replies] == ["data"] * 3
    assert [[command[0] for command in asked] for asked in executor.asked] == [
        ["SCRIPT", "EVALSHA"],
        ["EVALSHA", "EVALSHA", "EVALSHA"],
        ["SCRIPT", "EVALSHA", "EVALSHA"],
    ]


def test_an_error_of_a_script_is_a_bug() -> None:
    store = Store(Scripted(["sha", CommandRefused("ERR user_script:1: boom")]))
    with pytest.raises(ScriptError, match="beat: ERR user_script:1: boom"):
        run(store.run([beat(store)]))


def test_a_refused_read_is_a_bug(world: World) -> None:
    world.session("s")
    with pytest.raises(ScriptError, match="GET"):
        world.command("GET", "session:s")


REFUSALS = (
    "LOADING Redis is loading the dataset in memory",
    "READONLY You can't write against a read only replica. script: 1f, on @user_script:9.",
    "MASTERDOWN Link with MASTER is down",
    "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
    "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist",
    "OOM command not allowed when used memory > 'maxmemory'. script: 1f, on @user_script:9.",
    "NOPERM User x has no permissions to run the 'evalsha' command",
    "NOPERM ACL failure in script: x has no permissions. script: 1f, on @user_script:9.",
    "NOAUTH Authentication required.",
    "UNBLOCKED client unblocked via CLIENT UNBLOCK",
    "ERR max number of clients reached",
    "NOREPLICAS Not enough good replicas to write.",
    "ERR Error running script (call to f_1f): @user_script:9: @user_script: 9: -OOM not allowed",
    "ERR Error running script (call to f_1): @user_script: 9: The user executing the script can't",
    "SOMETHING that no server says today",
)


@pytest.mark.parametrize("words", REFUSALS)
def test_whatever_a_server_refuses_is_no_fault_of_ours(words: str) -> None:
    store = Store(Scripted(["sha", CommandRefused(words)], [CommandRefused(words)]))
    with pytest.raises(StorageUnavailable) as raised:
        run(store.run([beat(store)]))
    assert str(raised.value) == words
    with pytest.raises(StorageUnavailable):
        run(store.read([("GET", "x")]))


FAULTS = (
    "ERR user_script:12: attempt to index local 'x' (a nil value) script: 1f, on @user_script:12.",
    "ERR Error running script (call to f_1f): @user_script:12: user_script:12: attempt to index",
    "ERR Error compiling script (new function): user_script:1: '=' expected near 'x'",
    "WRONGTYPE Operation against a key holding the wrong kind of value script: 1f, on @user_script",
    "ERR Wrong number of args calling Redis command from script script: 1f, on @user_script:2.",
    "ERR Script attempted to access a non local key in a cluster node",
    "ERR wrong number of arguments for 'get' command",
)


@pytest.mark.parametrize("words", FAULTS)
def test_a_fault_of_our_own_scripts_is_a_bug(words: str) -> None:
    store = Store(Scripted(["sha", CommandRefused(words)]))
    with pytest.raises(ScriptError):
        run(store.run([beat(store)]))


@pytest.fixture
def server_url() -> Iterator[str]:
    """A server that the test may make refuse."""
    with real_server("redis") as url:
        yield url


@pytest.mark.parametrize(
    ("refusing", "words"),
    [
        (("CONFIG", "SET", "maxmemory", "1"), "OOM"),
        (("REPLICAOF", "127.0.0.1", "1"), "READONLY|MASTERDOWN"),
        (("ACL", "SETUSER", "default", "-set", "-hset"), "NOPERM|ACL|The user executing"),
        (("CONFIG", "SET", "min-replicas-to-write", "3"), "NOREPLICAS"),
    ],
)
def test_a_server_that_refuses_writes_is_unavailable_and_the_probe_says_so(
    server_url: str, refusing: Command, words: str
) -> None:
    async def scenario() -> None:
        store = open_store(server_url)
        await store.run([beat(store)])
        await store.probe()
        await store.executor.execute([refusing])
        with pytest.raises(StorageUnavailable, match=words):
            await store.run([beat(store)])
        with pytest.raises(StorageUnavailable, match=words):
            await store.probe()
        await store.close()

    run(scenario())


def test_a_server_without_a_place_for_us_is_unavailable(server_url: str) -> None:
    async def scenario() -> None:
        first, second = open_store(server_url), open_store(server_url)
        await first.probe()
        await first.executor.execute([("CONFIG", "SET", "maxclients", "1")])
        with pytest.raises(StorageUnavailable):
            await second.probe()
        await first.close()
        await second.close()

    run(scenario())


def test_measurements_are_told() -> None:
    scripts: list[tuple[str, int]] = []
    trips: list[int] = []
    store = Store(
        Scripted(["sha", *[["OK", "data", 0, [], [], "secret"]] * 2]),
        on_script=lambda name, count: scripts.append((name, count)),
        on_round_trip=lambda _seconds, commands: trips.append(commands),
    )
    run(store.run([beat(store), beat(store)]))
    assert (scripts, trips) == ([("beat", 2)], [3])


def test_a_url_decides_the_client() -> None:
    plain = open_store("redis://user:secret@example.org:7000/3").executor
    assert isinstance(plain, WireExecutor)
    assert "secret" not in repr(plain._address)
    special = open_store("redis://example.org?client_name=x").executor
    assert isinstance(special, RedisExecutor)
    with pytest.raises(ValueError, match="scheme"):
        open_store("http://example.org")


def test_the_probe_needs_a_server() -> None:
    store = open_store("unix:///nowhere/store.sock")
    with pytest.raises(StorageUnavailable):
        run(store.probe())


def test_a_script_error_reaches_the_caller_from_any_server(world: World) -> None:
    script = parse_script("wrong", "-- wrong: x\n-- RETURNS OK\nreturn redis.call('GET')")
    with pytest.raises(ScriptError, match="wrong"):
        world.do(Call(script, (), (), lambda raw: raw))
