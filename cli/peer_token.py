"""How a node or a client on the command line is given its token.

A flag stands in the list of processes, where every user of the machine reads it; a file does not.
"""

import argparse
from pathlib import Path

from loguru import logger

from cli.settings.error import SettingsError


def add_token_flags(parser: argparse.ArgumentParser) -> None:
    """Add `--token` and `--token-file`."""
    group = parser.add_mutually_exclusive_group()
    text = "bearer token, where the scheduler wants one; others see it in the list of processes"
    group.add_argument("--token", help=text)
    group.add_argument("--token-file", metavar="FILE", help="file that holds the token")


def token_of(arguments: argparse.Namespace) -> str | None:
    """Return the token that was given.

    Raises:
        SettingsError: The file cannot be read, or is empty.
    """
    if arguments.token is not None:
        logger.warning("--token is seen in the list of processes; --token-file is not")
        return str(arguments.token)
    if arguments.token_file is None:
        return None
    try:
        token = Path(arguments.token_file).expanduser().read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not text"
        raise SettingsError(f"--token-file: {arguments.token_file!r}: {why}") from None
    if not token:
        raise SettingsError(f"--token-file: {arguments.token_file!r} is empty")
    return token
