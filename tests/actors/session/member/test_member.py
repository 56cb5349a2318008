"""A session in a room, beside the room's actor: what it holds, says, hears and lets go of."""

from dataclasses import replace
from typing import Any, cast

import pytest

from actors.admission import JoinAttempts
from actors.messages.job import EndJob, JobDispatched, JobEnded, ResultReplaced, UtteranceCut
from actors.messages.room import (
    HeardAcknowledged,
    HeardCorrection,
    HeardCut,
    HeardOutcome,
    LeaveSeat,
    MemberSpoke,
    RoomRequested,
    RoomSeen,
    RoomView,
    SeatGranted,
    SeatRefused,
    SignalRelayed,
    TakeSeat,
    VacateSeat,
)
from actors.messages.session import CloseRequested, SessionClaimed
from actors.messages.takeover import DrainRequested, RecordSession, SessionRecorded, SessionReleased
from actors.room.options import RoomOptions
from actors.room.setup import RoomSetup
from actors.session.member.aliases import alias_of
from actors.session.record.saved import SessionRecord
from actors.session.record.saved_room import RoomRecord
from protocol.errors import ErrorCode, MissingReason
from protocol.ids import InstanceId, NodeId, NodeJobId, RequestId, SessionId, TurnId
from protocol.messages.node_inbound import JobResult
from protocol.messages.rooms import (
    RoomCreate,
    RoomCreateAck,
    RoomError,
    RoomJoin,
    RoomLeave,
    RoomMembers,
)
from protocol.messages.session_outbound import AudioAck, MissingResult, TranslationResult
from protocol.messages.webrtc import WebrtcOffer
from storage.job import JobState
from storage.room import Seat
from storage.rooms import RoomRepository
from tests.actors.support.session_bench import GAP_MS, LIFETIME_MS, SID, SessionBench
from tests.support.recording import RecordingRef

CODE = "123456"
HERE = InstanceId("")
ROOM = {"fr": SessionId("s-fr"), "de": SessionId("s-de"), "en": SessionId("s-en")}


def seat(session_id: SessionId, language: str, instance_id: InstanceId = HERE) -> Seat:
    return Seat(session_id, instance_id, language, joined_at_ms=1)


class RoomBench(SessionBench):
    """A session whose room's actor, and whose fellow members, are recorders."""

    def __init__(self, **profile: Any) -> None:
        super().__init__(**profile)
        self.room = RecordingRef("room")
        self.others = {language: RecordingRef(language) for language in ROOM}
        for language, ref in self.others.items():
            self.directory.register_session(ROOM[language], ref)
        setup = RoomSetup(
            directory=self.directory,
            store=cast("Any", None),
            rooms=cast("RoomRepository", None),
            options=RoomOptions(),
            grace_ms=0,
            wall_ms=lambda: 0,
            start=lambda _code: self.room,
        )
        self.actor._room._setup = setup
        self.attempts = JoinAttempts(10)

    def ask(self, request: Any) -> None:
        self.tell(RoomRequested(request, self.attempts))

    def enter(self, *languages: str, resuming: str = "") -> None:
        """Be in a room with members of these languages."""
        self.ask(RoomJoin(room_code=CODE))
        self.tell(SeatGranted(CODE, "r"))
        self.see(*languages, resuming=resuming)

    def see(self, *languages: str, resuming: str = "", epoch: int = 0) -> None:
        """See these in the room; one may resume, and is there under this epoch."""
        members = [seat(SID, "en"), *(seat(ROOM[language], language) for language in languages)]
        for place, language in enumerate(languages, 1):
            if language == resuming:
                members[place] = replace(members[place], resumes=True, epoch=epoch)
        self.tell(RoomSeen(RoomView(CODE, "r", 1, tuple(members))))

    def note(self) -> None:
        """Let the store have what it was told."""
        note = self.dispatcher.of(RecordSession)[-1]
        self.tell(SessionRecorded(note.end_seq, note.serial))

    def saved(self) -> SessionRecord:
        """Return what the store would be told now."""
        assert self.actor._resume is not None
        return SessionRecord.of(self.actor._resume.notes.state())

    def say(self) -> list[UtteranceCut]:
        before = len(self.cuts())
        self.chunk(512)
        self.final()
        self.wait(60)
        return self.cuts()[before:]

    def hears(self, language: str) -> list[Any]:
        return self.others[language].messages


