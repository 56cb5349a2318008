"""What holds for every test: no actor outlives it, hypothesis is reproducible, logs are quiet."""

import os
import signal
import sys
from collections.abc import Generator, Iterator
from typing import Any

import pytest
from hypothesis import settings
from loguru import logger

from actors.runtime.actor import ActorRegistry

settings.register_profile("dev", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "dev")

_REPORT = pytest.StashKey[pytest.TestReport]()
_WORKERS_PER_PROCESSOR = 2
"""Most tests wait for processes, timers and sockets most of the time."""


def pytest_xdist_auto_num_workers() -> int:
    """Return how many workers `-n auto` means."""
    return _WORKERS_PER_PROCESSOR * len(os.sched_getaffinity(0))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the longest files begin first, so that no worker is left alone with one at the end."""
    items.sort(key=lambda item: -_seconds(item))


def _seconds(item: pytest.Item) -> float:
    """Return how long the item's file says that it takes."""
    takes = item.get_closest_marker("takes")
    return 0.0 if takes is None else float(takes.args[0])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests want to be known although they passed."""
    for report in terminalreporter.getreports("passed") + terminalreporter.getreports("failed"):
        for name, text in report.user_properties:
            if report.when == "call":
                terminalreporter.write_line(f"{name}: {text}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[Any]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.when == "call":
        item.stash[_REPORT] = report
    return report


@pytest.fixture(autouse=True)
def no_actor_outlives_its_test(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test that leaves an actor alive; a test that failed itself is only cleaned up."""
    yield
    left = ActorRegistry.get_all()
    for ref in left:
        ActorRegistry.unregister(ref)
    report = request.node.stash.get(_REPORT, None)
    if left and report is not None and report.passed:
        pytest.fail(f"still alive after the test: {', '.join(map(str, left))}")


@pytest.fixture(autouse=True)
def quiet_logs() -> Iterator[None]:
    """Send logs where pytest shows them for failed tests only."""
    logger.remove()
    sink = logger.add(sys.stderr, level="DEBUG", format="{level: <8} {message} {extra}")
    yield
    logger.remove(sink)


@pytest.fixture
def sigint_is_not_ignored() -> Iterator[None]:
    """What the test starts hears SIGINT, even if whoever started the tests had it ignored.

    A process inherits that a signal is ignored: shells say so to what runs in the background.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def log_records() -> Iterator[list[dict[str, Any]]]:
    """Everything that is logged during the test, as loguru's records."""
    records: list[dict[str, Any]] = []
    sink = logger.add(lambda message: records.append(dict(message.record)), level="TRACE")
    yield records
    logger.remove(sink)
