"""What a member says: its listeners, the audio that is held for them, each outcome once."""

import pytest

from actors.messages.job import EndJob, JobDispatched, ResultReplaced
from actors.messages.room import (
    HeardAcknowledged,
    HeardCorrection,
    HeardCut,
    HeardOutcome,
    LeaveSeat,
    MemberSpoke,
    VacateSeat,
)
from actors.messages.takeover import DrainRequested, RecordSession, SessionReleased
from actors.session.record.saved import SessionRecord
from actors.session.record.saved_room import RoomRecord
from protocol.errors import MissingReason
from protocol.ids import NodeId, NodeJobId
from protocol.messages.node_inbound import JobResult
from protocol.messages.rooms import (
    RoomLeave,
)
from protocol.messages.session_outbound import AudioAck, MissingResult, TranslationResult
from tests.actors.support.member_bench import CODE, ROOM, RoomBench, words_cut, words_ready
from tests.actors.support.session_bench import GAP_MS, LIFETIME_MS, SID


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
