"""Logging: one form for everything, and nothing in it that somebody said."""

import json
import logging
import warnings
from collections.abc import Iterator

import pytest
from loguru import logger

from cli.logs import LogOptions, configure_logs


@pytest.fixture(autouse=True)
def quiet_logs() -> Iterator[None]:
    """Take the place of the fixture of this name: here the real set-up is under test."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)
    logger.remove()


def test_text_shows_the_values_that_are_bound(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(LogOptions())
    logger.bind(session_id="s-1", odd="{<a>}").info("opened")
    line = capsys.readouterr().err
    assert "INFO" in line
    assert line.endswith("opened session_id=s-1 odd={<a>}\n")


@pytest.mark.parametrize(
    "value",
    [
        "<Format.PCM16: 'pcm16'>",
        r"\<red>",
        r"\<no such markup>",
        r"\<nonsense>",
        r"\\<nonsense>",
        r"\\</dim>",
        "</>",
        "<fg 1>",
        "ends with \\",
        "ends with \\\\",
        "{extra} {{",
        "a < b",
        "<" * 50,
        "\\" * 50,
    ],
)
def test_no_text_from_outside_is_taken_for_markup(
    capsys: pytest.CaptureFixture[str], value: str
) -> None:
    configure_logs(LogOptions())
    logger.bind(platform=value).info("opened")
    logger.info("said {}", value)
    logger.info(value)
    lines = [line.split("INFO     ")[1] for line in capsys.readouterr().err.splitlines()]
    assert lines == [f"opened platform={value}", f"said {value}", value]


def test_lines_below_the_level_are_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(LogOptions(log_level="WARNING"))
    logger.info("quiet")
    logger.warning("loud")
    error = capsys.readouterr().err
    assert "quiet" not in error
    assert "loud" in error


def test_json_is_one_object_per_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(LogOptions(log_json=True))
    logger.bind(session_id="s-1", odd=object).info("two\nlines")
    line = json.loads(capsys.readouterr().err)
    assert line["message"] == "two\nlines"
    assert line["level"] == "INFO"
    assert line["session_id"] == "s-1"


@pytest.mark.parametrize("log_json", [True, False])
def test_a_traceback_shows_no_values(capsys: pytest.CaptureFixture[str], *, log_json: bool) -> None:
    configure_logs(LogOptions(log_json=log_json))
    said = "sesame"
    try:
        int(said[:0])
    except ValueError:
        logger.exception("broken")
    error = capsys.readouterr().err
    assert "ValueError" in error
    assert "sesame'" not in error.replace('said = "sesame"', "")


def test_the_standard_library_s_loggers_come_out_the_same_way(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logs(LogOptions())
    logging.getLogger("websockets.server").info("connection open")
    logging.getLogger("websockets.server").warning("odd %s", "peer")
    error = capsys.readouterr().err
    assert "connection open" not in error
    assert "WARNING  websockets.server: odd peer\n" in error


def test_debugging_shows_what_the_libraries_say(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(LogOptions(log_level="DEBUG"))
    logging.getLogger("websockets.server").debug("connection open")
    assert "connection open" in capsys.readouterr().err


def test_warnings_are_logged(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(LogOptions())
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=True)
        warnings.warn("old thing", DeprecationWarning, stacklevel=1)
    assert "old thing" in capsys.readouterr().err


HOSTILE = [
    "x\n12:00:00.000 CRITICAL all is lost",
    "x\r12:00:00.000 CRITICAL all is lost",
    "x\x1b[2K\x1b[1A12:00:00.000 CRITICAL",
    "x\x9b2K",
    "x\x00y\x7f",
    "x\u2028CRITICAL",
    "x\u202eLACITIRC",
    "x\x85y",
]
UNSEEN = set(map(chr, [*range(32), *range(0x7F, 0xA0), 0x2028, 0x2029, 0x202E])) - {"\n"}


class Odd:
    """A value that shows itself as somebody wants."""

    def __init__(self, shown: str) -> None:
        self.shown = shown

    def __str__(self) -> str:
        return self.shown


@pytest.mark.parametrize("log_json", [True, False])
@pytest.mark.parametrize("text", HOSTILE)
def test_what_comes_from_outside_stays_within_its_line(
    capsys: pytest.CaptureFixture[str], text: str, *, log_json: bool
) -> None:
    configure_logs(LogOptions(log_json=log_json))
    logger.info("node registered", node_id=text, why=ValueError(text), odd=Odd(text))
    logger.warning(text)
    logging.getLogger("library").warning("%s", text)
    written = capsys.readouterr().err
    assert not UNSEEN & set(written)
    assert written.count("\n") == 3
    if log_json:
        assert json.loads(written.splitlines()[0])["node_id"] == text


@pytest.mark.parametrize("log_json", [True, False])
@pytest.mark.parametrize("text", HOSTILE)
def test_the_message_of_an_exception_makes_no_line_that_looks_like_ours(
    capsys: pytest.CaptureFixture[str], text: str, *, log_json: bool
) -> None:
    configure_logs(LogOptions(log_json=log_json))
    logger.opt(exception=ValueError(text)).error("broken")
    written = capsys.readouterr().err
    assert not UNSEEN & set(written)
    if log_json:
        assert written.count("\n") == 1
    else:
        first, *rest = written.rstrip("\n").split("\n")
        assert first.endswith("broken")
        assert all(line.startswith("  ") for line in rest)