def words_cut(number: int = 1, code: str = CODE) -> HeardCut:
    key = RequestId(f"s-fr:{number}:en")
    return HeardCut(key, ROOM["fr"], number, code, TurnId(f"turn-{number}"), "trace")


def words_ready(number: int = 1, text: str = "bonjour") -> HeardOutcome:
    result = TranslationResult(
        session_id=ROOM["fr"],
        utterance_index=number,
        job_id="job",
        text_asr=text,
        text_translated="hello",
    )
    return HeardOutcome(RequestId(f"s-fr:{number}:en"), result)


def test_what_only_others_hear_is_taken_along_and_has_no_number_of_its_own() -> None:
    bench = RoomBench(is_resumable=True)
    own = bench.speak()
    bench.enter("fr", "de")
    cuts = bench.say()
    assert [cut.spec.cut for cut in (own, *cuts)] == [1, -1, -2]
    assert all(cut.spec.is_recorded for cut in cuts)
    saved = SessionRecord.of(cuts[-1].session_state)
    assert [cut.job_id for cut in saved.cuts] == [own.spec.job_id]
    assert [cut.job_id for cut in saved.member_cuts] == [cut.spec.job_id for cut in cuts]
    heard_by = [cut.heard_by.listeners for cut in saved.member_cuts if cut.heard_by]
    assert [one.session_id for [one] in heard_by] == [ROOM["fr"], ROOM["de"]]
    assert saved.end_seq == 4
    assert saved.room == RoomRecord(CODE, "fr")


def test_what_others_have_is_not_taken_along() -> None:
    """One who may move says so; of the others it is taken for granted."""
    bench = RoomBench(is_resumable=True)
    bench.enter("fr", "de", resuming="fr")
    first, second = bench.say()
    bench.answer(second)
    bench.answer(first)
    assert bench.saved().member_cuts
    key = bench.others["fr"].only(HeardOutcome).key
    bench.tell(HeardAcknowledged(key, ROOM["fr"]))
    assert not bench.saved().member_cuts


def test_words_of_others_are_stored_before_they_are_heard() -> None:
    bench = RoomBench(is_resumable=True)
    bench.enter("fr")
    bench.tell(words_cut(1), words_ready(1))
    assert bench.outcomes() == []
    note = bench.dispatcher.of(RecordSession)[-1]
    [heard] = note.heard
    assert (heard.number, heard.key) == (1, words_cut(1).key)
    assert "tts_lost" not in heard.outcome
    bench.note()
    assert bench.outcomes() == [(0, "bonjour")]
    assert bench.others["fr"].only(HeardAcknowledged) == HeardAcknowledged(words_cut(1).key, SID)


def test_a_store_that_does_not_answer_holds_words_of_others_back_for_a_moment_only() -> None:
    bench = RoomBench(is_resumable=True)
    bench.enter("fr")
    bench.tell(words_cut(1), words_ready(1))
    bench.wait(500)
    assert bench.outcomes() == [(0, "bonjour")]
    assert not bench.others["fr"].of(HeardAcknowledged), "nobody else could go on with them"


def test_a_note_that_was_lost_is_made_again() -> None:
    bench = RoomBench(is_resumable=True)
    bench.enter("fr")
    bench.tell(words_cut(1), words_ready(1))
    [lost] = bench.dispatcher.of(RecordSession)[-1].heard
    bench.tell(SessionClaimed(8))
    assert bench.dispatcher.of(RecordSession)[-1].heard == (lost,)


