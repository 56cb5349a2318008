"""What holds for every test that drives a whole scheduler over sockets."""

import itertools
from collections.abc import Callable, Iterator

import pytest

from tests.support.scheduler_process import SchedulerProcess, running_scheduler

_numbers = itertools.count(1)

Pair = tuple[str, str]


@pytest.fixture(scope="session")
def scheduler() -> Iterator[SchedulerProcess]:
    """One scheduler for all files that need no settings of their own.

    It waits 5 ms for a chunk that its final overtook, not 60: most tests wait for it.
    """
    with running_scheduler("--session-grace-seconds=0.5", "--hangover-manual-ms=5") as process:
        yield process
        process.wait_until_idle()


@pytest.fixture
def pair() -> Pair:
    """A source and a target language that no other test uses: its nodes and jobs are its own."""
    number = next(_numbers)
    return f"a{number}", f"b{number}"


@pytest.fixture
def fresh_pair() -> Callable[[], Pair]:
    """More such pairs."""

    def fresh() -> Pair:
        number = next(_numbers)
        return f"a{number}", f"b{number}"

    return fresh
