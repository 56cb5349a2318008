"""The page of all settings in Markdown, made from the catalogue. Makes text; writes nothing."""

from dataclasses import fields
from typing import Final

from cli.settings.catalogue import Setting
from cli.settings.settings import Settings, known_settings

_HEAD: Final = """\
# Settings

<!-- Made by `python -m cli.description` from the options that the packages declare. -->

Each is a flag (`--pause-ms 2000`), an environment variable (`LINGUA_PAUSE_MS=2000`) and a key of
the TOML file that `--config` names (`pause_ms = 2000`); the first of these that is given counts.
"""


def settings_page() -> str:
    """Return the page."""
    parts = [_HEAD]
    for package in fields(Settings):
        purpose = (type(getattr(Settings(), package.name)).__doc__ or "").partition("\n")[0]
        rows = [_row(each) for each in known_settings().values() if each.package == package.name]
        table = "\n".join(["| setting | default | |", "|---|---|---|", *rows, ""])
        parts.append(f"## {package.name}\n\n{purpose}\n\n{table}")
    return "\n".join(parts)


def _row(setting: Setting) -> str:
    default = "" if setting.default in (None, "") else f"`{str(setting.default).lower()}`"
    if isinstance(setting.default, str) and setting.default:
        default = f"`{setting.default}`"
    said = " ".join(setting.help.split()).replace("|", "\\|")
    return f"| `{setting.name}` | {default} | {said} |"
