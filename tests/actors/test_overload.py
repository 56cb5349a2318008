"""From samples of lag to a level, at literal times: 100 ms are too much, for 500 ms."""

import pytest

from actors.admission import AdmissionOptions
from actors.overload import Overload, OverloadLevel

NONE, NO_SESSIONS, SLOW = OverloadLevel
OPTIONS = AdmissionOptions(overload_lag_ms=100, overload_after_ms=500)


def levels(*samples: tuple[float, float]) -> list[OverloadLevel]:
    """Return the level after each sample of (time, lag), both in milliseconds."""
    overload = Overload(OPTIONS)
    return [overload.sample(lag_ms, at_ms) for at_ms, lag_ms in samples]


def test_nothing_is_done_about_a_loop_that_is_on_time() -> None:
    assert set(levels(*((at, 20) for at in range(0, 60_000, 50)))) == {NONE}


def test_one_late_sample_is_no_overload_however_late() -> None:
    assert levels((0, 0), (5_000, 4_900), (5_050, 0), (5_600, 0))[-1] is NONE


def test_lag_that_lasts_turns_away_sessions_first_and_slows_reading_after_as_long() -> None:
    samples = [(0, 100), (499, 100), (500, 100), (999, 100), (1000, 100), (1500, 100)]
    assert levels(*samples) == [NONE, NONE, NO_SESSIONS, NO_SESSIONS, SLOW, SLOW]


def test_no_lag_is_so_long_that_a_level_is_skipped() -> None:
    assert levels((0, 9_000), (9_000, 9_000), (18_000, 9_000)) == [NONE, NO_SESSIONS, SLOW]


@pytest.mark.parametrize("between", [0, 49, 50, 99])
def test_a_sample_below_the_limit_begins_the_time_anew(between: int) -> None:
    assert levels((0, 100), (400, between), (450, 100), (949, 100))[-1] is NONE
    assert levels((0, 100), (400, between), (450, 100), (950, 100))[-1] is NO_SESSIONS


RISEN = ((0, 100), (500, 100), (1000, 100))


def test_calm_undoes_one_level_at_a_time_each_after_twice_as_long() -> None:
    calm = [(1100, 0), (2099, 0), (2100, 0), (3099, 0), (3100, 0), (9000, 0)]
    assert levels(*RISEN, *calm)[3:] == [SLOW, SLOW, NO_SESSIONS, NO_SESSIONS, NONE, NONE]


def test_between_half_of_the_limit_and_the_limit_nothing_changes() -> None:
    assert levels(*RISEN, *((at, 50) for at in range(1050, 60_000, 50)))[-1] is SLOW
    assert levels(*RISEN, (1100, 0), (2000, 50), (2100, 0), (3099, 0))[-1] is SLOW


def test_lag_on_the_way_down_leads_up_again() -> None:
    down = (*RISEN, (1100, 0), (2100, 0))
    assert levels(*down)[-1] is NO_SESSIONS
    assert levels(*down, (2200, 100), (2700, 100))[-1] is SLOW
