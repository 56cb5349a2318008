"""Two sockets claim one node id: whoever was there first keeps it, if it is alive."""

from actors.messages.node import (
    NodeAccepted,
    NodeArrived,
    NodeIsAlive,
    NodeRegistering,
    NodeSocketLost,
    NodeSuperseded,
    ProbeNode,
)
from protocol.ids import InstanceId, NodeId
from protocol.messages.node_inbound import NodeRegister
from protocol.messages.node_outbound import NodeRegisterAck
from tests.actors.support.node_bench import NodeBench
from tests.support.recording import RecordingOutbox, RecordingRef

FAR = InstanceId("far")
PROBE_MS = 2_000


class Far:
    """Ways to one other instance."""

    def __init__(self) -> None:
        self.node_there = RecordingRef("the node's actor there")

    def session(self, *_: object) -> None:
        """No sessions there."""

    def dispatcher(self, _instance: InstanceId) -> None:
        """Nobody tells its dispatcher."""

    def node(self, instance_id: InstanceId, _node_id: NodeId) -> RecordingRef | None:
        return self.node_there if instance_id == FAR else None

    def flush(self, _asker: object) -> int:
        return 0


def far_of(bench: NodeBench) -> Far:
    far = Far()
    bench.directory.remotes = far
    bench.directory.instance_id = InstanceId("near")
    return far


def wait(bench: NodeBench, ms: float = PROBE_MS) -> None:
    bench.clock.advance_to(bench.clock.now_ms + ms)


def refused_with(outbox: RecordingOutbox) -> str | None:
    ack = outbox.only(NodeRegisterAck)
    return ack.error.code if ack.error is not None else None


def test_a_second_socket_is_refused_while_the_first_is_alive() -> None:
    bench = NodeBench().online()
    second = RecordingOutbox()
    bench.register(second)
    assert bench.outbox.probes == 1
    bench.outbox.is_heard = True
    wait(bench, 200)
    assert refused_with(second) == "NODE_ID_IN_USE"
    assert bench.dispatcher.of(NodeArrived) == []
    bench.tell(NodeSocketLost(second))
    assert NodeId("n") in bench.directory.nodes


def test_a_second_socket_takes_over_from_one_that_gives_no_sign_of_life() -> None:
    bench = NodeBench().online()
    second = RecordingOutbox()
    bench.register(second)
    wait(bench, PROBE_MS - 100)
    assert bench.dispatcher.of(NodeArrived) == []
    wait(bench, 200)
    bench.tell(NodeAccepted(2))
    assert refused_with(second) is None


def test_a_second_socket_takes_over_at_once_when_the_first_ends() -> None:
    bench = NodeBench().online()
    second = RecordingOutbox()
    bench.register(second)
    bench.tell(NodeSocketLost(bench.outbox))
    assert len(bench.dispatcher.of(NodeArrived)) == 1


def test_of_two_that_claim_it_at_once_one_is_considered() -> None:
    bench = NodeBench().online()
    second, third = RecordingOutbox(), RecordingOutbox()
    bench.register(second)
    bench.register(third)
    assert refused_with(third) == "NODE_ID_IN_USE"
    wait(bench)
    bench.tell(NodeAccepted(2))
    assert refused_with(second) is None


def test_a_registration_asks_before_it_takes_a_node_from_another_instance() -> None:
    bench = NodeBench()
    far = far_of(bench)
    bench.register()
    assert bench.dispatcher.take()[0].known_epoch == 1
    bench.tell(NodeSuperseded(FAR))
    assert far.node_there.only(ProbeNode).asker == "near"
    bench.tell(NodeIsAlive())
    assert refused_with(bench.outbox) == "NODE_ID_IN_USE"
    assert NodeId("n") not in bench.directory.nodes
    assert bench.dispatcher.messages == []


def test_without_an_answer_of_the_other_instance_it_takes_the_node_over() -> None:
    bench = NodeBench()
    far_of(bench)
    bench.register()
    bench.dispatcher.take()
    bench.tell(NodeSuperseded(FAR))
    wait(bench)
    assert bench.dispatcher.only(NodeArrived).known_epoch == 0
    bench.tell(NodeIsAlive())  # too late
    bench.tell(NodeAccepted(5))
    assert refused_with(bench.outbox) is None


def test_an_instance_out_of_reach_is_not_waited_for() -> None:
    bench = NodeBench()
    bench.register()
    bench.dispatcher.take()
    bench.tell(NodeSuperseded(FAR))
    assert bench.dispatcher.only(NodeArrived).known_epoch == 0


def test_another_instance_hears_of_a_sign_of_life_and_of_nothing_else() -> None:
    bench = NodeBench().online()
    far = far_of(bench)
    bench.tell(ProbeNode(FAR))
    wait(bench, 500)
    assert far.node_there.messages == []
    bench.outbox.is_heard = True
    wait(bench, 200)
    assert far.node_there.of(NodeIsAlive) == [NodeIsAlive()]


def test_the_same_socket_may_register_again_at_any_time() -> None:
    bench = NodeBench().online()
    bench.tell(NodeRegistering(NodeRegister(), bench.outbox))
    assert bench.outbox.probes == 0
    assert len(bench.dispatcher.of(NodeArrived)) == 1
