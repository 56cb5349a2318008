"""A session in a room, beside the room's actor: what it holds, says, hears and lets go of."""

from dataclasses import replace

from actors.messages.job import JobEnded
from actors.messages.room import (
    HeardOutcome,
    LeaveSeat,
    RoomSeen,
    RoomView,
    SeatGranted,
    SeatRefused,
    SignalRelayed,
    TakeSeat,
)
from actors.messages.session import CloseRequested
from actors.session.member.aliases import alias_of
from protocol.errors import ErrorCode, MissingReason
from protocol.ids import SessionId
from protocol.messages.rooms import (
    RoomCreate,
    RoomCreateAck,
    RoomError,
    RoomJoin,
    RoomMembers,
)
from protocol.messages.session_outbound import MissingResult
from protocol.messages.webrtc import WebrtcOffer
from storage.job import JobState
from tests.actors.support.member_bench import (
    CODE,
    ROOM,
    RoomBench,
    seat,
)
from tests.actors.support.session_bench import SID


def test_a_seat_that_comes_after_the_session_has_ended_is_given_back() -> None:
    bench = RoomBench()
    bench.ask(RoomCreate(client_ts=1))
    bench.tell(CloseRequested("bye", acknowledge=False))
    bench.tell(SeatGranted(CODE, "r"))
    assert [type(message) for message in bench.room.messages] == [TakeSeat, LeaveSeat]
    assert not bench.outbox.of(RoomCreateAck)


def test_a_room_that_could_not_be_asked_costs_no_attempt() -> None:
    bench = RoomBench()
    for _ in range(20):
        bench.ask(RoomJoin(room_code=CODE))
        bench.tell(SeatRefused(ErrorCode.SCHEDULER_DEPENDENCY_DOWN, "away"))
    codes = {error.code for error in bench.outbox.of(RoomError)}
    assert codes == {ErrorCode.SCHEDULER_DEPENDENCY_DOWN}


def test_members_are_told_only_what_they_can_see() -> None:
    bench = RoomBench()
    bench.enter("fr")
    before = len(bench.outbox.of(RoomMembers))
    hidden = replace(seat(ROOM["fr"], "fr"), is_listening=False)
    bench.tell(RoomSeen(RoomView(CODE, "r", 2, (seat(SID, "en"), hidden))))
    assert len(bench.outbox.of(RoomMembers)) == before
    [alone] = bench.say()
    assert alone.spec.language == "es", "nobody listens"


def test_a_signal_of_a_stranger_is_not_passed_on() -> None:
    bench = RoomBench()
    bench.enter("fr")
    offer = WebrtcOffer(room_code=CODE, to=SID, sdp={})
    for sender in (SessionId("a-stranger"), SessionId("z-stranger")):
        bench.tell(SignalRelayed(sender, offer))
    bench.wait(1000)
    assert not bench.outbox.of(WebrtcOffer)
    bench.tell(SignalRelayed(ROOM["fr"], offer))
    bench.wait(1000)
    assert bench.outbox.only(WebrtcOffer).to == SessionId(alias_of(CODE, ROOM["fr"]))


def test_a_session_that_fails_leaves_and_says_what_is_missing() -> None:
    bench = RoomBench()
    bench.enter("fr")
    bench.say()
    bench.actor.on_failure()
    ready = bench.others["fr"].only(HeardOutcome)
    assert isinstance(ready.outcome, MissingResult)
    assert ready.outcome.reason is MissingReason.PROCESSING_ERROR
    assert bench.room.messages[-1] == LeaveSeat(SID)
    assert bench.held.held_bytes == 0


def test_outcomes_of_jobs_reach_listeners_while_the_speaker_has_no_socket() -> None:
    bench = RoomBench()
    bench.enter("fr")
    [cut] = bench.say()
    bench.lose_socket()
    bench.tell(JobEnded(cut.spec.job_id, JobState.FAILED, MissingReason.NODE_LOST, None, 1, None))
    assert isinstance(bench.others["fr"].only(HeardOutcome).outcome, MissingResult)
