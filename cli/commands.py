"""The subcommands of `lingua`: which there are, and how a failure looks to the shell.

A command's module is imported only when it is asked for: a node needs no store, a scheduler no
speech engines. Exit status: 0 done, 2 a wrong or unknown setting or argument, 1 anything else.
"""

import importlib
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cli.output import OutputClosedError, check_streams, flush
from cli.program import PROGRAM
from cli.settings.error import SettingsError, nearest

PROCESS_STARTED_SECONDS = time.monotonic()
"""Monotonic clock, read before anything slow is imported."""


@dataclass(frozen=True, slots=True)
class Command:
    """One subcommand."""

    target: str
    """`.module:function` of this package; the function takes the arguments after the command's
    name and returns the exit status."""
    purpose: str

    def run(self, argv: Sequence[str]) -> int:
        """Import the command and run it to its end."""
        module, _, function = self.target.partition(":")
        found = importlib.import_module(module, __package__)
        run: Callable[[Sequence[str]], int] = getattr(found, function)
        return run(argv)


DEFAULT = "serve"
COMMANDS = {
    DEFAULT: Command(".serve.command:main", "run the scheduler (without a command, too)"),
    "node": Command(".node:main", "offer this machine's speech engines to a scheduler"),
    "client": Command(".client:main", "send a recording to a scheduler, get it translated"),
    "status": Command(".operate.commands:status", "show how a running service stands"),
    "nodes": Command(".operate.commands:nodes", "show its nodes: slots, speed, why not chosen"),
    "sessions": Command(".operate.commands:sessions", "show its sessions"),
    "jobs": Command(".operate.commands:jobs", "show its jobs by state"),
    "job": Command(".operate.commands:job", "show what became of one job"),
    "route": Command(".operate.commands:route", "show why a pair of languages has no capacity"),
    "usage": Command(".operate.commands:usage", "show what each tenant has used in a month"),
    "drain": Command(".operate.commands:drain", "give a node no new work"),
    "undrain": Command(".operate.commands:undrain", "give it work again"),
    "close": Command(".operate.commands:close", "end a session"),
    "forget": Command(".operate.commands:forget", "erase a session, or all of a tenant"),
    "top": Command(".operate.commands:top", "show the service live"),
    "token": Command(".client_token:main", "print a short-lived token for a tenant's web page"),
    "demo": Command(
        ".demo.command:main", "scheduler, node and client on recorded speech, all in one"
    ),
    "bench": Command(".bench.command:main", "measure a scheduler under simulated load"),
    "simulate": Command(
        ".simulation.command:main", "play the decisions for very many nodes and sessions"
    ),
}


def main(argv: Sequence[str]) -> int:
    """Run the command that the arguments name, `serve` when they name none."""
    try:
        check_streams()
        status = _run(argv)
        flush()
    except SettingsError as error:
        return _failed(error, 2)
    except (OutputClosedError, OSError) as error:
        return _failed(error, 1)
    except KeyboardInterrupt:
        return 130
    return status


def _run(argv: Sequence[str]) -> int:
    """Run the command; `--help` and the like end it by an exception, which is no other end."""
    name, rest = _chosen(argv)
    try:
        return COMMANDS[name].run(rest)
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 0


def _failed(error: Exception, status: int) -> int:
    line = " ".join(str(error).split())
    sys.stderr.write(f"lingua: {line}\n")
    return status


def summary() -> str:
    """Return the commands as lines of a help text."""
    lines = [f"  {name:<9}{command.purpose}" for name, command in COMMANDS.items()]
    return "\n".join(["commands (each has its own --help):", *lines])


def _chosen(argv: Sequence[str]) -> tuple[str, Sequence[str]]:
    if not argv or argv[0].startswith("-"):
        return DEFAULT, argv
    name, *rest = argv
    if name not in COMMANDS:
        meant = nearest(name, list(COMMANDS))
        raise SettingsError(f"unknown command {name!r}{meant}; see {PROGRAM} --help")
    return name, rest
