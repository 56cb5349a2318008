"""Command lines of the subcommands: one line and status 2 for what is wrong, no secret in it.

`serve` makes its flags from the catalogue of settings (`cli/settings/arguments.py`).
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from cli.program import PROGRAM
from cli.settings.error import nearest


class OneLineParser(argparse.ArgumentParser):
    """An argparse parser whose errors are one line, without a block of usage."""

    def __init__(self, name: str, **options: Any) -> None:
        super().__init__(prog=f"{PROGRAM} {name}", allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        """End with the line and status 2."""
        line = " ".join(message.removeprefix("argument ").split())
        self.exit(2, f"lingua: {line}; see {self.prog} --help\n")

    def parse_args(  # type: ignore[override]  # only what is used here
        self, args: Sequence[str] | None = None, namespace: None = None
    ) -> argparse.Namespace:
        """Return the arguments; the value of a flag that is unknown could be a token."""
        known, unknown = self.parse_known_args(args, namespace)
        if unknown:
            flag = unknown[0].partition("=")[0]
            if not flag.startswith("-"):
                self.error("there is an argument too many")
            names = [name for action in self._actions for name in action.option_strings]
            self.error(f"unknown flag {flag}{nearest(flag, names, '--')}")
        return known


def positive(text: str) -> int:
    """Return a whole number of at least 1."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def output_file(text: str) -> Path:
    """Return where something will be written, long after this line is read."""
    path = Path(text)
    if not path.parent.is_dir() or path.is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} cannot be written")
    return path


def speed(text: str) -> float:
    """Return how many times faster than real time speech is sent."""
    return _between(text, 0, 100)


def seconds(text: str) -> float:
    """Return a length of time; a day is long enough for anything here."""
    return _between(text, 0, 86_400)


def _between(text: str, above: float, most: float) -> float:
    value = float(text)
    if not above < value <= most:
        raise argparse.ArgumentTypeError(f"must be above {above:g} and at most {most:g}")
    return value
