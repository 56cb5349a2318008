"""Whatever the store keeps of a session comes back as it went, with a value in every field."""

import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import from_json

from actors.messages.room import Listener
from actors.session.downlink.outcome import without_speech
from actors.session.profile.profile import SessionProfile
from actors.session.profile.request import Request
from actors.session.profile.resumption import TokenMint, TokenNumber
from actors.session.record.moved import KnownHeard, TakenOverSession
from actors.session.record.saved import CutRecord, SessionRecord
from actors.session.record.saved_room import AudienceRecord
from actors.session.resume.downlink import known_outcome, message_of
from actors.verdict import RECORDED, recorded_outcome
from protocol.codec import encode_utf8
from protocol.errors import MissingReason
from protocol.ids import NO_INSTANCE, InstanceId, JobId, SessionId, TraceId
from protocol.messages.node_inbound import JobResult
from protocol.messages.session_outbound import MissingResult, TranslationResult
from protocol.messages.shared import NetworkTimings, ServiceTimings
from storage.replies.session import Claimed, RecordedOutcome
from storage.room import Seat

T = TypeVar("T")
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)
"""What a node may put into an object that is passed on as it is."""
NUMBERS = st.integers(0, 2**53 - 1)


def values_of(hint: Any) -> st.SearchStrategy[Any]:
    """Return values of a field's type; of what may be absent only those that are there."""
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return values_of(args[0])
    if origin in {Union, types.UnionType}:
        return st.one_of([values_of(arg) for arg in args if arg is not type(None)])
    if origin is tuple and len(args) == 2 and args[1] is Ellipsis:
        return st.lists(values_of(args[0]), min_size=1, max_size=3).map(tuple)
    if origin is tuple:
        return st.tuples(*map(values_of, args))
    if origin in {Mapping, dict}:
        if args[1] is Any:
            return st.dictionaries(st.text(max_size=8), JSON_VALUES, min_size=1, max_size=3)
        return st.dictionaries(values_of(args[0]), values_of(args[1]), min_size=1, max_size=3)
    if hint is int:
        return NUMBERS
    if hint is float:
        return st.floats(allow_nan=False, allow_infinity=False)
    if hint is bool:
        return st.just(True)  # what is false by default is the same as absent
    if is_dataclass(hint) or hasattr(hint, "model_fields"):
        return filled(hint)
    supertype = getattr(hint, "__supertype__", None)
    if supertype is not None:
        return values_of(supertype)
    return st.text(min_size=1, max_size=12) if hint is str else st.from_type(hint)


def filled(kind: type[T], **fixed: st.SearchStrategy[Any]) -> st.SearchStrategy[T]:
    """Return objects of a class with a value in every field."""
    hints = get_type_hints(kind, include_extras=True)
    if is_dataclass(kind):
        names = [each.name for each in fields(kind)]
    else:
        names = [name for name in kind.model_fields if name != "type"]  # type: ignore[attr-defined]
    return st.builds(kind, **({name: values_of(hints[name]) for name in names} | fixed))


def anywhere(listeners: tuple[Listener, ...]) -> tuple[Listener, ...]:
    """Return the same without their instances: where they are stands in the room's record."""
    return tuple(replace(one, instance_id=NO_INSTANCE) for one in listeners)


audiences = filled(AudienceRecord).map(
    lambda one: replace(one, listeners=anywhere(one.listeners), readers=anywhere(one.readers))
)
cut_records = filled(CutRecord, heard_by=audiences)
profiles = filled(SessionProfile)


@given(
    filled(SessionRecord, cuts=st.just(()), member_cuts=st.just(())),
    st.lists(cut_records, max_size=3),
)
def test_a_session(head: SessionRecord, cuts: list[CutRecord]) -> None:
    record = replace(head, cuts=tuple(cuts), member_cuts=tuple(cuts))
    texts = [cut.text() for cut in cuts]
    assert SessionRecord.of(record.text(texts, texts)) == record


@given(profiles)
def test_a_profile(profile: SessionProfile) -> None:
    assert SessionProfile.restored(profile.text()) == profile


@given(filled(Request))
def test_what_an_utterance_asks_for(request: Request) -> None:
    assert Request.restored(request.text()) == request


seats = filled(Seat, instance_id=st.uuids().map(str).map(InstanceId))


@given(seats)
def test_a_seat(seat: Seat) -> None:
    assert Seat.read(seat.session_id, seat.text()) == seat


def taken_over(profile: SessionProfile, recorded: RecordedOutcome) -> TakenOverSession:
    claimed = Claimed(7, (), "", (recorded,))
    token = (TokenMint(SessionId("s"), "key"), TokenNumber(0, 1))
    return TakenOverSession.of(profile, token, claimed, 0)


@given(profiles, filled(JobResult, success=st.just(True), error=st.none()))
def test_a_translation(profile: SessionProfile, result: JobResult) -> None:
    text = recorded_outcome("trace", None, result)
    recorded = RecordedOutcome(1, JobId("job"), 0, "es", text)
    outcome = known_outcome(profile, 7, taken_over(profile, recorded).outcomes[1])
    again = outcome.ended.result
    assert again is not None
    for name in RECORDED:
        assert getattr(again, name) == getattr(result, name), name
    assert outcome.lost_speech


@given(st.sampled_from(MissingReason))
def test_a_missing_outcome(reason: MissingReason) -> None:
    text = recorded_outcome("trace", reason, None)
    profile = SessionProfile(SessionId("s"), TraceId("t"), "t", "web", "en", "es")
    recorded = RecordedOutcome(1, JobId("job"), 0, "es", text)
    known = taken_over(profile, recorded).outcomes[1]
    assert known_outcome(profile, 7, known).ended.reason is reason


@pytest.mark.parametrize("kind", [TranslationResult, MissingResult])
@given(data=st.data())
def test_what_another_member_said(
    kind: type[TranslationResult | MissingResult], data: st.DataObject
) -> None:
    message = data.draw(filled(kind))
    kept = without_speech(message)
    heard = KnownHeard("key", from_json(encode_utf8(kept)))  # type: ignore[arg-type]
    assert heard.message is not None
    assert message_of(heard.message) == kept


@given(filled(SessionProfile), filled(NetworkTimings), filled(ServiceTimings))
def test_the_generator_leaves_no_field_empty(
    profile: SessionProfile, network: NetworkTimings, service: ServiceTimings
) -> None:
    """What it left empty would prove nothing."""
    assert None not in (profile.audio_format, profile.features, profile.auto_langs)
    for model in (profile.features, profile.pipeline, network, service):
        assert model is not None
        assert None not in model.model_dump().values()
