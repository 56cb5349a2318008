"""A node with jobs of several instances: answers go to owners, capacity holds, nothing is kept."""

from dataclasses import replace

import pytest

from actors.directory import Directory
from actors.messages.job import (
    AssignJob,
    JobAccepted,
    JobUndelivered,
    KeepJob,
    PartialArrived,
    ResultArrived,
    WithdrawJob,
)
from actors.messages.node import (
    NodeAccepted,
    NodeArrived,
    NodeHeartbeatArrived,
    NodeLost,
    NodeMessageArrived,
    NodeRegistering,
    NodeSuperseded,
    NodeUnknown,
    SlotsListed,
    SlotsWanted,
)
from actors.messages.process import InstanceReaped
from actors.node.actor import NodeActor
from actors.node.options import NodeOptions
from actors.ports import Mailbox
from protocol.ids import InstanceId, JobId, NodeId, NodeJobId, SessionId
from protocol.messages.node_inbound import (
    JobAck,
    JobResult,
    NodeAsrPartial,
    NodeHeartbeat,
    NodeRegister,
    ResourceUsage,
)
from protocol.messages.node_outbound import JobAssign, JobCancel
from storage.job import JobSpec
from tests.support.example_job import SPEC, WORK
from tests.support.recording import HandClock, RecordingOutbox, RecordingRef

HERE, THERE = InstanceId("b"), InstanceId("a")


class Far:
    """The way to instance a."""

    def __init__(self) -> None:
        self.is_reachable = True
        self.dispatcher_ref, self.session_ref = RecordingRef("far"), RecordingRef("session")

    def session(self, instance_id: InstanceId, session_id: SessionId) -> RecordingRef:
        assert (instance_id, session_id) == (THERE, SPEC.session_id)
        return self.session_ref

    def node(self, instance_id: InstanceId, node_id: NodeId) -> None:
        raise AssertionError((instance_id, node_id))

    def dispatcher(self, instance_id: InstanceId) -> RecordingRef | None:
        assert instance_id == THERE
        return self.dispatcher_ref if self.is_reachable else None

    def flush(self, _asker: Mailbox) -> int:
        return 0


class Bench:
    """A node of capacity 2 on instance b."""

    def __init__(self) -> None:
        self.clock = HandClock(1000.0)
        self.far = Far()
        self.directory = Directory(HERE, self.far)
        self.dispatcher = RecordingRef("here")
        self.directory.dispatcher = self.dispatcher
        self.session = RecordingRef("session")
        self.outbox = RecordingOutbox()
        self.node = self.clock.hold(NodeActor(NodeId("n"), self.directory, NodeOptions()))
        self.directory.register_node(NodeId("n"), self.node.actor_ref)
        self.register()
        self.node.on_receive(NodeAccepted(7))
        self.dispatcher.take()
        self.outbox.take()

    def register(self) -> None:
        message = NodeRegister(max_concurrent_jobs=2)
        self.node.on_receive(NodeRegistering(message, self.outbox))

    def assign(self, name: str, owner: InstanceId = THERE, attempt: int = 1) -> AssignJob:
        spec = job(name)
        message = AssignJob(self.session, spec, WORK, attempt, b"audio", owner)
        self.node.on_receive(message)
        return message

    def withdraw(self, name: str, attempt: int = 1) -> None:
        self.node.on_receive(WithdrawJob(JobId(name), attempt, "node_lost"))

    def answer(self, known_as: str) -> None:
        result = JobResult(job_id=NodeJobId(known_as), success=True, text_asr="hello")
        self.node.on_receive(NodeMessageArrived(result))

    def given(self) -> list[str]:
        return [job.job_id for job in self.outbox.of(JobAssign)]

    def cancelled(self) -> list[str]:
        return [cancel.job_id for cancel in self.outbox.of(JobCancel)]


def job(name: str) -> JobSpec:
    return replace(SPEC, job_id=JobId(name), turn_id=f"turn of {name}")


@pytest.fixture
def bench() -> Bench:
    return Bench()


# ---- answers ---------------------------------------------------------------------------------


def test_what_the_node_says_of_a_job_goes_to_the_instance_that_drives_it(bench: Bench) -> None:
    bench.assign("far")
    bench.assign("near", HERE)
    for name in ("far", "near"):
        bench.node.on_receive(NodeMessageArrived(JobAck(job_id=NodeJobId(name))))
        bench.answer(name)
    for owner, name in ((bench.far.dispatcher_ref, "far"), (bench.dispatcher, "near")):
        assert owner.only(JobAccepted).job_id == name
        assert owner.only(ResultArrived).job_id == name


