"""What a member hears of others: recorded first, in order, once, and missing where it must."""

from actors.messages.room import (
    HeardAcknowledged,
    HeardOutcome,
    LeaveSeat,
)
from actors.messages.session import SessionClaimed
from actors.messages.takeover import RecordSession
from actors.session.member.aliases import alias_of
from actors.session.record.saved import SessionRecord
from actors.session.record.saved_room import RoomRecord
from protocol.ids import SessionId
from protocol.messages.rooms import (
    RoomLeave,
)
from protocol.messages.session_outbound import TranslationResult
from tests.actors.support.member_bench import CODE, ROOM, RoomBench, words_cut, words_ready
from tests.actors.support.session_bench import GAP_MS, LIFETIME_MS, SID


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
    assert bench.outcomes() == [(100_000, "bonjour")]
    assert bench.others["fr"].only(HeardAcknowledged) == HeardAcknowledged(words_cut(1).key, SID)


def test_a_store_that_does_not_answer_holds_words_of_others_back_for_a_moment_only() -> None:
    bench = RoomBench(is_resumable=True)
    bench.enter("fr")
    bench.tell(words_cut(1), words_ready(1))
    bench.wait(500)
    assert bench.outcomes() == [(100_000, "bonjour")]
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
