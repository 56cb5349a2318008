"""Logging, set up in one place: loguru to stderr, with the standard library's loggers routed in.

It must not be imported by other packages: they use loguru's `logger` as it is.
"""

import logging
import re
import sys
from dataclasses import dataclass
from traceback import format_exception
from types import FrameType
from typing import TYPE_CHECKING, Literal

from loguru import logger
from pydantic_core import to_json

if TYPE_CHECKING:
    from loguru import Message, Record

_QUIET_UNLESS_DEBUGGING = ("asyncio", "pykka", "redis", "websockets")
"""They report each connection at INFO, which the gateway says better."""


@dataclass(frozen=True, slots=True)
class LogOptions:
    """What is logged to stderr, and how."""

    log_level: Literal["TRACE", "DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """Least level that is logged."""
    log_json: bool = False
    """One JSON object per line instead of text."""


def configure_logs(options: LogOptions) -> None:
    """Send every log line of the process to stderr in one form. Safe to call again."""
    logger.remove()
    # No values of variables in tracebacks: they could be tokens, audio or what somebody said.
    if options.log_json:
        logger.add(_write_json, level=options.log_level, backtrace=False, diagnose=False)
    else:
        logger.add(
            sys.stderr,
            level=options.log_level,
            format=_text_format,
            backtrace=False,
            diagnose=False,
        )
    logging.basicConfig(handlers=[_IntoLoguru()], level=logging.NOTSET, force=True)
    logging.captureWarnings(capture=True)
    debugging = options.log_level in {"TRACE", "DEBUG"}
    for name in _QUIET_UNLESS_DEBUGGING:
        logging.getLogger(name).setLevel(logging.DEBUG if debugging else logging.WARNING)


class _IntoLoguru(logging.Handler):
    """Hands the standard library's records to loguru, under the caller's name."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            level: str | int = logger.level(record.levelname).name
        except ValueError:
            level = record.levelno
        frame: FrameType | None = sys._getframe()  # noqa: SLF001 - loguru counts frames, so do we
        depth = 0
        while frame and (depth == 0 or frame.f_code.co_filename == logging.__file__):
            frame = frame.f_back
            depth += 1
        logger.opt(depth=depth, exception=record.exc_info).log(
            level, "{}: {}", record.name, record.getMessage()
        )


_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""Control characters, line ends and marks that turn the direction of writing."""


def _escape(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()


def escaped(text: str) -> str:
    """Return a text as it may stand in a log line: whatever it says, it stays one line of its own.

    What peers send comes into logs as names, platforms, codes and reasons. With line ends or
    escape sequences in it, it could look like a line of ours.
    """
    return _UNSEEN.sub(_escape, text)


def _traceback(record: "Record") -> str:
    """Return the exception's traceback; its message may be a peer's, too."""
    found = record["exception"]
    if found is None:
        return ""
    lines = "".join(format_exception(*found)).rstrip().split("\n")
    return "\n".join(map(escaped, lines))


def _text_format(record: "Record") -> str:
    fields = "".join(f" {name}={escaped(str(value))}" for name, value in record["extra"].items())
    message, trace = escaped(record["message"]), _traceback(record)
    if trace:
        trace = "\n".join(f"  {line}" for line in trace.split("\n")) + "\n"
    return (
        "<dim>{time:HH:mm:ss.SSS}</dim> <level>{level: <8}</level> "
        f"{_literal(message)}<dim>{_literal(fields)}</dim>\n{_literal(trace)}"
    )


_MARKUP = re.compile(r"(?<!\\)(\\*)(</?(?:[fb]g\s)?[^<>\s]*>|\Z)")
"""What loguru takes for markup, the backslashes in front of it included: an odd number of them
makes it text, and of an even number one half is shown. Markup of ours may follow a text's end."""


def _literal(text: str) -> str:
    """Return what the template shows as this text: nothing in it is markup or a field."""
    return _MARKUP.sub(_as_text, text.replace("{", "{{").replace("}", "}}"))


def _as_text(found: re.Match[str]) -> str:
    backslashes, markup = found.groups()
    return 2 * backslashes + ("\\" + markup if markup else "")


def _write_json(message: "Message") -> None:
    record = message.record
    line = {
        "time": record["time"].isoformat(),
        "level": record["level"].name,
        "logger": record["name"],
        "message": record["message"],
        **record["extra"],
    }
    if record["exception"] is not None:
        line["exception"] = _traceback(record)
    text = to_json(line, fallback=str).decode()
    sys.stderr.write(_UNSEEN.sub(_escape_in_json, text) + "\n")


def _escape_in_json(found: re.Match[str]) -> str:
    """Escape what JSON lets stand; it means the same."""
    return f"\\u{ord(found[0]):04x}"
