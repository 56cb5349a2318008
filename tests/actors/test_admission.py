"""Who may come in."""

from actors.admission import AdmissionOptions, Refusal, admit_session


def test_a_session_is_let_in_while_there_is_room() -> None:
    assert admit_session(1, AdmissionOptions(max_sessions=2)) is None


def test_a_session_too_many_is_refused() -> None:
    assert admit_session(2, AdmissionOptions(max_sessions=2)) is Refusal.MAX_SESSIONS


def test_as_many_sessions_as_may_be_open_may_wait_for_their_clients_unless_told_otherwise() -> None:
    assert AdmissionOptions(max_sessions=2).most_detached == 2
    assert AdmissionOptions(max_sessions=2, max_detached_sessions=5).most_detached == 5


def test_nobody_comes_in_while_draining() -> None:
    assert admit_session(0, AdmissionOptions(), draining=True) is Refusal.DRAINING


def test_an_overload_keeps_newcomers_out_and_is_the_last_reason_to_be_given() -> None:
    options = AdmissionOptions(max_sessions=2)
    assert admit_session(1, options, overloaded=True) is Refusal.OVERLOADED
    assert admit_session(2, options, overloaded=True) is Refusal.MAX_SESSIONS
    assert admit_session(2, options, draining=True, overloaded=True) is Refusal.DRAINING
