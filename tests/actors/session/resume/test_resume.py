"""A session whose client comes back: what counts when several things happen at once."""

from actors.messages.job import EndJob
from actors.messages.session import ClientBeat, CloseRequested, SessionEnded, SocketLost
from actors.reception import OpenedSession, Refused
from protocol.errors import ErrorCode
from protocol.messages.session_outbound import (
    ErrorMessage,
    Reconnect,
    ServerHeartbeat,
    SessionCloseAck,
    SessionInitAck,
    TranslationResult,
)
from tests.actors.support.resume_bench import FLUSH_MS, GRACE_MS, SESSION, ResumeBench
from tests.actors.support.speaker import pcm
from tests.support.recording import RecordingOutbox

SPEECH = pcm(500)


def types(outbox: RecordingOutbox) -> list[str]:
    return [type(message).__name__ for message in outbox.messages]


# ---- who speaks ---------------------------------------------------------------------------------


def test_the_former_socket_is_closed_in_the_step_that_lets_the_next_one_in() -> None:
    bench = ResumeBench()
    former, latter = bench.outbox, RecordingOutbox()
    assert isinstance(bench.come_back(latter, bench.token), OpenedSession)
    assert former.closed_with is not None
    assert former.closed_with[0] == 4001
    assert not latter.messages  # the session has not come to it yet
    bench.tell(SocketLost(former))
    assert types(latter) == ["SessionInitAck"]
    assert bench.presence.attached == 1


def test_of_two_that_come_back_at_once_the_later_one_speaks() -> None:
    bench = ResumeBench()
    token, first, second = bench.token, RecordingOutbox(), RecordingOutbox()
    bench.come_back(first, token)
    bench.come_back(second, token)
    assert first.closed_with is not None
    bench.deliver()
    assert not first.messages
    assert types(second) == ["SessionInitAck"]


def test_what_was_said_before_the_resume_is_not_asked_for_again() -> None:
    bench = ResumeBench()
    bench.chunk(0, SPEECH)
    bench.lose_socket()
    assert bench.resume().next_seq == 1
    bench.chunk(0, SPEECH)
    bench.chunk(1, b"", final=True)
    bench.advance_to(60)
    assert [cut.audio for cut in bench.cuts] == [SPEECH]


def test_another_tenant_is_refused() -> None:
    bench = ResumeBench(tenant_id="one")
    for tenant_id, refused in (("two", True), (None, True), ("one", False)):
        opened = bench.come_back(RecordingOutbox(), bench.token, tenant_id)
        assert isinstance(opened, Refused) == refused


def test_a_socket_that_takes_no_more_is_lost_at_once() -> None:
    """It was closed for not reading: what its client says from then on does not arrive."""
    bench = ResumeBench()
    bench.chunk(0, SPEECH)
    bench.outbox.is_open = False
    bench.tell(ClientBeat())
    assert bench.presence.attached == 0
    bench.advance_to(GRACE_MS - 1)
    assert not bench.cuts  # no pause
    bench.resume()
    bench.chunk(1, SPEECH, final=True)
    bench.advance_to(GRACE_MS + 100)
    assert [cut.audio for cut in bench.cuts] == [2 * SPEECH]


# ---- the grace ----------------------------------------------------------------------------------


def test_a_resume_that_was_let_in_wins_over_the_end_of_the_grace() -> None:
    bench = ResumeBench()
    bench.chunk(0, SPEECH)
    bench.lose_socket()
    bench.advance_to(GRACE_MS - 1)
    latter = RecordingOutbox()
    bench.come_back(latter, bench.token)
    bench.advance_to(GRACE_MS + 1)  # before the session comes to the resume
    assert not bench.cuts
    bench.deliver()
    assert types(latter) == ["SessionInitAck"]
    bench.advance_to(GRACE_MS + 2000)
    assert not bench.dispatcher.of(SessionEnded)


def test_a_resume_after_the_end_of_the_grace_is_refused_though_the_session_still_closes() -> None:
    bench = ResumeBench()
    bench.chunk(0, SPEECH)
    bench.lose_socket()
    bench.advance_to(GRACE_MS)
    assert [cut.audio for cut in bench.cuts] == [SPEECH]
    refused = bench.come_back(RecordingOutbox(), bench.token)
    assert isinstance(refused, Refused)
    assert (refused.code, refused.close_code) == (ErrorCode.INVALID_SESSION, None)
    bench.advance_to(GRACE_MS + FLUSH_MS)
    assert bench.dispatcher.only(EndJob)
    assert bench.dispatcher.only(SessionEnded)
    assert bench.held.held_bytes == 0


# ---- outcomes -----------------------------------------------------------------------------------


def say(bench: ResumeBench, count: int) -> None:
    for number in range(count):
        bench.chunk(number, SPEECH, final=True)
        bench.advance_to(bench.clock.now_ms + 60)


def test_an_outcome_between_claim_and_resume_comes_once_behind_those_before_it() -> None:
    bench = ResumeBench()
    say(bench, 3)
    bench.answer(bench.cuts[0])
    bench.lose_socket()
    bench.answer(bench.cuts[1])
    token, bench.outbox = bench.token, RecordingOutbox()
    bench.come_back(bench.outbox, token, last_delivery_seq=1)
    resumed = bench.mailbox.take()
    bench.answer(bench.cuts[2])
    assert not bench.outcomes()
    bench.tell(*resumed)
    assert types(bench.outbox)[0] == "SessionInitAck"
    assert bench.delivered() == [2, 3]


