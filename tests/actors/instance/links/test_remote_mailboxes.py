"""Ways to other instances, and what becomes of what does not arrive or came for nobody."""

from typing import Any

import pytest

from actors.directory import Directory
from actors.instance.links.arrivals import Arrivals
from actors.instance.links.remote_mailboxes import LinkedMailboxes
from actors.instance.links.window import UnderWay
from actors.lease import Lease
from actors.messages.job import (
    AssignJob,
    JobUndelivered,
    PartialArrived,
    ResultArrived,
    WithdrawJob,
)
from actors.messages.link import Crossing, LinkBeat
from actors.messages.process import PeerSuspected, PeerUnreachable
from actors.ports import Mailbox
from protocol.ids import InstanceId, JobId, NodeId, NodeJobId, SessionId
from protocol.instances.link import DISPATCHER, Address, Hello, LinkMessage, Place
from protocol.messages.node_inbound import JobResult
from tests.support.example_job import SPEC, WORK
from tests.support.null_metrics import NullMetrics
from tests.support.recording import RecordingRef

A, B = InstanceId("a"), InstanceId("b")
NODE = Address(Place.NODE, "n")
ASSIGNMENT = AssignJob(RecordingRef(), SPEC, WORK, 2, b"audio", A)
RESULT = ResultArrived(
    SPEC.job_id, 2, NodeId("n"), JobResult(job_id=NodeJobId("job-1~2"), success=True)
)
PARTIAL = PartialArrived(SPEC.job_id, 2, "so far", is_final=False)


class NoEdge:
    """Nobody is called here."""

    def dial(self, hello: Hello, link: Mailbox) -> None:
        raise AssertionError((hello, link))

    def pack(self, address: Address, message: Any) -> LinkMessage:
        raise AssertionError((address, message))


class CountingDrops(NullMetrics):
    """Counts what reached nobody."""

    def __init__(self) -> None:
        self.dropped = 0

    def link_dropped(self) -> None:
        self.dropped += 1


class Bench:
    """Instance a, with a link to b that records."""

    def __init__(self) -> None:
        self.now_ms = 1000.0
        self.directory = Directory(A)
        self.dispatcher, self.link = RecordingRef("dispatcher"), RecordingRef("link")
        self.directory.dispatcher = self.dispatcher
        self.metrics = CountingDrops()
        self.remotes = LinkedMailboxes(self.directory, NoEdge(), self.metrics)
        self.directory.remotes = self.remotes
        self.started: list[InstanceId] = []
        self.remotes.start_link = self.start
        self.lease = Lease()
        self.lease.renew(self.now_ms, 3000)
        self.arrivals = Arrivals(self.directory, self.lease, self.metrics, lambda: self.now_ms)

    def start(self, peer: InstanceId) -> Mailbox:
        self.started.append(peer)
        return self.link

    def crossed(self) -> list[tuple[str, Any]]:
        return [(str(crossing.address), crossing.message) for crossing in self.link.of(Crossing)]


@pytest.fixture
def bench() -> Bench:
    return Bench()


# ---- ways ------------------------------------------------------------------------------------


def test_whoever_is_on_another_instance_is_sent_to_by_the_one_link_to_there(bench: Bench) -> None:
    directory = bench.directory
    ways = [
        directory.node_at(B, NodeId("n")),
        directory.session_at(B, SessionId("s")),
        directory.dispatcher_at(B),
    ]
    for way in ways:
        assert way is not None
        way.tell(PARTIAL)
    assert bench.crossed() == [
        ("node:n", PARTIAL),
        ("session:s", PARTIAL),
        ("dispatcher:", PARTIAL),
    ]
    assert bench.started == [B]
    assert bench.remotes.links == 1


def test_whoever_is_here_is_told_here(bench: Bench) -> None:
    node = RecordingRef()
    bench.directory.register_node(NodeId("n"), node)
    assert bench.directory.node_at(A, NodeId("n")) is node
    assert bench.directory.dispatcher_at(A) is bench.dispatcher
    assert bench.started == []


def test_there_is_no_way_to_an_instance_out_of_reach(bench: Bench) -> None:
    bench.remotes.reachable(B, is_reachable=False)
    assert bench.directory.node_at(B, NodeId("n")) is None
    assert bench.dispatcher.messages == [PeerUnreachable(B)]
    bench.remotes.reachable(B, is_reachable=True)
    assert bench.directory.node_at(B, NodeId("n")) is not None