def test_words_so_far_go_to_the_session_wherever_it_is(bench: Bench) -> None:
    bench.assign("far")
    message = NodeAsrPartial(job_id=NodeJobId("far"), text="so far", is_final=False)
    bench.node.on_receive(NodeMessageArrived(message))
    assert bench.session.only(PartialArrived).text == "so far"


def test_a_job_follows_its_session_to_another_instance(bench: Bench) -> None:
    """Who drives it now assigns it again: the node has it, and answers to that one."""
    bench.assign("j")
    former, bench.session = bench.session, RecordingRef("session here")
    bench.assign("j", HERE)
    assert bench.given() == ["j"]
    bench.node.on_receive(
        NodeMessageArrived(NodeAsrPartial(job_id=NodeJobId("j"), text="so far", is_final=False))
    )
    assert bench.session.only(PartialArrived).text == "so far"
    bench.answer("j")
    assert bench.dispatcher.only(ResultArrived).job_id == "j"
    assert former.messages == bench.far.dispatcher_ref.messages == []


def test_an_answer_that_has_no_way_to_its_owner_is_looked_up(bench: Bench) -> None:
    """Its session may have gone on elsewhere: the dispatcher here finds out."""
    bench.assign("j")
    bench.far.is_reachable = False
    bench.answer("j")
    assert bench.dispatcher.only(ResultArrived).job_id == "j"


def test_an_answer_that_is_corrected_goes_to_the_same_owner(bench: Bench) -> None:
    bench.assign("far")
    bench.answer("far")
    bench.answer("far")
    assert len(bench.far.dispatcher_ref.of(ResultArrived)) == 2


def test_a_job_that_does_not_reach_the_socket_is_undelivered_to_its_owner(bench: Bench) -> None:
    bench.outbox.is_open = False
    bench.assign("far")
    assert bench.far.dispatcher_ref.only(JobUndelivered) == JobUndelivered(
        JobId("far"), 1, NodeId("n")
    )
    assert bench.dispatcher.only(NodeLost)


# ---- capacity --------------------------------------------------------------------------------


def test_a_job_beyond_the_capacity_waits_for_the_word_that_made_room(bench: Bench) -> None:
    for name in ("one", "two", "three"):
        bench.assign(name)
    assert bench.given() == ["one", "two"]
    assert bench.dispatcher.only(SlotsWanted) == SlotsWanted(NodeId("n"), 7)
    bench.withdraw("one")
    assert bench.cancelled() == ["one"]
    assert bench.given() == ["one", "two", "three"]


def test_an_answer_makes_room_too(bench: Bench) -> None:
    for name in ("one", "two", "three"):
        bench.assign(name)
    bench.answer("two")
    assert bench.given() == ["one", "two", "three"]


def test_what_holds_no_slot_in_the_store_is_taken_back(bench: Bench) -> None:
    for name in ("one", "two", "three", "four"):
        bench.assign(name)
    assert len(bench.dispatcher.of(SlotsWanted)) == 1
    bench.node.on_receive(SlotsListed(frozenset(map(JobId, ("two", "three")))))
    assert bench.cancelled() == ["one"]
    assert bench.given() == ["one", "two", "three"]
    assert bench.far.dispatcher_ref.only(JobUndelivered).job_id == "four"
    bench.answer("two")
    assert bench.given() == ["one", "two", "three"]


def test_a_node_that_is_registered_anew_meanwhile_gets_nothing_more(bench: Bench) -> None:
    for name in ("one", "two", "three"):
        bench.assign(name)
    bench.node.on_receive(SlotsListed(None))
    assert bench.cancelled() == []
    assert bench.far.dispatcher_ref.only(JobUndelivered).job_id == "three"


def test_a_job_withdrawn_while_it_waits_never_reaches_the_node(bench: Bench) -> None:
    for name in ("one", "two", "three", "four"):
        bench.assign(name)
    bench.withdraw("three")
    bench.withdraw("one")
    assert bench.given() == ["one", "two", "four"]