def test_a_replay_waits_for_its_reader_and_live_outcomes_wait_behind_it() -> None:
    bench = ResumeBench()
    say(bench, 3)
    bench.lose_socket()
    bench.answer(bench.cuts[0])
    bench.answer(bench.cuts[1])
    token, bench.outbox = bench.token, RecordingOutbox(is_backed_up=True)
    bench.come_back(bench.outbox, token)
    bench.deliver()
    bench.answer(bench.cuts[2])
    bench.advance_to(5000)
    assert bench.delivered() == []
    bench.outbox.is_backed_up = False
    bench.advance_to(5020)
    assert bench.delivered() == [1, 2, 3]
    assert bench.clock.deadline_of(bench.actor) != 5040  # nobody looks any more


def test_what_is_freed_by_a_heartbeat_does_not_come_again() -> None:
    bench = ResumeBench()
    say(bench, 2)
    bench.answer(bench.cuts[0])
    bench.answer(bench.cuts[1])
    bench.tell(ClientBeat(last_delivery_seq=1))
    bench.resume()
    assert bench.delivered() == [2]


def test_audio_is_acknowledged_while_somebody_listens() -> None:
    bench = ResumeBench()
    say(bench, 2)
    bench.answer(bench.cuts[0])
    assert bench.acked() == [1]
    bench.lose_socket()
    bench.answer(bench.cuts[1])
    bench.advance_to(9000)
    bench.resume()
    assert bench.acked() == [2]


def test_a_session_that_did_not_ask_for_it_keeps_and_acknowledges_nothing() -> None:
    bench = ResumeBench(resume=None)
    say(bench, 1)
    bench.answer(bench.cuts[0])
    assert not bench.acked()
    assert len(bench.actor._downlink._sent) == 0
    assert bench.presence.resumption(SESSION) is None
    bench.lose_socket()
    assert bench.presence.detached == 1


# ---- the end ------------------------------------------------------------------------------------


def test_a_client_that_asked_for_the_end_finds_what_it_has_not_heard() -> None:
    bench = ResumeBench()
    bench.chunk(0, SPEECH)
    bench.tell(CloseRequested("bye", acknowledge=True))
    bench.lose_socket()
    bench.answer(bench.cuts[0])
    assert bench.held.held_bytes == 0
    assert not bench.dispatcher.of(SessionEnded)
    bench.resume()
    assert types(bench.outbox) == ["SessionInitAck", "TranslationResult", "SessionCloseAck"]
    assert bench.dispatcher.only(SessionEnded)
    assert isinstance(bench.come_back(RecordingOutbox(), bench.token), Refused)


def test_a_closed_session_whose_client_stays_away_ends_with_the_grace() -> None:
    bench = ResumeBench()
    bench.tell(CloseRequested("bye", acknowledge=True), SocketLost(RecordingOutbox()))
    assert bench.dispatcher.only(SessionEnded)  # it was there
    bench = ResumeBench()
    bench.outbox.is_open = False
    say(bench, 1)
    bench.tell(CloseRequested("bye", acknowledge=True))
    bench.answer(bench.cuts[0])
    bench.advance_to(GRACE_MS - 1)
    assert not bench.dispatcher.of(SessionEnded)
    bench.advance_to(GRACE_MS + 100)
    assert bench.dispatcher.only(SessionEnded)


def test_a_shutdown_waits_for_no_client_that_is_away() -> None:
    bench = ResumeBench()
    bench.chunk(0, SPEECH)
    bench.tell(CloseRequested("bye", acknowledge=True))
    bench.lose_socket()
    bench.answer(bench.cuts[0])
    bench.tell(CloseRequested("shutdown", acknowledge=False, reconnect_after_ms=1000))
    assert bench.dispatcher.only(SessionEnded)


def test_who_comes_back_during_a_shutdown_hears_of_it() -> None:
    bench = ResumeBench()
    bench.chunk(0, SPEECH)
    bench.tell(CloseRequested("shutdown", acknowledge=False, reconnect_after_ms=1000))
    bench.reception.draining = True
    bench.lose_socket()
    bench.resume()
    assert bench.outbox.only(Reconnect).after_ms == 1000
    bench.answer(bench.cuts[0])
    assert bench.outbox.of(TranslationResult)
    assert not bench.outbox.of(SessionCloseAck)
    assert bench.dispatcher.only(SessionEnded)


def test_a_session_does_not_end_before_the_client_that_was_let_in_has_its_ack() -> None:
    bench = ResumeBench()
    bench.chunk(0, SPEECH)
    bench.tell(CloseRequested("shutdown", acknowledge=False, reconnect_after_ms=1000))
    token, bench.outbox = bench.token, RecordingOutbox()
    bench.come_back(bench.outbox, token)
    resumed = bench.mailbox.take()
    bench.answer(bench.cuts[0])
    assert not bench.dispatcher.of(SessionEnded)
    bench.tell(*resumed)
    assert types(bench.outbox) == ["SessionInitAck", "Reconnect", "TranslationResult"]
    assert bench.dispatcher.only(SessionEnded)


def test_the_last_word_of_a_closed_session_is_its_acknowledgement() -> None:
    bench = ResumeBench()
    say(bench, 1)
    bench.tell(CloseRequested("bye", acknowledge=True))
    bench.answer(bench.cuts[0])
    bench.tell(ClientBeat())
    assert types(bench.outbox)[-2:] == ["SessionCloseAck", "ServerHeartbeat"]


def test_a_failed_session_leaves_nobody_waiting_for_an_ack() -> None:
    bench = ResumeBench()
    latter = RecordingOutbox()
    bench.come_back(latter, bench.token)
    bench.actor.on_failure()
    assert latter.only(ErrorMessage).code == "INTERNAL_ERROR"
    assert latter.closed_with is not None
    assert bench.presence.resumption(SESSION) is None
    assert not latter.of(SessionInitAck)
    assert not latter.of(ServerHeartbeat)
