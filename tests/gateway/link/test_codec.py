"""What crosses between instances comes out as the same message."""

from dataclasses import replace

import pytest

from actors.messages.job import (
    AssignJob,
    JobAccepted,
    JobUndelivered,
    KeepJob,
    PartialArrived,
    ResultArrived,
    WithdrawJob,
)
from actors.messages.link import LinkBeat
from actors.ports import Mailbox
from gateway.link.codec import UnreadableMessageError, pack, unpack_link_message
from protocol.ids import InstanceId, JobId, NodeId, NodeJobId, SessionId
from protocol.instances.link import Address, LinkMessage, Place
from protocol.messages.node_inbound import JobResult
from tests.support.example_job import SPEC, WORK
from tests.support.recording import RecordingRef

NODE = Address(Place.NODE, "n:1")
RESULT = JobResult(
    job_id=NodeJobId("job~2"),
    success=True,
    text_asr="grüß dich",
    text_translated="hola",
    tts_audio="QUJD",
    extra={"service_timings": {"asr_ms": 12}, "n": None},
    processing_time_ms=12.5,
    reason_codes=("x",),
)


def nobody(_instance: InstanceId, _session: SessionId) -> Mailbox | None:
    return None


@pytest.mark.parametrize(
    "message",
    [
        WithdrawJob(JobId("job"), 2, "cancelled"),
        WithdrawJob(JobId("job"), 2, None),
        KeepJob(InstanceId("a"), SPEC, WORK, 3),
        LinkBeat(),
        ResultArrived(JobId("job"), 2, NodeId("n"), RESULT),
        JobAccepted(JobId("job"), 1, NodeId("n"), started=True),
        JobUndelivered(JobId("job"), 1, NodeId("n")),
        PartialArrived(JobId("job"), 1, "so far…", is_final=False),
    ],
    ids=lambda message: type(message).__name__,
)
def test_a_message_comes_out_as_it_went_in(message: object) -> None:
    parcel = pack(NODE, message)
    assert parcel.address == "node:n:1"
    assert unpack_link_message(parcel, nobody) == message


def test_an_assignment_crosses_with_its_audio_behind_it_and_a_way_back() -> None:
    audio = bytes(range(256)) * 10
    session = RecordingRef()
    asked = []

    def way(instance: InstanceId, session_id: SessionId) -> Mailbox:
        asked.append((instance, session_id))
        return session

    message = AssignJob(RecordingRef(), SPEC, WORK, 2, audio, InstanceId("a"))
    parcel = pack(NODE, message)
    assert parcel.body is audio
    assert audio not in parcel.head
    assert unpack_link_message(parcel, way) == replace(message, session=session)
    assert asked == [("a", SPEC.session_id)]


def test_an_assignment_of_a_session_out_of_reach_is_taken_all_the_same() -> None:
    message = AssignJob(RecordingRef(), SPEC, WORK, 2, b"x", InstanceId("a"))
    came = unpack_link_message(pack(NODE, message), nobody)
    assert (came.spec, came.audio) == (SPEC, b"x")
    came.session.tell("nobody hears this")


def test_fields_of_a_later_version_are_passed_over() -> None:
    parcel = pack(NODE, WithdrawJob(JobId("job"), 2, None))
    later = replace(parcel, head=parcel.head[:-1] + b',"colour":"red"}')
    assert unpack_link_message(later, nobody) == WithdrawJob(JobId("job"), 2, None)


def test_a_message_of_a_later_version_is_nothing() -> None:
    assert unpack_link_message(LinkMessage("node:n", "SingJob", b"{}"), nobody) is None


@pytest.mark.parametrize("head", [b"", b"{}", b'{"job_id":1,"attempt":"x"}', b"\xff"])
@pytest.mark.parametrize("kind", ["WithdrawJob", "AssignJob"])
def test_what_is_not_what_it_says_is_refused_without_its_content(kind: str, head: bytes) -> None:
    with pytest.raises(UnreadableMessageError) as caught:
        unpack_link_message(LinkMessage("node:n", kind, head), nobody)
    assert kind in str(caught.value)
