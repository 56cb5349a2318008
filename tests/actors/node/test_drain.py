"""A node whose instance goes away: it finishes what it has, then it may go, and not before."""

from dataclasses import replace

import pytest

from actors.directory import Directory
from actors.messages.job import AssignJob, ResultArrived, WithdrawJob
from actors.messages.link import Flushed
from actors.messages.node import (
    DrainNode,
    NodeAccepted,
    NodeArrived,
    NodeDrained,
    NodeDraining,
    NodeHeld,
    NodeLost,
    NodeMessageArrived,
    NodeRegistering,
    NodeSocketLost,
    NodeUnknown,
    UndrainNode,
)
from actors.node.actor import NodeActor
from actors.node.options import NodeOptions
from actors.ports import Mailbox
from protocol.ids import InstanceId, JobId, NodeId, NodeJobId, SessionId
from protocol.messages.node_inbound import JobResult, NodeRegister
from protocol.messages.node_outbound import NodeControl
from tests.support.example_job import SPEC, WORK
from tests.support.recording import HandClock, RecordingOutbox, RecordingRef

EPOCH = 7


class Ways:
    """To other instances: nobody is told anything there, but something may be under way."""

    def __init__(self) -> None:
        self.links = 0

    def session(self, _instance_id: InstanceId, _session_id: SessionId) -> None:
        return None

    def node(self, _instance_id: InstanceId, _node_id: NodeId) -> None:
        return None

    def dispatcher(self, _instance_id: InstanceId) -> None:
        return None

    def flush(self, _asker: Mailbox) -> int:
        return self.links


class Bench:
    """A node with one job in hand, told to go."""

    def __init__(self) -> None:
        self.ways = Ways()
        self.directory = Directory(remotes=self.ways)
        self.dispatcher = RecordingRef("dispatcher")
        self.directory.dispatcher = self.dispatcher
        self.outbox = RecordingOutbox()
        self.node = HandClock(1000.0).hold(NodeActor(NodeId("n"), self.directory, NodeOptions()))
        self.directory.register_node(NodeId("n"), self.node.actor_ref)
        self.node.on_receive(NodeRegistering(NodeRegister(max_concurrent_jobs=2), self.outbox))
        self.node.on_receive(NodeAccepted(EPOCH))
        self.assign("one")
        self.node.on_receive(DrainNode())

    def confirm(self, epoch: int = EPOCH) -> None:
        self.node.on_receive(NodeDrained(epoch))

    @property
    def closed_with(self) -> int | None:
        return None if self.outbox.closed_with is None else self.outbox.closed_with[0]

    def assign(self, name: str) -> None:
        spec = replace(SPEC, job_id=JobId(name), turn_id=f"turn of {name}")
        self.node.on_receive(AssignJob(RecordingRef("session"), spec, WORK, 1, b"audio"))

    def answer(self, name: str) -> None:
        result = JobResult(job_id=NodeJobId(name), success=True, text_asr="hello")
        self.node.on_receive(NodeMessageArrived(result))


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_the_store_is_asked_to_give_it_nothing_more(bench: Bench) -> None:
    assert bench.dispatcher.only(NodeDraining) == NodeDraining(NodeId("n"), EPOCH)
    assert bench.outbox.is_open


def test_it_goes_when_its_last_answer_has_passed_the_dispatcher(bench: Bench) -> None:
    bench.confirm()
    bench.dispatcher.take()
    bench.answer("one")
    assert [type(message) for message in bench.dispatcher.messages] == [ResultArrived, NodeDraining]
    assert bench.outbox.is_open
    bench.confirm()
    assert bench.closed_with == 1012


def test_it_goes_when_its_last_job_is_withdrawn(bench: Bench) -> None:
    bench.node.on_receive(WithdrawJob(JobId("one"), 1, "session_closed"))
    bench.confirm()
    assert bench.closed_with == 1012


def test_its_answers_have_reached_other_instances_when_it_goes(bench: Bench) -> None:
    bench.ways.links = 2
    bench.answer("one")
    bench.confirm()
    bench.node.on_receive(Flushed())
    assert bench.outbox.is_open
    bench.node.on_receive(Flushed())
    assert bench.closed_with == 1012


def test_what_was_on_its_way_when_it_was_told_is_finished(bench: Bench) -> None:
    bench.answer("one")
    bench.assign("two")
    bench.confirm()
    assert bench.outbox.is_open
    bench.answer("two")
    bench.confirm()
    assert bench.closed_with == 1012


def test_what_comes_while_answers_are_on_their_way_is_finished(bench: Bench) -> None:
    bench.ways.links = 1
    bench.answer("one")
    bench.confirm()
    bench.assign("two")
    bench.node.on_receive(Flushed())
    assert bench.outbox.is_open
    bench.answer("two")
    bench.confirm()
    bench.node.on_receive(Flushed())
    assert bench.closed_with == 1012


