"""How a session loses its socket, gets another, ends, and leaves nothing behind."""

import pytest
from pydantic import BaseModel

from actors.messages.job import EndJob, PartialArrived
from actors.messages.process import DispatcherRestarted, StoreEmptied
from actors.messages.session import (
    ChunkArrived,
    ClientBeat,
    CloseRequested,
    SessionEnded,
    SessionOpened,
    SocketAttached,
    SocketLost,
)
from protocol.errors import CloseCode, MissingReason
from protocol.ids import SessionId
from protocol.messages.session_outbound import (
    AsrPartial,
    ErrorMessage,
    MissingResult,
    Reconnect,
    ServerHeartbeat,
    SessionCloseAck,
    TranslationResult,
)
from storage.job import JobState
from tests.actors.support.session_bench import FLUSH_MS, GRACE_MS, SID, SessionBench
from tests.actors.support.speaker import pcm
from tests.support.recording import RecordingOutbox


@pytest.fixture
def bench() -> SessionBench:
    return SessionBench()


class BrokenOutbox(RecordingOutbox):
    """A socket that breaks its word: it raises."""

    def send(self, message: BaseModel | bytes) -> bool:  # noqa: ARG002 - the port's signature
        raise OSError("gone")


def leaves_nothing(bench: SessionBench) -> bool:
    assert bench.held.held_bytes == 0
    assert bench.presence.attached == bench.presence.detached == 0
    assert SID not in bench.directory.sessions
    assert len(bench.dispatcher.of(SessionEnded)) == 1
    assert bench.deadline_ms is None or bench.is_over
    return bench.is_over


# ---- sockets --------------------------------------------------------------------------------


def test_a_session_outlives_its_socket_for_the_grace(bench: SessionBench) -> None:
    bench.lose_socket()
    assert (bench.presence.attached, bench.presence.detached) == (0, 1)
    bench.wait(GRACE_MS - 1)
    assert not bench.is_over
    bench.wait(1)
    assert leaves_nothing(bench)


def test_the_end_of_the_grace_cuts_what_was_said(bench: SessionBench) -> None:
    bench.wait(1_000)
    bench.tell(ChunkArrived(pcm(500), 0, is_final=False))
    bench.lose_socket()
    bench.wait(3_000)
    [cut] = bench.cuts()  # the pause runs on
    bench.wait(GRACE_MS)
    assert not bench.is_over
    bench.answer(cut)
    assert leaves_nothing(bench)


def test_another_socket_may_speak_for_a_detached_session(bench: SessionBench) -> None:
    bench.lose_socket()
    other = RecordingOutbox()
    bench.tell(SocketAttached(other))
    assert (bench.presence.attached, bench.presence.detached) == (1, 0)
    bench.wait(2 * GRACE_MS)
    assert not bench.is_over
    bench.utterance(0)
    bench.answer(bench.cuts()[0])
    assert len(other.of(TranslationResult)) == 1
    bench.tell(SocketLost(bench.outbox))  # the late end of the first one
    assert bench.presence.attached == 1


def test_no_second_ack_for_an_attached_socket(bench: SessionBench) -> None:
    bench.lose_socket()
    other = RecordingOutbox()
    bench.tell(SocketAttached(other), ClientBeat())
    assert [type(message) for message in other.messages] == [ServerHeartbeat]


def test_results_while_detached_are_not_an_error(bench: SessionBench) -> None:
    cut = bench.speak()
    bench.lose_socket()
    bench.answer(cut)
    assert bench.held.held_bytes == 0


# ---- closing --------------------------------------------------------------------------------


def test_a_close_with_nothing_open_is_acknowledged_at_once(bench: SessionBench) -> None:
    bench.close()
    assert bench.outbox.messages[-1] == SessionCloseAck(session_id=SID)
    assert leaves_nothing(bench)
    assert bench.outbox.closed_with is None  # the socket may begin another session


def test_a_close_cuts_waits_and_acknowledges_after_the_last_outcome(bench: SessionBench) -> None:
    first = bench.speak()
    bench.chunk(500)
    bench.close()
    last = bench.cuts()[1]
    assert last.work.is_manual_cut
    bench.answer(last, "last")
    assert bench.outbox.of(SessionCloseAck) == []
    bench.answer(first, "first")
    assert bench.outcomes() == [(0, "first"), (1, "last")]
    assert isinstance(bench.outbox.messages[-1], SessionCloseAck)
    assert leaves_nothing(bench)


def test_what_has_no_outcome_in_time_is_cancelled(bench: SessionBench) -> None:
    one, two = bench.speak(), bench.speak()
    bench.close()
    bench.answer(two, "two")
    bench.wait(FLUSH_MS - 1)
    assert not bench.is_over
    bench.wait(1)
    assert bench.outcomes() == [(1, "two"), (0, "session_closed")]  # the gap has passed
    end = bench.dispatcher.only(EndJob)
    assert (end.job_id, end.state) == (one.spec.job_id, JobState.CANCELLED)
    assert isinstance(bench.outbox.messages[-1], SessionCloseAck)
    assert leaves_nothing(bench)


