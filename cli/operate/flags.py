"""What all commands for operators share: which scheduler, with which token, in which form."""

import argparse
import json
import os
from collections.abc import Mapping
from typing import Any

from rich.console import RenderableType

from cli.output import Terminal, print_text
from cli.parser import OneLineParser
from cli.peer_token import token_of
from cli.settings.error import SettingsError
from peers.operator import Scheduler, server_url
from peers.socket_url import UrlError

_DEFAULT_PORT = "5010"
_TOKEN_VARIABLE = "LINGUA_ADMIN_TOKEN"  # noqa: S105 - its name
_WIDTH_WITHOUT_TERMINAL = 200


def operator_parser(name: str, description: str) -> OneLineParser:
    """Return a command's parser with the flags that all of them have."""
    parser = OneLineParser(name, description=description)
    port = os.environ.get("LINGUA_PORT") or _DEFAULT_PORT
    parser.add_argument(
        "--url",
        default=f"127.0.0.1:{port}",
        metavar="HOST:PORT",
        help=f"which scheduler; http:// or https:// may stand before it [127.0.0.1:{port}]",
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    group = parser.add_mutually_exclusive_group()
    text = "the operators' token; others see it in the list of processes"
    group.add_argument("--token", help=text)
    file_help = f"file that holds it [{_TOKEN_VARIABLE} or {_TOKEN_VARIABLE}_FILE]"
    group.add_argument("--token-file", metavar="FILE", help=file_help)
    return parser


def scheduler_of(arguments: argparse.Namespace) -> Scheduler:
    """Return the scheduler that the arguments and the environment name.

    Raises:
        SettingsError: the address is none, or the token's file cannot be read.
    """
    if arguments.token is None and arguments.token_file is None:
        arguments.token_file = os.environ.get(f"{_TOKEN_VARIABLE}_FILE") or None
    token = token_of(arguments)
    if token is None:
        token = os.environ.get(_TOKEN_VARIABLE) or None
    try:
        return Scheduler(server_url(arguments.url), token)
    except UrlError as error:
        raise SettingsError(str(error)) from None


def show(arguments: argparse.Namespace, found: Mapping[str, Any], view: RenderableType) -> None:
    """Print what was found: as JSON, or as people read it."""
    if arguments.json:
        print_text(json.dumps(found, indent=2, ensure_ascii=False))
        return
    open_console().print(view)


def open_console() -> Terminal:
    """Return standard output; where it is no terminal, a line of a table stays a line."""
    console = Terminal(markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = _WIDTH_WITHOUT_TERMINAL
    return console
