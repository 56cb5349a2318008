"""How a wrong or unknown setting, flag or command is reported. Imports nothing of the project."""

import errno
import os
from collections.abc import Iterable
from difflib import get_close_matches

_LIKENESS = 0.75
"""Between 0 and 1: one letter wrong in a word of four still counts."""


class SettingsError(Exception):
    """Something the user gave is wrong or unknown; the message is one line that says what."""


def cannot_listen(host: str, port: int, error: OSError, purpose: str = "") -> SettingsError:
    """Return the line about a port that cannot be had."""
    reason = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
    line = f"cannot listen {purpose}on {host}:{port}: {reason}"
    if error.errno == errno.EADDRINUSE:
        line += "; stop what listens there, or choose another port"
    return SettingsError(line)


def nearest(given: str, known: Iterable[str], prefix: str = "") -> str:
    """Return a hint to the known name that was probably meant, or nothing.

    The prefix, which all names have, is left out of the comparison: it would make all alike.
    """
    bare = [name.removeprefix(prefix) for name in known]
    match = get_close_matches(given.removeprefix(prefix), bare, 1, _LIKENESS)
    return f"; did you mean {prefix}{match[0]}?" if match else ""
