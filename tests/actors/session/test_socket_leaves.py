"""A socket that goes with the instance its client is connected to, while the session stays."""

import pytest

from actors.messages.session import CloseRequested, SocketLost
from actors.messages.takeover import SocketDraining
from protocol.errors import CloseCode
from protocol.messages.session_outbound import Reconnect, SessionCloseAck, TranslationResult
from tests.actors.support.session_bench import SessionBench
from tests.support.recording import RecordingOutbox


@pytest.fixture
def bench() -> SessionBench:
    return SessionBench()


def leave(bench: SessionBench) -> RecordingOutbox:
    outbox: RecordingOutbox = bench.outbox
    bench.tell(SocketDraining(outbox, "shutdown", 1000))
    return outbox


def test_a_quiet_client_is_sent_away_at_once_and_its_session_waits(bench: SessionBench) -> None:
    outbox = leave(bench)
    assert outbox.only(Reconnect).after_ms == 1000
    assert outbox.closed_with is not None
    assert outbox.closed_with[0] == CloseCode.GOING_AWAY
    bench.tell(SocketLost(outbox))
    assert bench.presence.detached == 1
    assert not bench.is_over


def test_what_was_said_is_cut_and_answered_before_the_socket_goes(bench: SessionBench) -> None:
    said = bench.speak()
    bench.chunk()
    outbox = leave(bench)
    rest = next(cut for cut in bench.cuts() if cut is not said)
    bench.answer(said)
    assert outbox.closed_with is None
    bench.answer(rest)
    assert len(outbox.of(TranslationResult)) == 2
    assert outbox.closed_with is not None


def test_another_socket_that_came_meanwhile_stays(bench: SessionBench) -> None:
    bench.speak()
    bench.tell(SocketDraining(RecordingOutbox(), "shutdown", 1000))
    assert bench.outbox.of(Reconnect) == []
    for cut in bench.cuts():
        bench.answer(cut)
    assert bench.outbox.closed_with is None


def test_a_client_that_closes_its_session_meanwhile_hears_the_end(bench: SessionBench) -> None:
    said = bench.speak()
    outbox = leave(bench)
    bench.tell(CloseRequested("bye", acknowledge=True))
    bench.answer(said)
    assert isinstance(outbox.messages[-1], SessionCloseAck)
    assert outbox.closed_with is not None