def test_there_is_no_way_to_nobody_nor_before_links_are_open(bench: Bench) -> None:
    assert bench.directory.node_at(InstanceId(""), NodeId("n")) is None
    bench.remotes.start_link = None
    assert bench.directory.dispatcher_at(B) is None


def test_a_link_that_ended_is_followed_by_another(bench: Bench) -> None:
    assert bench.directory.dispatcher_at(B)
    bench.remotes.link_ended(B, RecordingRef())
    assert bench.remotes.links == 1
    bench.remotes.link_ended(B, bench.link)
    assert bench.remotes.links == 0
    assert bench.directory.dispatcher_at(B)
    assert bench.started == [B, B]


def test_a_suspicion_goes_to_who_looks_at_leases(bench: Bench) -> None:
    suspicions: list[PeerSuspected] = []
    bench.remotes.on_suspicion = suspicions.append
    bench.remotes.suspect(PeerSuspected(B, 5))
    assert suspicions == [PeerSuspected(B, 5)]


def test_what_did_not_arrive_comes_back_as_a_fact(bench: Bench) -> None:
    bench.remotes.hand_back(
        [
            UnderWay(1, NODE, ASSIGNMENT, 1),
            UnderWay(2, DISPATCHER, RESULT, 1),
            UnderWay(3, NODE, WithdrawJob(JobId("j"), 1, None), 1),
            UnderWay(4, Address(Place.SESSION, "s"), PARTIAL, 1),
            UnderWay(5, DISPATCHER, LinkBeat(), 1),
        ]
    )
    undelivered = JobUndelivered(SPEC.job_id, 2, NodeId("n"))
    assert bench.dispatcher.messages == [undelivered, RESULT]
    assert bench.metrics.dropped == 4


# ---- arrivals --------------------------------------------------------------------------------


def test_what_arrives_goes_to_its_actor(bench: Bench) -> None:
    node, session = RecordingRef("node"), RecordingRef("session")
    bench.directory.register_node(NodeId("n"), node)
    bench.directory.register_session(SessionId("s"), session)
    bench.arrivals.take(B, NODE, ASSIGNMENT)
    bench.arrivals.take(B, Address(Place.SESSION, "s"), PARTIAL)
    bench.arrivals.take(B, DISPATCHER, RESULT)
    assert (node.messages, session.messages) == ([ASSIGNMENT], [PARTIAL])
    assert bench.dispatcher.messages == [RESULT]
    assert bench.metrics.dropped == 0


def test_an_assignment_for_a_node_that_left_is_answered(bench: Bench) -> None:
    bench.arrivals.take(B, NODE, ASSIGNMENT)
    undelivered = JobUndelivered(SPEC.job_id, 2, NodeId("n"))
    assert bench.crossed() == [("dispatcher:", undelivered)]


def test_without_a_lease_no_assignment_is_taken(bench: Bench) -> None:
    """Others may have taken this instance for dead, and given the job to another node."""
    node = RecordingRef("node")
    bench.directory.register_node(NodeId("n"), node)
    bench.now_ms += 3000
    bench.arrivals.take(B, NODE, ASSIGNMENT)
    assert node.messages == []
    assert [message for _, message in bench.crossed()] == [
        JobUndelivered(SPEC.job_id, 2, NodeId("n"))
    ]
    bench.arrivals.take(B, NODE, WithdrawJob(SPEC.job_id, 2, None))
    assert len(node.messages) == 1


def test_a_beat_is_for_nobody_and_no_loss(bench: Bench) -> None:
    bench.arrivals.take(B, DISPATCHER, LinkBeat())
    assert bench.dispatcher.messages == []
    assert bench.metrics.dropped == 0


def test_what_comes_for_nobody_is_dropped_and_counted(bench: Bench) -> None:
    bench.arrivals.take(B, Address(Place.SESSION, "gone"), PARTIAL)
    bench.arrivals.take(B, NODE, WithdrawJob(JobId("j"), 1, None))
    assert bench.metrics.dropped == 2
    assert bench.crossed() == []


def test_a_lease_counts_from_when_it_was_asked_for() -> None:
    lease = Lease()
    assert not lease.holds(0.0)
    lease.renew(asked_at_ms=1000.0, lease_ms=3000)
    assert lease.holds(3999.0)
    assert not lease.holds(4000.0)
