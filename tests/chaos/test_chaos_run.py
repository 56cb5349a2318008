"""The short chaos run: 5,000 utterances while a fault a second strikes everybody."""

import os
import time
from collections.abc import Callable

import pytest

from tests.chaos.plan import short_form
from tests.chaos.run import run_chaos
from tests.chaos.soak import report

_CI_SEED = 108
"""Nearly every kind of fault strikes in it."""


pytestmark = [pytest.mark.takes(80), pytest.mark.timeout(600)]


def test_nothing_that_was_said_is_lost_whatever_breaks(
    record_property: Callable[[str, object], None],
) -> None:
    """CI has its seed, else it is another one each time.

    `python -m tests.chaos.soak --short --seed N` plays a run again.
    """
    seed = _CI_SEED if os.environ.get("CI") else time.time_ns() % 1_000_000
    result = run_chaos(short_form(seed))
    struck, slow = sum(result.faults.values()), result.slow_seconds
    record_property(
        "chaos",
        f"seed {seed}, {result.seconds:.0f} s, of them {slow:.0f} s too slow, {struck} faults",
    )
    assert not result.problems, report(result)
    tally = result.oracle.tally
    assert sum(tally.outcomes.values()) > 4500, report(result)
    is_slow = result.slow_seconds > result.seconds / 4  # others had the processors
    assert tally.outcomes["translated"] > (1000 if is_slow else 1500), report(result)
    assert sum(result.faults.values()) > 20, report(result)
    assert result.resumes > 0, report(result)
    assert result.streams > (30 if is_slow else 100), report(result)
