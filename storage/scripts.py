"""Lua scripts: read once, checked against their headers, called by argument name.

Owns the header language and the assembly of includes. It must not talk to a server. A script opens
with its contract:

    -- dispatch_task: what it does and why
    -- KEYS prefix
    -- ARGV now int
    -- ARGV beats list
    -- RETURNS ASSIGNED job attempt | FENCED
    -- FUNCTION
    -- INCLUDE lib/clock.lua

Each KEYS and ARGV name becomes a local of the script: `int` a number, `str` a string, `list` (only
as the last one) a table of the remaining strings. RETURNS is checked by the tests against what the
readers know. A file is included where its line stands: what a script rarely needs stands behind the
early return of the usual case and costs nothing there (35 functions take 5 us to set up). A wrong
header fails at import, a wrong call at the call, each with a sentence.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Self

from storage.script_library import Library, library_of

LUA_DIRECTORY = Path(__file__).parent.parent / "lua"

_HEADER = re.compile(r"-- (KEYS|ARGV|RETURNS) (.+)")
_INCLUDE = re.compile(r"^-- INCLUDE (\S+)$", re.MULTILINE)
_FUNCTION = "-- FUNCTION"
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_TYPES = ("int", "str", "list")


class ScriptHeaderError(Exception):
    """A script's header breaks the rules; found when it is loaded."""


class ScriptCallError(TypeError):
    """A script is called with other arguments than its header names."""


@dataclass(frozen=True, slots=True)
class Script:
    """A script, ready to be sent."""

    name: str
    """What the script is called in replies, logs and metrics."""
    path: str
    """Its file, under `lua/` and without the ending, such as `job/dispatch_task`."""
    text: str
    """With its includes and the locals of its header."""
    sha: str
    """SHA-1 of the text, in hex, as EVALSHA wants it."""
    parameters: tuple[str, ...]
    integers: tuple[str, ...]
    """The parameters that are numbers."""
    rest: str | None
    """The parameter that takes all remaining arguments."""
    words: frozenset[str]
    """First elements of every possible reply."""
    library: Library | None
    """The same as a function; None: it is not called often enough for that."""

    def by_place(self, *names: str) -> Self:
        """Return the script, for a caller that gives its arguments in this order.

        That is for what runs for every utterance: by name they cost 2 µs more.

        Raises:
            ScriptHeaderError: The header has other names, or another order.
        """
        if names != self.parameters or self.rest is not None:
            message = f"{self.name} takes {', '.join(self.parameters)}, not {', '.join(names)}"
            raise ScriptHeaderError(message)
        return self

    def arguments(self, **given: int | str | Sequence[int | str]) -> tuple[int | str, ...]:
        """Return the arguments in the script's order.

        Raises:
            ScriptCallError: A name is missing or unknown, or a number is none.
        """
        if len(given) != len(self.parameters) + (self.rest is not None):
            raise ScriptCallError(self._complaint(given))
        try:
            ordered = tuple(map(given.__getitem__, self.parameters))
        except KeyError:
            raise ScriptCallError(self._complaint(given)) from None
        for name in self.integers:
            if type(given[name]) is not int:
                message = f"{self.name}: {name} is {given[name]!r}, which is no int"
                raise ScriptCallError(message)
        if self.rest is None:
            return ordered  # type: ignore[return-value]  # only the rest is a sequence
        try:
            return (*ordered, *given[self.rest])  # type: ignore[arg-type,misc]  # as above
        except KeyError:
            raise ScriptCallError(self._complaint(given)) from None

    def _complaint(self, given: dict[str, int | str | Sequence[int | str]]) -> str:
        expected = {*self.parameters, *([self.rest] if self.rest else [])}
        missing = ", ".join(sorted(expected - given.keys())) or "nothing"
        unknown = ", ".join(sorted(given.keys() - expected)) or "nothing"
        return f"{self.name} is called wrongly: missing {missing}; unknown {unknown}"


@cache
def load_script(path: str, directory: Path = LUA_DIRECTORY) -> Script:
    """Return the script of `lua/<path>.lua`.

    Raises:
        ScriptHeaderError: The file is missing or its header breaks the rules.
    """
    return parse_script(path, _read(directory / f"{path}.lua"), directory)


def name_of(path: str) -> str:
    """Return the last part of a script's path."""
    return path.rpartition("/")[2]


def parse_script(path: str, source: str, directory: Path = LUA_DIRECTORY) -> Script:
    """Return the script of this source; includes are looked up in the directory."""
    name = name_of(path)
    if not source.startswith(f"-- {name}: "):
        message = f"lua/{path}.lua must open with '-- {name}: ' and what it does"
        raise ScriptHeaderError(message)
    header: dict[str, list[str]] = {"KEYS": [], "ARGV": [], "RETURNS": []}
    for match in map(_HEADER.fullmatch, source.splitlines()):
        if match:
            header[match[1]].append(match[2])
    keys = [_checked(path, key) for line in header["KEYS"] for key in line.split()]
    arguments = [_argument(path, line) for line in header["ARGV"]]
    lists = [argument for argument, kind in arguments if kind == "list"]
    if lists and (len(lists) > 1 or arguments[-1][1] != "list"):
        message = f"lua/{path}.lua: a list takes the remaining arguments, so only the last can be"
        raise ScriptHeaderError(message)
    if not header["RETURNS"]:
        message = f"lua/{path}.lua has no RETURNS line"
        raise ScriptHeaderError(message)
    body = _INCLUDE.sub(lambda match: _read(directory / match[1]), source)
    opening = _locals(keys, arguments)
    text = "\n".join([*opening, body])
    sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
    is_function = _FUNCTION in source.splitlines()
    return Script(
        name=name,
        path=path,
        text=text,
        sha=sha,
        parameters=tuple(argument for argument, kind in arguments if kind != "list"),
        integers=tuple(argument for argument, kind in arguments if kind == "int"),
        rest=lists[0] if lists else None,
        words=frozenset(
            word.split()[0]
            for line in header["RETURNS"]
            for word in line.split("|")
            if word.strip()
        ),
        library=library_of(name, sha, opening, body) if is_function else None,
    )


def _argument(script: str, line: str) -> tuple[str, str]:
    name, _, kind = line.partition(" ")
    if kind not in _TYPES:
        message = f"lua/{script}.lua: '-- ARGV {line}' needs a name and one of {', '.join(_TYPES)}"
        raise ScriptHeaderError(message)
    return _checked(script, name), kind


def _checked(script: str, name: str) -> str:
    if not _NAME.fullmatch(name):
        message = f"lua/{script}.lua: '{name}' is no name for a local"
        raise ScriptHeaderError(message)
    return name


def _locals(keys: list[str], arguments: list[tuple[str, str]]) -> list[str]:
    lines = [f"local {key} = KEYS[{number}]" for number, key in enumerate(keys, 1)]
    for number, (name, kind) in enumerate(arguments, 1):
        if kind == "int":
            lines.append(f"local {name} = tonumber(ARGV[{number}])")
        elif kind == "str":
            lines.append(f"local {name} = ARGV[{number}]")
        else:
            lines.append(f"local {name} = {{}}")
            lines.append(f"for i = {number}, #ARGV do {name}[i - {number - 1}] = ARGV[i] end")
    return lines


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        message = f"the script file {path} cannot be read: {error.strerror}"
        raise ScriptHeaderError(message) from error
