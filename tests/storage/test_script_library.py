"""A script's text, sorted into a library: what is set up once, and what a call does."""

import asyncio
from typing import Any

import pytest

from storage.client.transport import open_executor
from storage.script_library import library_of
from storage.scripts import load_script, parse_script

SOURCE = """-- greet: x
local call = redis.call
local MAX_NAMES = 3 -- at most

-- Returns a name.
local function name_of(id)
  if id == '' then
    return 'nobody'
  end
  return prefix .. id .. seen .. now
end
local function one() return 1 end

local seen -- what the helpers see
local first, second = call('GET', 'x'),
  one()
if now > MAX_NAMES then
  local kept = 1
  return { name_of(kept) }
end
return { 'OK' }
"""


def test_helpers_and_constants_are_set_up_once_and_the_rest_for_each_call() -> None:
    arguments = ["local prefix = KEYS[1]", "local now = tonumber(ARGV[1])"]
    library = library_of("greet", "0123456789abcdef", arguments, SOURCE)
    assert library.function == "lingua_greet_0123456789ab"
    assert library.text.splitlines() == [
        "#!lua name=lingua_greet_0123456789ab",
        "local prefix, now, call, seen, first, second",
        "local MAX_NAMES = 3 -- at most",
        "local function name_of(id)",
        "  if id == '' then",
        "    return 'nobody'",
        "  end",
        "  return prefix .. id .. seen .. now",
        "end",
        "local function one() return 1 end",
        "local helpers = {name_of = name_of, one = one}",
        "local function take_arguments(KEYS, ARGV)",
        "prefix = KEYS[1]",
        "now = tonumber(ARGV[1])",
        "end",
        "redis.register_function('lingua_greet_0123456789ab', function(KEYS, ARGV)",
        "take_arguments(KEYS, ARGV)",
        "call = redis.call",
        "",
        "",
        "seen = nil",
        "first, second = call('GET', 'x'),",
        "  helpers.one()",
        "if now > MAX_NAMES then",
        "  local kept = 1",
        "  return { helpers.name_of(kept) }",
        "end",
        "return { 'OK' }",
        "end)",
    ]


def test_a_function_may_call_more_helpers_than_lua_lets_it_see(real_url: str) -> None:
    helpers = "\n".join(f"local function add_{n}(x)\n  return x + {n}\nend" for n in range(100))
    calls = "\n".join(f"sum = add_{n}(sum)" for n in range(100))
    source = f"-- add: x\n-- RETURNS OK sum\n-- FUNCTION\n{helpers}\nlocal sum = 0\n{calls}\n"
    script = parse_script("add", source + "return { 'OK', sum }")
    library = script.library
    assert library is not None
    loaded = ("FUNCTION", "LOAD", "REPLACE", library.text)

    async def scenario() -> list[Any]:
        executor = open_executor(real_url)
        replies = await executor.execute([loaded, ("FCALL", library.function, 0)])
        await executor.close()
        return replies

    assert asyncio.run(scenario())[1] == ["OK", sum(range(100))]


def test_another_text_is_another_function() -> None:
    one, other = (
        parse_script("greet", f"-- greet: x\n-- RETURNS OK\n-- FUNCTION\nreturn {{ '{word}' }}")
        for word in ("OK", "NO")
    )
    assert one.library is not None
    assert other.library is not None
    assert one.library.function != other.library.function


@pytest.mark.parametrize("path", ["job/dispatch_task", "job/complete_task"])
def test_what_runs_for_every_utterance_is_a_function(path: str) -> None:
    assert load_script(path).library is not None


def test_what_runs_seldom_is_a_script() -> None:
    assert load_script("instance/reap").library is None
