"""A script as a function of the server (Redis 7, Valkey): its helpers are set up once. Pure.

A plain script sets up its helpers again for every call: 3 us of 30 for `dispatch_task` on Redis,
5 us of 38 on Valkey. So what runs for every utterance says `-- FUNCTION` in its header, and is
loaded as a library of its own where the server takes one.

The text stays the same; only what stands in the first column is sorted:

- `local function …` up to its `end`, and constants (`local ALL_CAPS = …`), go to the library.
- Any other `local` is declared in the library, so that the helpers see it, and is given its value
  when a call comes to its line.
- Everything else is the function. It calls the helpers through a table, for a function of Lua sees
  at most 60 names around it.

Its names carry the start of the SHA-1 of the script, so versions of this program can share a
server. What an older version has left there is two small libraries; `FUNCTION FLUSH` removes them.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

_HELPER = "local function "
_HELPER_NAME = re.compile(r"local function (\w+)")
_CALL = re.compile(r"(?<![\w.:])([a-z]\w*)(?=\()")
_CONSTANT = re.compile(r"local [A-Z][A-Z0-9_]* = ")
_STATE = re.compile(r"local ([a-z]\w*(?:, [a-z]\w*)*)( = .*)?(?: *--.*)?")
_SHA_DIGITS = 12


@dataclass(frozen=True, slots=True)
class Library:
    """What FUNCTION LOAD takes, and what FCALL is given."""

    function: str
    """Name of the library and of its only function."""
    text: str


def library_of(name: str, sha: str, arguments: Sequence[str], source: str) -> Library:
    """Return the library of a script.

    Args:
        name: The script's.
        sha: SHA-1 of the script's text, in hex.
        arguments: The lines that make locals of KEYS and ARGV.
        source: The script with its includes, without those lines.
    """
    helpers: list[str] = []
    state: dict[str, None] = {}
    body: list[str] = []
    taken = [_without_local(line, state) for line in arguments]
    lines = iter(source.splitlines())
    for line in lines:
        if line.startswith(_HELPER):
            helpers.append(line)
            is_open = not line.endswith(" end")
            while is_open:
                helpers.append(next(lines))
                is_open = helpers[-1] != "end"
        elif _CONSTANT.match(line):
            helpers.append(line)
        elif not line.startswith("--"):
            body.append(_without_local(line, state))
    names = [match[1] for match in map(_HELPER_NAME.match, helpers) if match]
    table = "local helpers = {" + ", ".join(f"{name} = {name}" for name in names) + "}"
    body = [_through_table(line, frozenset(names)) for line in body]
    function = f"lingua_{name}_{sha[:_SHA_DIGITS]}"
    text = "\n".join(
        [
            f"#!lua name={function}",
            f"local {', '.join(state)}",
            *helpers,
            table,
            "local function take_arguments(KEYS, ARGV)",  # apart: they are such names, too
            *taken,
            "end",
            f"redis.register_function('{function}', function(KEYS, ARGV)",
            "take_arguments(KEYS, ARGV)",
            *body,
            "end)",
        ]
    )
    return Library(function, text)


def _through_table(line: str, helpers: frozenset[str]) -> str:
    """Return the line with its calls of helpers as calls of what the table has under that name."""
    return _CALL.sub(lambda call: f"helpers.{call[1]}" if call[1] in helpers else call[1], line)


def _without_local(line: str, state: dict[str, None]) -> str:
    """Return the line as an assignment to what the library declares."""
    match = _STATE.fullmatch(line)
    if match is None:
        return line
    names = match[1]
    state.update(dict.fromkeys(names.split(", ")))
    return names + (match[2] or " = nil")
