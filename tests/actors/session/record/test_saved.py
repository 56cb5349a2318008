"""What the store keeps of a session reads back as it was written, by later versions as well."""

from hypothesis import given
from hypothesis import strategies as st

from actors.session.cut import CutReason
from actors.session.profile.profile import SessionProfile
from actors.session.profile.resumption import TokenMint, TokenNumber, new_token_key
from actors.session.record.saved import (
    CutRecord,
    DeliveryOrder,
    EndRecord,
    SessionRecord,
    TurnRecord,
)
from actors.session.record.saved_room import AudienceRecord
from actors.session.resume.audio_replay import AudioReplay, Restored
from protocol.audio.framing import AudioFormat
from protocol.ids import JobId, SessionId, TraceId, TurnId
from protocol.messages.shared import EndpointingMode, Features, Pipeline

CUT = CutRecord(
    number=3,
    index=2,
    job_id=JobId("job-1"),
    reason=CutReason.MAX_DURATION,
    audio_format=AudioFormat.OPUS,
    sample_rate_hz=16_000,
    duration_ms=10_000,
    turn_id=TurnId("turn-1"),
    turn_part=0,
    first_seq=4,
    last_seq=9,
)
SAVED = SessionRecord(
    number=3,
    end_seq=10,
    next_index=3,
    client_indexes=(0, 2),
    audio_format=AudioFormat.OPUS,
    client_cuts=True,
    turn=TurnRecord(TurnId("turn-1"), 1, 480_000),
    passed=(1,),
    late=((2, 5),),
    ends=(EndRecord(1, 0, "es", JobId("job-0"), "queue_full"),),
    closing=True,
    acknowledge=True,
    cuts=(CUT,),
)


def test_a_session_reads_back_as_it_was_written() -> None:
    assert SessionRecord.of(SAVED.text([CUT.text()])) == SAVED
    assert SessionRecord.of(SessionRecord(0).text([])) == SessionRecord(0)
    assert SessionRecord.of("") == SessionRecord(0)


def test_what_a_later_version_added_is_passed_over() -> None:
    cut = CUT.text().replace(b"{", b'{"colour":"red",', 1)
    text = SAVED.text([cut]).replace("{", '{"mood":"good",', 1)
    assert SessionRecord.of(text) == SAVED
    heard_by = {**AudienceRecord((), (), True, True, None, 5).as_json(), "mood": "good"}
    assert AudienceRecord.of(heard_by) == AudienceRecord((), (), True, True, None, 5)


def test_a_profile_reads_back_as_it_was_written() -> None:
    profile = SessionProfile(
        session_id=SessionId("s"),
        trace_id=TraceId("t"),
        tenant_id="tenant",
        platform="web",
        source="auto",
        target="es",
        features=Features(emotion_detection=True),
        pipeline=Pipeline(use_asr=True, use_nmt=True, use_tts=False),
        auto_langs=("en", "es"),
        audio_format=AudioFormat.PCM16,
        endpointing=EndpointingMode.AUTO,
        is_resumable=True,
    )
    assert SessionProfile.restored(profile.text()) == profile
    assert SessionProfile.restored(profile.text().replace("{", '{"x":1,', 1)) == profile


# ---- tokens -------------------------------------------------------------------------------------


def test_a_token_is_read_by_whoever_has_the_key_of_its_session() -> None:
    mint = TokenMint(SessionId("s"), new_token_key())
    token = mint.make(TokenNumber(5, 2))
    assert TokenMint(SessionId("s"), mint.key).read(token) == (5, 2)
    assert TokenMint(SessionId("other"), mint.key).read(token) is None
    assert TokenMint(SessionId("s"), new_token_key()).read(token) is None


@given(st.text(max_size=200))
def test_anything_else_is_no_token(text: str) -> None:
    assert TokenMint(SessionId("s"), "key").read(text) is None


def test_tokens_of_a_later_owner_are_greater() -> None:
    assert TokenNumber(1, 9) < TokenNumber(2, 1)
    assert TokenNumber.of(str(TokenNumber(7, 3))) == (7, 3)
    assert TokenNumber.of("") == (0, 0)


# ---- the order of delivery ----------------------------------------------------------------------


def test_in_a_regular_session_the_number_of_a_delivery_is_that_of_its_cut() -> None:
    assert DeliveryOrder().sequence(3) == {1: 1, 2: 2, 3: 3}


def test_what_was_passed_goes_out_when_it_comes() -> None:
    order = DeliveryOrder()
    order.pass_over(2)
    assert order.sequence(4) == {1: 1, 3: 2, 4: 3}
    order.deliver_late(2, 3)
    assert order.sequence(4) == {1: 1, 3: 2, 2: 3, 4: 4}


# ---- audio that comes again ---------------------------------------------------------------------


def test_audio_that_comes_again_is_cut_where_it_was_cut() -> None:
    replay = AudioReplay(end_seq=7)
    replay.add(1, (0, 2), wanted=True)
    replay.add(2, (4, 5), wanted=False)
    took = [replay.take(seq, bytes([seq])) for seq in range(7)]
    assert [one for one in took if one is not None] == [Restored(1, b"\0\1\2")]
    assert not replay.covers(7)
    assert replay.held_bytes == 0


def test_a_cut_that_has_its_outcome_holds_no_audio() -> None:
    replay = AudioReplay(end_seq=4)
    replay.add(1, (0, 3), wanted=True)
    replay.take(0, b"abc")
    assert replay.held_bytes == 3
    replay.forget(1)
    assert replay.held_bytes == 0
    assert [replay.take(seq, b"x") for seq in (1, 2, 3)] == [None, None, None]
