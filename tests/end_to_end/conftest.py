"""What holds for every test that drives a whole scheduler over sockets."""

import itertools
from collections.abc import Callable, Iterator

import pytest

from tests.end_to_end.support import (
    many_peers,
    short_absence,
    short_deadlines,
    short_grace,
    short_segments,
)
from tests.support.peers.raw_wire import Pair
from tests.support.processes.scheduler_process import SchedulerProcess, running_scheduler

_numbers = itertools.count(1)


def _running(*flags: str) -> Iterator[SchedulerProcess]:
    with running_scheduler(*flags) as process:
        yield process
        process.wait_until_idle()


@pytest.fixture(scope="session")
def scheduler() -> Iterator[SchedulerProcess]:
    """One scheduler for all files that need no settings of their own.

    It waits 5 ms for a chunk that its final overtook, not 60: most tests wait for it.
    """
    yield from _running("--session-grace-seconds=0.5", "--hangover-manual-ms=5")


@pytest.fixture(scope="session")
def scheduler_without_media() -> Iterator[SchedulerProcess]:
    """One that converts nothing, as without the extra `media`."""
    flags = "--session-grace-seconds=0.5", "--hangover-manual-ms=5", "--media-processes=0"
    yield from _running(*flags)


@pytest.fixture(scope="session")
def scheduler_for_crowds() -> Iterator[SchedulerProcess]:
    """Long queues, fast readers, marks of overload that lapse soon."""
    yield from _running(*many_peers.FLAGS)


@pytest.fixture(scope="session")
def impatient_scheduler() -> Iterator[SchedulerProcess]:
    """Short deadlines of jobs."""
    yield from _running(*short_deadlines.FLAGS)


@pytest.fixture(scope="session")
def scheduler_of_short_lives() -> Iterator[SchedulerProcess]:
    """Short grace and flush of sessions."""
    yield from _running(*short_grace.FLAGS)


@pytest.fixture(scope="session")
def scheduler_of_short_absences() -> Iterator[SchedulerProcess]:
    """A grace, a flush and a pause that tests can wait for."""
    yield from _running(*short_absence.FLAGS)


@pytest.fixture(scope="session")
def scheduler_of_short_turns() -> Iterator[SchedulerProcess]:
    """Low limits of segments and turns; the hangover is the usual one."""
    yield from _running(*short_segments.FLAGS)


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