def test_what_is_told_again_is_heard_once() -> None:
    bench = RoomBench(is_resumable=True)
    bench.enter("fr")
    bench.tell(words_cut(1), words_cut(1), words_ready(1), words_cut(1), words_ready(1))
    assert not bench.others["fr"].of(HeardAcknowledged), "the store does not have it yet"
    bench.note()
    bench.tell(words_cut(1), words_ready(1))
    assert len(bench.outcomes()) == 1
    assert len(bench.others["fr"].of(HeardAcknowledged)) == 2, "it may not have heard the first one"


def test_in_a_room_outcomes_are_numbered_for_another_instance_with_the_words_of_others() -> None:
    bench = RoomBench(is_resumable=True)
    bench.enter("fr")
    bench.tell(words_cut(1), words_cut(2))
    bench.see()
    own = bench.speak()
    assert own.spec.cut == 3
    saved = SessionRecord.of(own.session_state)
    assert [(one.number, one.key) for one in saved.heard] == [
        (number, words_cut(number).key) for number in (1, 2)
    ]
    bench.answer(own)
    bench.tell(words_ready(2))
    bench.wait(GAP_MS)  # the first words of the other member are passed over
    assert bench.saved().passed == (1,)
    bench.note()
    bench.tell(words_ready(1))
    bench.note()
    heard = [said for said in bench.outbox.messages if isinstance(said, TranslationResult)]
    assert [said.delivery_seq for said in heard] == [1, 2, 3]
    assert heard[-1].late is True


def test_when_the_session_goes_on_elsewhere_its_listeners_go_on_waiting() -> None:
    bench = RoomBench(is_resumable=True)
    bench.enter("fr", "de")
    bench.say()
    bench.tell(SessionReleased())
    for language in ("fr", "de"):
        assert not bench.others[language].of(HeardOutcome)
    assert bench.room.of(VacateSeat) == [VacateSeat(SID)]
    assert not bench.room.of(LeaveSeat)
    assert bench.held.held_bytes == 0


def test_a_session_that_leaves_with_its_instance_keeps_its_seat() -> None:
    bench = RoomBench(is_resumable=True)
    bench.enter("fr")
    bench.tell(DrainRequested("shutdown", 1000, 500))
    assert bench.room.of(VacateSeat)
    assert not bench.room.of(LeaveSeat)
    left = SessionRecord.of(bench.dispatcher.of(RecordSession)[-1].session_state)
    assert left.room == RoomRecord(CODE)


def test_the_store_is_told_which_room_it_is_in() -> None:
    bench = RoomBench(is_resumable=True)
    bench.enter("fr")
    assert bench.saved().room == RoomRecord(CODE)
    bench.ask(RoomLeave(room_code=CODE))
    assert bench.saved().room is None


def test_a_listener_that_has_moved_is_told_again_where_it_is() -> None:
    bench = RoomBench(is_resumable=True)
    bench.enter("fr", "de", resuming="fr")
    first, _ = bench.say()
    bench.others["fr"].take()
    bench.answer(first)
    bench.see("fr", "de", resuming="fr", epoch=5)
    told = bench.others["fr"].messages
    assert [type(message) for message in told] == [HeardOutcome, HeardCut, HeardOutcome]
    bench.see("fr", "de", resuming="fr", epoch=5)
    assert len(told) == 3
    bench.tell(HeardAcknowledged(told[-1].key, ROOM["fr"]))
    bench.see("fr", "de", resuming="fr", epoch=6)
    assert len(told) == 3
    assert len(bench.others["de"].of(HeardCut)) == 1, "who stays is not told again"


