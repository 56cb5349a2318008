"""How long a node takes for a second of speech."""

from actors.node.speed import FEWEST, KEPT, LASTS_MS, Speed


def test_of_fewer_than_five_jobs_nothing_is_known() -> None:
    speed = Speed()
    for _ in range(FEWEST - 1):
        speed.took(500, 1000, 0)
    assert speed.report(0) == 0
    speed.took(500, 1000, 0)
    assert speed.report(0) == 500


def test_it_is_the_median_by_the_length_of_the_speech() -> None:
    speed = Speed()
    for ms, speech_ms in ((100, 1000), (400, 2000), (900, 3000), (10_000, 1000), (1200, 4000)):
        speed.took(ms, speech_ms, 0)
    assert speed.report(0) == 300


def test_it_is_reported_once_until_there_is_another_job() -> None:
    speed = Speed()
    for _ in range(FEWEST):
        speed.took(500, 1000, 0)
    assert [speed.report(0), speed.report(0)] == [500, 0]
    speed.took(500, 1000, 0)
    assert speed.report(0) == 500


def test_the_last_jobs_count() -> None:
    speed = Speed()
    for ms in (5000, 500):
        for _ in range(KEPT):
            speed.took(ms, 1000, 0)
    assert speed.report(0) == 500


def test_what_is_long_ago_says_nothing() -> None:
    speed = Speed()
    for _ in range(FEWEST):
        speed.took(500, 1000, 0)
    assert speed.report(LASTS_MS + 1) == 0