def test_what_comes_later_does_not_overtake_what_waits(bench: Bench) -> None:
    """A node takes a session's utterances in their order only."""
    for name in ("one", "two", "three"):
        bench.assign(name)
    bench.node.on_receive(SlotsListed(frozenset({JobId("two"), JobId("three")})))
    bench.assign("four")
    bench.withdraw("two")
    assert bench.given() == ["one", "two", "three", "four"]


def test_segments_of_one_turn_share_a_slot(bench: Bench) -> None:
    for part in range(3):
        spec = replace(SPEC, job_id=JobId(f"part-{part}"), turn_part=part)
        bench.node.on_receive(AssignJob(bench.session, spec, WORK, 1, b"audio", THERE))
    bench.assign("other")
    assert bench.given() == ["part-0", "part-1", "part-2", "other"]


def test_a_lost_node_gives_back_what_waited_for_room(bench: Bench) -> None:
    for name in ("one", "two", "three"):
        bench.assign(name)
    bench.clock.advance_to(100_000)
    assert bench.far.dispatcher_ref.only(JobUndelivered).job_id == "three"
    assert bench.node.open_jobs == 0


# ---- coming from another instance ------------------------------------------------------------


def test_a_job_that_came_with_the_node_is_answered_to_its_owner(bench: Bench) -> None:
    bench.node.on_receive(KeepJob(THERE, job("kept"), WORK, 2))
    assert bench.node.open_jobs == 1
    assert bench.given() == []
    message = NodeAsrPartial(job_id=NodeJobId("kept~2"), text="so far", is_final=False)
    bench.node.on_receive(NodeMessageArrived(message))
    assert bench.far.session_ref.only(PartialArrived).job_id == "kept"
    bench.answer("kept~2")
    assert bench.far.dispatcher_ref.only(ResultArrived).attempt == 2
    assert bench.node.open_jobs == 0


def test_a_job_that_came_with_the_node_can_be_withdrawn(bench: Bench) -> None:
    bench.node.on_receive(KeepJob(THERE, job("kept"), WORK, 2))
    bench.withdraw("kept", 2)
    assert bench.cancelled() == ["kept~2"]


def test_an_answer_before_the_owners_word_is_looked_up(bench: Bench) -> None:
    bench.answer("early#fr~3")
    found = bench.dispatcher.only(ResultArrived)
    assert (found.job_id, found.attempt, found.node_id) == ("early", 3, "n")


def test_a_job_that_was_answered_before_the_owners_word_is_not_kept(bench: Bench) -> None:
    bench.answer("early")
    bench.node.on_receive(KeepJob(THERE, job("early"), WORK, 1))
    assert bench.node.open_jobs == 0


@pytest.mark.parametrize("known_as", ["early~", "early~x", "early~-1", "early~9999999999"])
def test_what_is_no_attempt_counts_as_the_first(bench: Bench, known_as: str) -> None:
    bench.answer(known_as)
    assert bench.dispatcher.only(ResultArrived).attempt == 1


# ---- standing still, and losing the node to another instance ---------------------------------


def test_after_standing_still_jobs_of_others_are_taken_back(bench: Bench) -> None:
    bench.assign("far")
    bench.assign("near", HERE)
    bench.node.on_receive(InstanceReaped())
    assert bench.cancelled() == ["far"]
    assert bench.far.dispatcher_ref.only(JobUndelivered).job_id == "far"
    assert bench.node.open_jobs == 1


def test_a_node_is_registered_again_only_as_it_was_known(bench: Bench) -> None:
    bench.node.on_receive(NodeUnknown(7))
    assert bench.dispatcher.only(NodeArrived).known_epoch == 7


def test_a_node_speaks_for_itself_when_it_registers(bench: Bench) -> None:
    bench.register()
    assert bench.dispatcher.only(NodeArrived).known_epoch == 1  # it asks first


def test_a_node_that_is_connected_elsewhere_by_now_is_let_go(bench: Bench) -> None:
    bench.assign("far")
    bench.node.on_receive(NodeSuperseded())
    assert bench.node.open_jobs == 0
    bench.assign("another")
    assert bench.far.dispatcher_ref.only(JobUndelivered).job_id == "another"
    assert bench.dispatcher.of(NodeLost) == []
    beat = NodeHeartbeat(node_id=NodeId("n"), resource_usage=ResourceUsage())
    bench.node.on_receive(NodeHeartbeatArrived(beat))
    assert bench.dispatcher.only(NodeArrived).known_epoch == 7
