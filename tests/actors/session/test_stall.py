"""A process that stood still for longer than its lease: who goes on at once, and who waits."""

import pytest

from actors.lease import StallWatch
from actors.messages.job import UtteranceCut
from actors.messages.takeover import OwnershipConfirmed, SessionReleased
from actors.session.resume.doubt import MOST_MUTE_MS
from protocol.messages.session_outbound import SessionCloseAck
from tests.actors.support.session_bench import FLUSH_MS, GRACE_MS, SessionBench
from tests.support.recording import RecordingOutbox

LEASE_MS = 3_000


class StallBench(SessionBench):
    """A session in a process that may stand still."""

    def __init__(self, *, is_resumable: bool) -> None:
        self.watch = StallWatch(LEASE_MS)
        super().__init__(stall_watch=self.watch, is_resumable=is_resumable)
        self.watch.tick(self.clock.now_ms)

    def stand_still(self, ms: float = LEASE_MS + 1_000) -> None:
        """Stop, and go on: what was due meanwhile comes due now."""
        self.clock.now_ms += ms
        self.watch.tick(self.clock.now_ms)

    def live(self, ms: float) -> None:
        """Let time pass while the process runs."""
        for _ in range(int(ms // 100)):
            self.wait(100)
            self.watch.tick(self.clock.now_ms)


def test_a_session_without_resume_goes_on_cutting() -> None:
    bench = StallBench(is_resumable=False)
    bench.stand_still()
    bench.chunk(512)
    bench.final()
    bench.live(100)
    assert len(bench.cuts()) == 1


def test_the_grace_of_a_session_without_resume_ends() -> None:
    bench = StallBench(is_resumable=False)
    bench.lose_socket()
    bench.stand_still()
    bench.live(GRACE_MS + FLUSH_MS + 1_000)
    assert bench.is_over


def test_what_is_open_of_a_session_without_resume_gets_its_outcome() -> None:
    bench = StallBench(is_resumable=False)
    bench.speak()
    bench.stand_still()
    bench.close()
    bench.live(FLUSH_MS + 1_000)
    assert [text for _, text in bench.outcomes()] == ["session_closed"]
    assert bench.outbox.of(SessionCloseAck)


def test_a_session_with_resume_waits_for_the_store() -> None:
    bench = StallBench(is_resumable=True)
    bench.stand_still()
    bench.chunk(512)
    bench.final()
    bench.live(500)
    assert bench.cuts() == []
    bench.tell(OwnershipConfirmed(bench.watch.stalls))
    bench.live(100)
    assert len(bench.cuts()) == 1


def test_a_store_that_stays_away_does_not_keep_a_session_mute() -> None:
    bench = StallBench(is_resumable=True)
    bench.stand_still()
    bench.chunk(512)
    bench.final()
    bench.live(MOST_MUTE_MS + 200)
    [cut] = bench.cuts()
    bench.answer(cut)
    assert [text for _, text in bench.outcomes()] == ["hello"]


@pytest.mark.parametrize("is_late", [True, False])
def test_a_session_that_another_instance_has_is_quiet(*, is_late: bool) -> None:
    bench = StallBench(is_resumable=True)
    bench.stand_still()
    bench.chunk(512)
    if is_late:
        bench.live(MOST_MUTE_MS + 200)
    bench.tell(SessionReleased())
    outbox = bench.outbox
    assert isinstance(outbox, RecordingOutbox)
    assert outbox.closed_with is not None
    assert outbox.closed_with[0] == 4001
    assert bench.is_over
    assert bench.held.held_bytes == 0


def test_a_second_standstill_is_another_doubt() -> None:
    bench = StallBench(is_resumable=True)
    bench.stand_still()
    bench.chunk(512)
    bench.live(MOST_MUTE_MS + 200)
    bench.stand_still()
    bench.final()
    bench.live(500)
    assert bench.cuts() == []
    bench.live(MOST_MUTE_MS)
    assert bench.dispatcher.of(UtteranceCut)