def test_what_a_listener_does_not_confirm_is_told_again_ever_more_rarely() -> None:
    """A link may have lost it, while the listener has not moved."""
    bench = RoomBench(is_resumable=True)
    bench.enter("fr", "de", resuming="fr")
    first, second = bench.say()
    bench.answer(first)
    bench.answer(second)
    told = bench.others["fr"]
    key = told.only(HeardOutcome).key
    for waited_ms, times in ((999, 1), (1, 2), (1999, 2), (1, 3), (4000, 4)):
        bench.wait(waited_ms)
        assert len(told.of(HeardCut)) == len(told.of(HeardOutcome)) == times
    bench.tell(HeardAcknowledged(key, ROOM["fr"]))
    bench.wait(60_000)
    assert len(told.of(HeardOutcome)) == 4
    assert len(bench.others["de"].of(HeardOutcome)) == 1, "it confirms nothing"


def test_speech_for_a_listener_on_its_way_is_bounded_and_its_words_are_kept() -> None:
    bench = RoomBench(is_resumable=True)
    bench.enter("fr", resuming="fr")
    for _ in range(3):
        [cut] = bench.say()
        bench.answer(cut, "words", tts_audio="A" * 600_000, tts_format="pcm16")
    bench.others["fr"].take()
    bench.see("fr", resuming="fr", epoch=5)
    again = [ready.outcome for ready in bench.others["fr"].of(HeardOutcome)]
    assert [one.text_asr for one in again if isinstance(one, TranslationResult)] == ["words"] * 3
    assert [one.tts_lost for one in again if isinstance(one, TranslationResult)] == [
        True, True, None,
    ]  # fmt: skip


def test_nothing_is_kept_for_a_listener_that_has_left() -> None:
    bench = RoomBench(is_resumable=True)
    bench.enter("fr", "de", resuming="fr")
    first, second = bench.say()
    bench.answer(first)
    bench.answer(second)
    bench.see("de")
    assert not bench.saved().member_cuts


def test_the_audio_is_held_once_and_let_go_of_with_the_last_outcome() -> None:
    bench = RoomBench()
    bench.enter("fr", "de", "en")
    first, second = bench.say()
    held = len(first.audio)
    assert first.audio is second.audio
    assert bench.held.held_bytes == held
    bench.answer(first)
    assert bench.held.held_bytes == held
    bench.end(second)
    assert bench.held.held_bytes == 0


def test_audio_that_is_not_kept_after_sending_is_kept_for_those_not_sent() -> None:

    bench = RoomBench(keep_audio=False)
    bench.enter("fr", "de")
    first, second = bench.say()
    bench.tell(JobDispatched(first.spec.job_id, 1, NodeId("n")))
    assert bench.held.held_bytes == len(first.audio)
    bench.tell(JobDispatched(second.spec.job_id, 1, NodeId("n")))
    assert bench.held.held_bytes == 0


@pytest.mark.parametrize("is_resumable", [True, False])
def test_outcomes_are_recorded_for_sessions_that_can_be_resumed(*, is_resumable: bool) -> None:
    bench = RoomBench(is_resumable=is_resumable)
    bench.enter()
    [alone] = bench.say()
    bench.see("fr")
    [heard] = bench.say()
    recorded = (alone.spec.is_recorded, heard.spec.is_recorded)
    assert recorded == (is_resumable, is_resumable)


def test_each_listener_hears_of_a_cut_and_of_its_outcome_once() -> None:
    bench = RoomBench()
    bench.enter("fr", "de", "en")
    first, second = bench.say()
    for cut in (first, second):
        bench.answer(cut, "hello")
        bench.answer(cut, "again")
    for language in ("fr", "de", "en"):
        cut_, ready = bench.hears(language)
        assert isinstance(cut_, HeardCut)
        assert isinstance(ready, HeardOutcome)
        assert cut_.key == ready.key == f"{SID}:{first.spec.utterance_index}:{language}"
        assert isinstance(ready.outcome, TranslationResult)
        assert ready.outcome.text_asr == "hello"
    assert bench.outcomes() == []
    assert len(bench.room.of(MemberSpoke)) == 1


