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