def test_a_confirmation_of_another_registration_counts_for_nothing(bench: Bench) -> None:
    bench.answer("one")
    bench.confirm(EPOCH - 1)
    assert bench.outbox.is_open


def test_a_node_that_is_registered_again_meanwhile_is_drained_again(bench: Bench) -> None:
    bench.answer("one")
    bench.dispatcher.take()
    bench.node.on_receive(NodeAccepted(EPOCH + 1))
    assert bench.dispatcher.only(NodeDraining).epoch == EPOCH + 1
    bench.confirm(EPOCH + 1)
    assert bench.closed_with == 1012


def test_when_the_last_node_has_gone_a_shutdown_goes_on(bench: Bench) -> None:
    gone: list[str] = []
    bench.directory.on_last_node = lambda: gone.append("last")
    bench.node.on_receive(NodeSocketLost(bench.outbox))
    assert gone == ["last"]
    assert bench.dispatcher.only(NodeLost)


class HeldBench(Bench):
    """A node that nobody has told to go."""

    def __init__(self) -> None:
        super().__init__()
        self.node.on_receive(NodeSocketLost(self.outbox))
        self.outbox = RecordingOutbox()
        self.node = HandClock(1000.0).hold(NodeActor(NodeId("n"), self.directory, NodeOptions()))
        self.connect(self.outbox)
        self.node.on_receive(NodeAccepted(EPOCH))
        self.dispatcher.take()

    def connect(self, outbox: RecordingOutbox) -> None:
        self.node.on_receive(NodeRegistering(NodeRegister(max_concurrent_jobs=2), outbox))

    def controls(self) -> list[str]:
        return [one.command for one in self.outbox.messages if isinstance(one, NodeControl)]


def test_an_operators_drain_keeps_the_node_connected_and_is_taken_back() -> None:
    bench = HeldBench()
    bench.node.on_receive(DrainNode(by_operator=True))
    assert bench.dispatcher.only(NodeHeld).is_held
    bench.node.on_receive(UndrainNode())
    assert [held.is_held for held in bench.dispatcher.of(NodeHeld)] == [True, False]
    assert bench.controls() == ["drain", "undrain"]
    assert bench.outbox.is_open


def test_what_an_operator_wants_before_the_node_is_registered_is_told_then() -> None:
    bench = HeldBench()
    bench.node.on_receive(NodeUnknown(EPOCH))
    bench.node.on_receive(DrainNode(by_operator=True))
    assert bench.dispatcher.of(NodeHeld) == []
    bench.node.on_receive(NodeAccepted(EPOCH + 1))
    held = bench.dispatcher.only(NodeHeld)
    assert (held.epoch, held.is_held) == (EPOCH + 1, True)


def test_a_drain_taken_back_before_the_node_is_registered_stays_taken_back() -> None:
    bench = HeldBench()
    bench.node.on_receive(DrainNode(by_operator=True))
    bench.node.on_receive(NodeUnknown(EPOCH))
    bench.node.on_receive(UndrainNode())
    bench.dispatcher.take()
    bench.node.on_receive(NodeAccepted(EPOCH + 1, is_held=True))
    assert not bench.dispatcher.only(NodeHeld).is_held


def test_a_drained_node_is_registered_as_one_again_when_the_store_has_lost_it() -> None:
    bench = HeldBench()
    bench.node.on_receive(DrainNode(by_operator=True))
    bench.node.on_receive(NodeUnknown(EPOCH))
    assert bench.dispatcher.only(NodeArrived).is_held


def test_a_node_that_was_drained_elsewhere_hears_so_after_its_registration() -> None:
    bench = HeldBench()
    bench.node.on_receive(NodeUnknown(EPOCH))
    bench.node.on_receive(NodeAccepted(EPOCH + 1, is_held=True))
    assert bench.controls() == ["drain"]
    kinds = [type(one).__name__ for one in bench.outbox.messages]
    assert kinds == ["NodeRegisterAck", "NodeControl"]
    bench.node.on_receive(NodeUnknown(EPOCH + 1))
    bench.node.on_receive(NodeAccepted(EPOCH + 2, is_held=True))
    assert bench.controls() == ["drain"], "it knows"


def test_a_drained_node_whose_instance_goes_gets_nothing_when_the_drain_is_taken_back() -> None:
    bench = HeldBench()
    bench.node.on_receive(DrainNode(by_operator=True))
    bench.assign("two")
    bench.node.on_receive(DrainNode())
    bench.node.on_receive(UndrainNode())
    assert bench.dispatcher.of(NodeHeld)[-1].is_leaving
