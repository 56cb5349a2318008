"""What the rules about time find."""

from tests.chaos.log import (
    EVERYBODY,
    ClockJumped,
    Disturbed,
    NodeLeft,
    Undisturbed,
)
from tests.chaos.rules.stories import (
    breaches,
    crowd,
    joined,
    opened,
    outcome,
    said,
    stalled_crowd,
    ticks,
)


def test_an_outcome_that_does_not_come_in_time_is_caught() -> None:
    waiting = [opened(), *said(1.0)]
    assert breaches([*waiting, *ticks(1.0, 20.0)]) == []
    assert breaches([*waiting, *ticks(1.0, 22.0)]) == ["deadline: s:0 has no outcome after 20.2 s"]
    outage = [Disturbed(at=5.0, subject=EVERYBODY), Undisturbed(at=15.0, subject=EVERYBODY)]
    assert breaches([*waiting, *outage, *ticks(15.0, 34.0)]) == []


def test_work_that_waits_beside_a_free_node_is_caught() -> None:
    waiting = [opened(), joined(), *said(1.0), *ticks(1.0, 8.0)]
    assert breaches(waiting) == ["starvation: s:0 waits for 5.2 s while a node is free"]
    jumped = [*waiting[:-20], ClockJumped(at=3.0), *ticks(3.0, 12.0)]
    assert breaches(jumped) == []
    unsound = [opened(), joined(is_sound=False), *waiting[2:]]
    assert breaches(unsound) == []
    gone = [*waiting[:2], NodeLeft(at=0.5, node="n"), *waiting[2:]]
    assert breaches(gone) == []
    disturbed = [*waiting[:2], Disturbed(at=0.5, subject="n"), *waiting[2:]]
    assert breaches(disturbed) == []


def test_work_that_waits_for_a_full_node_is_not() -> None:
    waiting = [*crowd(2), opened(session="x"), *said(1.2, session="x"), *ticks(1.2, 9.0)]
    assert breaches(waiting) == []


def test_a_run_that_stands_still_is_caught() -> None:
    still = [*stalled_crowd(), *ticks(1.5, 7.0)]
    assert breaches(still) == ["progress: no outcome for 5.2 s while a node is free"]
    moving = [*stalled_crowd(), *ticks(1.5, 4.0), outcome(4.0, session="s0", reason="job_timeout")]
    assert breaches([*moving, *ticks(4.0, 8.5)]) == []
