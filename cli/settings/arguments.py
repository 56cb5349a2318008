"""The command line of `serve`: one flag per setting, made from the catalogue.

Owns flags and help text. It must not judge values: `settings` does.
"""

import argparse
import importlib.metadata
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import NoReturn

from cli.program import DISTRIBUTION, PROGRAM
from cli.settings.catalogue import Setting
from cli.settings.error import SettingsError, nearest
from cli.settings.settings import CONFIG_VARIABLE, Settings, known_settings
from peers.child_module import IS_INSTALLED

_WIDTH = 100
_USAGE = f"{PROGRAM} [COMMAND] [--SETTING VALUE …]"
_EPILOG = (
    "Each setting is a flag (--pause-ms 3000), an environment variable (LINGUA_PAUSE_MS=3000)\n"
    "and a key of the TOML file (pause_ms = 3000). The first of these that is given counts."
)


@dataclass(frozen=True, slots=True)
class Arguments:
    """What stood on the command line."""

    flags: dict[str, str]
    """Setting name → text as given."""
    config: str | None
    """Path of a TOML file with settings."""


def project_version() -> str:
    """Return the version: that of the installed wheel, in a checkout that of `pyproject.toml`."""
    if IS_INSTALLED:
        return importlib.metadata.version(DISTRIBUTION)
    project = Path(__file__).parents[2] / "pyproject.toml"
    return str(tomllib.loads(project.read_text(encoding="utf-8"))["project"]["version"])


def parse(argv: Sequence[str], commands: str = "") -> Arguments:
    """Return the flags of `serve`; `--help` and `--version` print and exit with 0.

    Raises:
        SettingsError: A flag is unknown or lacks its value.
    """
    parser = _parser(commands)
    known, unknown = parser.parse_known_args([_with_dashes(argument) for argument in argv])
    if unknown:
        flag = unknown[0].partition("=")[0]  # what follows could be a secret
        if not flag.startswith("-"):
            raise SettingsError(f"unexpected argument {flag!r}; a command comes first")
        names = [setting.flag for setting in known_settings().values()]
        hint = nearest(flag, [*names, "--config", "--help", "--version"], "--")
        raise SettingsError(f"unknown flag {flag}{hint}")
    flags = vars(known)
    config = flags.pop("config", None)
    return Arguments(flags, config)


class _Parser(argparse.ArgumentParser):
    """An argparse parser whose errors are ours: one line, without a usage block."""

    def error(self, message: str) -> NoReturn:
        raise SettingsError(message.removeprefix("argument "))


def _parser(commands: str) -> argparse.ArgumentParser:
    parser = _Parser(
        prog=PROGRAM,
        usage=_USAGE,
        description=commands,
        epilog=_EPILOG,
        allow_abbrev=False,
        argument_default=argparse.SUPPRESS,
        formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(
            prog, max_help_position=38, width=_WIDTH
        ),
    )
    version = f"lingua-scheduler {project_version()}"
    parser.add_argument("--version", action="version", version=version, help="show it and exit")
    parser.add_argument(
        "--config",
        metavar="FILE",
        help=f"TOML file with settings ({CONFIG_VARIABLE} in the environment)",
    )
    for package in fields(Settings):
        purpose = (type(getattr(Settings(), package.name)).__doc__ or "").partition("\n")[0]
        group = parser.add_argument_group(package.name, purpose)
        for setting in known_settings().values():
            if setting.package == package.name:
                _add_flag(group, setting)
    return parser


def _add_flag(group: "argparse._ArgumentGroup", setting: Setting) -> None:
    default = str(setting.default).lower() if setting.kind is bool else setting.default
    text = setting.help.replace("%", "%%")
    if setting.default not in (None, ""):
        text += f" [{default}]"
    if setting.kind is not bool:
        group.add_argument(setting.flag, dest=setting.name, metavar=setting.placeholder, help=text)
        return
    group.add_argument(
        setting.flag, dest=setting.name, nargs="?", const="true", metavar="true|false", help=text
    )
    group.add_argument(
        setting.flag.replace("--", "--no-", 1),
        dest=setting.name,
        action="store_const",
        const="false",
        help=argparse.SUPPRESS,
    )


def _with_dashes(argument: str) -> str:
    """Return `--pause_ms=1` as `--pause-ms=1`: both spellings are the same flag."""
    if not argument.startswith("--"):
        return argument
    flag, equals, value = argument.partition("=")
    return flag.replace("_", "-") + equals + value
