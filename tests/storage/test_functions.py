"""What runs for every utterance is a function of the server, and a script where that has none."""

import asyncio
import re
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from storage.client.executor import Command, CommandRefused, StorageUnavailable
from storage.replies.job import Assigned
from storage.store import Store
from tests.storage.conftest import connect
from tests.support.processes.redis_server import KINDS, real_server
from tests.support.storage_world import World


@pytest.fixture
def on_server(request: pytest.FixtureRequest) -> Any:
    """A world on a server that the test may change."""
    with real_server(request.param) as url:
        world = World.on_empty_store(connect(url))
        world.node("n1", slots=8)
        yield world
        world.close()


real = pytest.mark.parametrize("on_server", KINDS, indirect=True)


def calls_of(world: World, command: str) -> int:
    """How often the server has run a command, apart from those that it refused."""
    [text] = world.run(world.executor.execute([("INFO", "commandstats")]))
    found = re.search(rf"cmdstat_{re.escape(command)}:calls=(\d+)", text)
    return int(found[1]) if found else 0


def say(world: World, number: int) -> None:
    """One utterance from its dispatch to its end."""
    assert isinstance(world.dispatch("s", number), Assigned)
    assert world.complete(f"job-s-{number}-es", "n1").state == "done"


def ask(world: World, *command: str) -> Any:
    [reply] = world.run(world.executor.execute([command]))
    return reply


@real
def test_an_utterance_is_two_calls_of_functions(on_server: World) -> None:
    before = calls_of(on_server, "fcall")
    say(on_server, 1)
    say(on_server, 2)
    assert calls_of(on_server, "fcall") == before + 4
    assert calls_of(on_server, "function|load") == 2


@real
def test_functions_that_the_server_lost_come_back(on_server: World) -> None:
    say(on_server, 1)
    ask(on_server, "FUNCTION", "FLUSH")
    say(on_server, 2)
    before = calls_of(on_server, "fcall")
    say(on_server, 3)
    assert calls_of(on_server, "fcall") == before + 2
    assert len(ask(on_server, "FUNCTION", "LIST")) == 2


@real
@pytest.mark.parametrize("rule", ["-fcall", "-function", "-function|load"])
def test_who_may_not_use_functions_uses_scripts(on_server: World, rule: str) -> None:
    say(on_server, 1)
    assert ask(on_server, "ACL", "SETUSER", "default", rule) == "OK"
    ask(on_server, "FUNCTION", "FLUSH")
    say(on_server, 2)
    before = calls_of(on_server, "evalsha")
    say(on_server, 3)
    assert calls_of(on_server, "evalsha") >= before + (2 if rule == "-fcall" else 0)


@real
def test_a_full_server_is_away_and_its_functions_are_tried_again(on_server: World) -> None:
    call = on_server.member().jobs.dispatch(on_server.spec("s", 1))
    ask(on_server, "CONFIG", "SET", "maxmemory", "1")
    with pytest.raises(StorageUnavailable, match="OOM"):
        on_server.do(call)
    ask(on_server, "CONFIG", "SET", "maxmemory", "0")
    before = calls_of(on_server, "fcall")
    say(on_server, 1)
    assert calls_of(on_server, "fcall") > before


def test_a_server_without_functions_is_asked_once(open_world: Callable[..., World]) -> None:
    world = open_world("fakeredis")
    asked: list[str] = []
    inner = world.executor.execute

    async def execute(commands: Sequence[Command]) -> list[Any]:
        asked.extend(str(command[0]) for command in commands)
        return await inner(commands)

    world.executor.execute = execute  # type: ignore[method-assign]  # to see what is sent
    world.node("n1", slots=8)
    say(world, 1)
    asked.clear()
    say(world, 2)
    assert set(asked) == {"EVALSHA"}


OLD_SERVERS = (
    "ERR unknown command `FUNCTION`, with args beginning with: `LOAD`",
    "ERR unknown command 'FCALL', with args beginning with: 'x'",
    "unknown command `FCALL`, with args beginning with: `x`",
    "NOPERM this user has no permissions to run the 'fcall' command",
    "NOPERM User x has no permissions to run the 'function|load' command",
)


@pytest.mark.parametrize("words", OLD_SERVERS)
def test_a_refused_function_runs_as_a_script_in_its_place(
    words: str, open_world: Callable[..., World]
) -> None:
    world = open_world("fakeredis")
    calls = [world.member().jobs.dispatch(world.spec("s", number)) for number in (1, 2)]
    refused = CommandRefused(words)
    answers: list[list[Any]] = [
        [refused, refused, refused],
        ["sha", ["BUSY"], ["FENCED"]],
        [["BUSY"]],
    ]
    asked: list[list[Any]] = []

    class Scripted:
        async def execute(self, commands: Sequence[Command]) -> list[Any]:
            asked.append([command[0] for command in commands])
            return answers.pop(0)

        async def close(self) -> None:
            """Nothing is open."""

    async def scenario() -> list[Any]:
        store = Store(Scripted())
        return await store.run(calls) + await store.run(calls[:1])

    replies = asyncio.run(scenario())
    assert [type(reply).__name__ for reply in replies] == ["Busy", "Fenced", "Busy"]
    assert asked == [["FUNCTION", "FCALL", "FCALL"], ["SCRIPT", "EVALSHA", "EVALSHA"], ["EVALSHA"]]
