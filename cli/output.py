"""Standard output and its siblings: what is done when one of them is closed.

Owns the file descriptors 0 to 2 of a command. It must not know what is printed.
"""

import os
import sys
from typing import NoReturn

from rich.console import Console

from cli.settings.error import SettingsError

_NOBODY_READS = "nobody reads standard output any more"
_CLOSED = "standard output is closed; send it somewhere, to /dev/null if nobody reads it"


class OutputClosedError(Exception):
    """What the program prints cannot be written any more; the message is one line."""


def check_streams() -> None:
    """Open what is closed of standard input and error; standard output has to be there.

    A descriptor that is left closed would be given to the next socket or file, and whatever then
    prints would write into that.

    Raises:
        SettingsError: Standard output is closed.
    """
    if sys.stderr is None:
        sys.stderr = open(_null(2), "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - for good
    if sys.stdin is None:
        sys.stdin = open(_null(0), encoding="utf-8", closefd=False)  # noqa: SIM115 - for good
    if sys.stdout is None:
        sys.stdout = open(_null(1), "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - for good
        raise SettingsError(_CLOSED)


def print_text(text: str) -> None:
    """Print lines for whoever started the program, at once.

    Raises:
        OutputClosedError: They cannot be written.
    """
    try:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
    except OSError as error:
        give_up_output()
        raise OutputClosedError(_in_words(error)) from None


def flush() -> None:
    """Write out what is still buffered.

    Raises:
        OutputClosedError: It cannot be written.
    """
    try:
        sys.stdout.flush()
    except OSError as error:
        give_up_output()
        raise OutputClosedError(_in_words(error)) from None


def give_up_output() -> None:
    """Let the rest go nowhere, or Python complains about it when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


class Terminal(Console):
    """A rich console that ends the command with one line when nobody reads it."""

    def on_broken_pipe(self) -> NoReturn:
        """Say so and end; called wherever something is printed, in a task, too."""
        self.quiet = True
        give_up_output()
        sys.stderr.write(f"lingua: {_NOBODY_READS}\n")
        raise SystemExit(1)


def _in_words(error: OSError) -> str:
    if isinstance(error, BrokenPipeError):
        return _NOBODY_READS
    return f"cannot write to standard output: {error.strerror}"


def _null(wanted: int) -> int:
    """Return the null device as this descriptor."""
    opened = os.open(os.devnull, os.O_RDWR)
    if opened == wanted:
        os.set_inheritable(wanted, True)
    else:
        os.dup2(opened, wanted)
        os.close(opened)
    return wanted