def test_an_overdue_job_ends_for_its_listeners() -> None:
    bench = RoomBench()
    bench.enter("fr", "de")
    bench.say()
    bench.wait(LIFETIME_MS + GAP_MS)
    for language in ("fr", "de"):
        ready = bench.others[language].only(HeardOutcome)
        assert isinstance(ready.outcome, MissingResult)
        assert ready.outcome.reason is MissingReason.JOB_TIMEOUT
    assert len(bench.dispatcher.of(EndJob)) == 2
    assert bench.held.held_bytes == 0


def test_a_client_that_may_resume_forgets_its_audio_with_the_last_outcome() -> None:
    bench = RoomBench(is_resumable=True)
    bench.enter("fr", "de")
    first, second = bench.say()
    bench.answer(first)
    bench.wait(2000)
    assert not bench.outbox.of(AudioAck)
    bench.answer(second)
    bench.wait(2000)
    assert bench.outbox.only(AudioAck).next_seq == 2


def test_a_full_answer_after_an_empty_one_is_sent_after_it() -> None:
    bench = RoomBench()
    bench.enter("fr")
    [cut] = bench.say()
    bench.answer_nothing(cut)
    full = JobResult(job_id=NodeJobId("x"), success=True, text_asr="late", text_translated="t")
    bench.tell(ResultReplaced(cut.spec.job_id, full))
    bench.tell(ResultReplaced(cut.spec.job_id, full))
    corrected = bench.others["fr"].only(HeardCorrection)
    assert corrected.outcome.text_asr == "late"


def test_what_was_empty_is_corrected_while_it_is_held_back() -> None:
    bench = RoomBench()
    bench.enter("fr")
    bench.tell(words_cut(1), words_cut(2))
    missing = MissingResult(
        session_id=ROOM["fr"],
        utterance_index=2,
        reason=MissingReason.SILENCE_DETECTED,
        created_at_ms=1,
    )
    bench.tell(HeardOutcome(words_cut(2).key, missing))
    full = words_ready(2, "at last").outcome
    assert isinstance(full, TranslationResult)
    bench.tell(HeardCorrection(words_cut(2).key, full))
    bench.tell(words_ready(1, "first"))
    assert [text for _, text in bench.outcomes()] == ["first", "at last"]


def test_what_others_say_has_indexes_of_its_own_and_comes_in_order() -> None:
    bench = RoomBench()
    bench.enter("fr")
    [own] = bench.say()
    bench.tell(words_cut(7), words_cut(8), words_ready(8, "second"), words_ready(7, "first"))
    results = bench.outbox.of(TranslationResult)
    assert [result.text_asr for result in results] == ["first", "second"]
    indexes = [result.utterance_index for result in results]
    assert len({own.spec.utterance_index, *indexes}) == 3
    assert [result.speaker_utterance_index for result in results] == [7, 8]
    assert [result.delivery_seq for result in results] == [1, 2]
    assert {result.session_id for result in results} == {SessionId(alias_of(CODE, ROOM["fr"]))}


def test_a_speaker_whose_instance_died_leaves_a_missing_outcome() -> None:
    bench = RoomBench()
    bench.enter("fr")
    bench.tell(words_cut())
    bench.wait(LIFETIME_MS + GAP_MS)
    assert [text for _, text in bench.outcomes()] == ["instance_lost"]
    bench.tell(words_ready())
    assert len(bench.outcomes()) == 1


def test_words_of_a_room_that_was_left_are_not_heard() -> None:
    bench = RoomBench()
    bench.enter("fr")
    bench.tell(words_cut(1))
    bench.ask(RoomLeave(room_code=CODE))
    assert [text for _, text in bench.outcomes()] == ["session_closed"]
    bench.tell(words_ready(1), words_cut(2), words_ready(2))
    assert len(bench.outcomes()) == 1
    assert bench.room.messages[-1] == LeaveSeat(SID)


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