def test_a_second_close_is_acknowledged_once(bench: SessionBench) -> None:
    cut = bench.speak()
    bench.close(acknowledge=False)
    bench.close()
    bench.answer(cut)
    bench.close()
    assert len(bench.outbox.of(SessionCloseAck)) == 1
    assert leaves_nothing(bench)


def test_a_close_that_replaces_a_session_is_not_acknowledged(bench: SessionBench) -> None:
    bench.close(acknowledge=False)
    assert bench.outbox.of(SessionCloseAck) == []
    assert leaves_nothing(bench)


def test_a_last_utterance_beyond_the_bound_ends_the_session_once() -> None:
    bench = SessionBench(max_held_bytes=10)
    bench.chunk(500)
    bench.close()
    assert bench.outcomes() == [(0, "queue_full")]
    assert len(bench.outbox.of(SessionCloseAck)) == 1
    assert leaves_nothing(bench)


def test_what_is_said_after_the_end_makes_nothing(bench: SessionBench) -> None:
    cut = bench.speak()
    bench.close()
    bench.chunk(500, final=True)
    bench.wait(100)
    assert len(bench.cuts()) == 1
    bench.answer(cut)
    assert leaves_nothing(bench)


def test_a_whole_utterance_after_the_end_is_answered(bench: SessionBench) -> None:
    """Some clients wait for its outcome without a limit."""
    bench.speak()
    bench.close()
    bench.utterance(5)
    [refusal] = bench.outbox.of(ErrorMessage)
    assert refusal.code == "SESSION_CLOSED"


def test_what_comes_behind_the_end_does_not_open_it_again(bench: SessionBench) -> None:
    """The actor has asked itself to stop, and messages stand before that."""
    bench.close()
    bench.tell(StoreEmptied(), DispatcherRestarted(), CloseRequested("again", acknowledge=True))
    assert len(bench.dispatcher.of(SessionOpened)) == 1
    assert leaves_nothing(bench)


# ---- shutdown -------------------------------------------------------------------------------


def test_a_shutdown_tells_the_client_to_come_back_and_lets_jobs_finish(bench: SessionBench) -> None:
    cut = bench.speak()
    bench.close(acknowledge=False, within_ms=30_000, reconnect_after_ms=1_000, reason="shutdown")
    assert bench.outbox.of(Reconnect) == [Reconnect(after_ms=1_000, reason="shutdown")]
    bench.wait(29_000)
    bench.answer(cut)
    assert bench.outcomes() == [(0, "hello")]
    assert leaves_nothing(bench)


def test_a_client_that_closes_during_a_shutdown_waits_no_longer_than_else(
    bench: SessionBench,
) -> None:
    bench.speak()
    bench.close(acknowledge=False, within_ms=30_000, reconnect_after_ms=1_000)
    bench.close()
    bench.wait(FLUSH_MS)
    assert bench.outcomes() == [(0, "session_closed")]
    assert leaves_nothing(bench)


# ---- failure --------------------------------------------------------------------------------


def test_a_failed_session_gives_its_words_an_outcome_and_leaves_nothing(
    bench: SessionBench,
) -> None:
    one, two = bench.speak(), bench.speak()
    bench.answer(two, "two")
    bench.chunk(500)
    bench.actor.on_failure(ValueError, ValueError("bug"), None)
    assert bench.outcomes() == [(0, "processing_error"), (1, "two")]
    error = bench.outbox.of(ErrorMessage)[0]
    assert error.code == "INTERNAL_ERROR"
    assert bench.outbox.closed_with == (CloseCode.INTERNAL_ERROR, "the session failed")
    end = bench.dispatcher.only(EndJob)
    assert (end.job_id, end.reason) == (one.spec.job_id, MissingReason.PROCESSING_ERROR)
    assert bench.held.held_bytes == 0
    assert bench.presence.attached == 0
    assert bench.directory.sessions == {}


def test_a_failed_session_without_a_socket_leaves_nothing(bench: SessionBench) -> None:
    bench.speak()
    bench.lose_socket()
    bench.actor.on_failure(ValueError, ValueError("bug"), None)
    assert bench.held.held_bytes == 0
    assert bench.presence.detached == 0
    assert bench.dispatcher.only(SessionEnded).session_id == SessionId(SID)


def test_a_failure_while_it_says_so_still_cleans_up(bench: SessionBench) -> None:
    bench.speak()
    bench.actor._downlink.outbox = BrokenOutbox()
    with pytest.raises(OSError, match="gone"):
        bench.actor.on_failure(ValueError, ValueError("bug"), None)
    assert bench.held.held_bytes == 0
    assert bench.directory.sessions == {}
    assert bench.outbox.of(MissingResult) == []


def test_text_so_far_that_waits_is_shown_while_the_session_closes(bench: SessionBench) -> None:
    cut = bench.speak()
    for text in ("hel", "hello", "hello wor"):
        bench.tell(PartialArrived(cut.spec.job_id, 1, text, is_final=False))
    bench.close()
    bench.wait(FLUSH_MS / 2)
    assert [partial.text for partial in bench.outbox.of(AsrPartial)] == ["hel", "hello wor"]
    assert not bench.is_over
