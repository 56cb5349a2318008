"""A socket may try so many wrong room codes in a minute."""

from actors.admission import JoinAttempts


def test_the_next_one_after_the_last_allowed_is_refused_until_a_minute_has_passed() -> None:
    attempts = JoinAttempts(3)
    assert [attempts.take(now_ms) for now_ms in (0, 10, 20, 30)] == [True, True, True, False]
    assert not attempts.take(59_999)
    assert attempts.take(60_000)
    assert not attempts.take(60_001)
    assert attempts.take(60_010)


def test_what_is_refused_does_not_make_it_longer() -> None:
    attempts = JoinAttempts(1)
    attempts.take(0)
    for now_ms in range(1000, 60_000, 1000):
        assert not attempts.take(now_ms)
    assert attempts.take(60_000)


def test_a_right_code_costs_nothing() -> None:
    attempts = JoinAttempts(1)
    for now_ms in range(5):
        assert attempts.take(now_ms)
        attempts.forgive()


def test_forgiving_more_than_was_taken_gives_no_credit() -> None:
    attempts = JoinAttempts(1)
    attempts.forgive()
    assert attempts.take(0)
    assert not attempts.take(1)
