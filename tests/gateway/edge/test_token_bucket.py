"""How fast a session may send. Times and audio are in ms."""

import pytest

from gateway.edge.token_bucket import TokenBucket


def test_a_burst_is_free() -> None:
    bucket = TokenBucket(rate=4, burst=20_000, now_ms=0)
    assert bucket.take(20_000, now_ms=0) == 0


def test_audio_beyond_the_burst_is_taken_and_waited_for() -> None:
    bucket = TokenBucket(rate=4, burst=20_000, now_ms=0)
    bucket.take(20_000, now_ms=0)
    assert bucket.take(1000, now_ms=0) == 250
    assert bucket.take(1000, now_ms=0) == 500


def test_after_the_wait_the_debt_is_paid() -> None:
    bucket = TokenBucket(rate=4, burst=0, now_ms=0)
    wait_ms = bucket.take(1000, now_ms=0)
    assert bucket.take(0, now_ms=wait_ms) == 0


def test_real_time_never_waits() -> None:
    bucket = TokenBucket(rate=1, burst=256, now_ms=0)
    assert all(bucket.take(256, now_ms=number * 256) == 0 for number in range(1000))


def test_sustained_speed_is_the_rate() -> None:
    bucket = TokenBucket(rate=4, burst=20_000, now_ms=1000)
    now_ms = 1000.0
    for _ in range(1000):
        now_ms += bucket.take(256, now_ms)
    assert now_ms - 1000 == pytest.approx((1000 * 256 - 20_000) / 4)


def test_a_long_silence_saves_no_more_than_the_burst() -> None:
    bucket = TokenBucket(rate=4, burst=1000, now_ms=0)
    assert bucket.take(1000, now_ms=1e9) == 0
    assert bucket.take(400, now_ms=1e9) == 100


def test_a_clock_that_stands_or_steps_back_pays_nothing() -> None:
    bucket = TokenBucket(rate=4, burst=0, now_ms=100)
    assert bucket.take(400, now_ms=50) == 100
    assert bucket.take(0, now_ms=50) == 100


@pytest.mark.parametrize(("rate", "burst_ms"), [(0, 1), (-1, 1), (1, -1)])
def test_a_rate_or_burst_that_lets_nothing_through_is_a_bug(rate: float, burst_ms: float) -> None:
    with pytest.raises(ValueError, match="rate"):
        TokenBucket(rate, burst_ms, 0)


def test_it_shows_its_state() -> None:
    assert repr(TokenBucket(4, 20_000, 0)) == "<TokenBucket 20000 of 20000>"
