"""Who may come in, and how much audio the process holds."""

import pytest

from actors.admission import AdmissionOptions, HeldAudio, Refusal, admit_session


def test_a_session_is_let_in_while_there_is_room() -> None:
    assert admit_session(1, AdmissionOptions(max_sessions=2)) is None


def test_a_session_too_many_is_refused() -> None:
    assert admit_session(2, AdmissionOptions(max_sessions=2)) is Refusal.MAX_SESSIONS


def test_as_many_sessions_as_may_be_open_may_wait_for_their_clients() -> None:
    options = AdmissionOptions(max_sessions=2)
    assert admit_session(0, options, detached_sessions=1) is None
    assert admit_session(0, options, detached_sessions=2) is Refusal.MAX_SESSIONS


def test_nobody_comes_in_while_draining() -> None:
    assert admit_session(0, AdmissionOptions(), draining=True) is Refusal.DRAINING


def test_an_overload_keeps_newcomers_out_and_is_the_last_reason_to_be_given() -> None:
    options = AdmissionOptions(max_sessions=2)
    assert admit_session(1, options, overloaded=True) is Refusal.OVERLOADED
    assert admit_session(2, options, overloaded=True) is Refusal.MAX_SESSIONS
    assert admit_session(2, options, draining=True, overloaded=True) is Refusal.DRAINING


def test_held_audio_returns_to_zero() -> None:
    held = HeldAudio(max_bytes=100)
    assert held.take(60)
    assert held.take(40)
    assert held.held_bytes == 100
    held.give_back(60)
    held.give_back(40)
    assert held.held_bytes == 0


def test_bytes_beyond_the_bound_are_counted_too() -> None:
    held = HeldAudio(max_bytes=100)
    assert not held.take(101)
    assert held.is_over
    assert held.held_bytes == 101
    held.give_back(1)
    assert not held.is_over


def test_more_back_than_taken_is_a_bug() -> None:
    held = HeldAudio(max_bytes=100)
    held.take(10)
    with pytest.raises(ValueError, match="11 bytes given back while 10 are held"):
        held.give_back(11)
    assert held.held_bytes == 10


def test_negative_sizes_are_a_bug() -> None:
    held = HeldAudio(max_bytes=100)
    with pytest.raises(ValueError, match="cannot be taken"):
        held.take(-1)
    with pytest.raises(ValueError, match="given back"):
        held.give_back(-1)


def test_too_many_open_utterances_are_as_bad_as_too_many_bytes() -> None:
    held = HeldAudio(max_bytes=100, max_utterances=2)
    held.count(2)
    assert not held.is_over
    held.count(1)
    assert held.is_over
    held.count(-3)
    assert not held.is_over
    with pytest.raises(ValueError, match="1 utterances closed while 0 are open"):
        held.count(-1)


def test_it_shows_its_state() -> None:
    held = HeldAudio(max_bytes=100, max_utterances=9)
    held.take(3)
    held.count(2)
    assert repr(held) == "<HeldAudio 3 of 100 bytes, 2 of 9 utterances>"
