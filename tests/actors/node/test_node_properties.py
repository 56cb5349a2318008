"""Whatever a node's actor is told, in whatever order: it comes to rest, and so does the dispatcher.

What an actor tells itself is handled here as the runtime would. An actor that is told a few
messages and goes on for ever fails this, and so does one that owes the dispatcher without a bound.
"""

from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from actors.directory import Directory
from actors.messages.node import (
    DrainNode,
    NodeAccepted,
    NodeArrived,
    NodeChanged,
    NodeHeartbeatArrived,
    NodeIsAlive,
    NodeLost,
    NodeMessageArrived,
    NodeRefused,
    NodeRegistering,
    NodeSocketLost,
    NodeSuperseded,
    NodeUnknown,
    NodeUpdated,
    ProbeNode,
)
from actors.messages.process import DispatcherRestarted, StoreEmptied
from actors.node.actor import NodeActor
from actors.node.options import NodeOptions
from protocol.ids import InstanceId, NodeId, NodeJobId
from protocol.messages.node_inbound import JobAck, LanguageCapabilities, NodeHeartbeat, NodeRegister
from tests.support.inbox_entry import message_in
from tests.support.recording import HandClock, RecordingOutbox, RecordingRef

NODE = NodeId("n")
LANGUAGES = [("en",), ("es",), ("en", "es")]


class Rig:
    """A node's actor, two sockets and a dispatcher that answers when it is let."""

    def __init__(self) -> None:
        self.clock = HandClock(1000.0)
        self.directory = Directory()
        self.dispatcher = RecordingRef("dispatcher")
        self.directory.dispatcher = self.dispatcher
        self.sockets = (RecordingOutbox(), RecordingOutbox())
        self.node = self.clock.hold(NodeActor(NODE, self.directory, NodeOptions()))
        self.directory.register_node(NODE, self.node.actor_ref)
        self.handled = 0

    @property
    def is_over(self) -> bool:
        return NODE not in self.directory.nodes

    def tell(self, *messages: Any) -> None:
        """Leave messages that are handled in one turn of the loop, and what comes of them."""
        for message in messages:
            if not self.is_over:
                self.node.actor_ref.tell(message)
        self.settle()

    def settle(self) -> None:
        inbox, given = self.node.actor_inbox, len(self.node.actor_inbox)
        handled = 0
        while inbox.queue and not self.is_over:
            handled += 1
            assert handled <= given, "the actor tells itself something"
            self.node.on_receive(message_in(inbox.get()))
        self.clock.advance_to(self.clock.now_ms)

    def register(self, socket: int, languages: int = 0) -> NodeRegistering:
        served = LanguageCapabilities(asr_languages=LANGUAGES[languages])
        return NodeRegistering(NodeRegister(language_capabilities=served), self.sockets[socket])

    def beat(self, languages: int) -> NodeHeartbeatArrived:
        served = LanguageCapabilities(asr_languages=LANGUAGES[languages])
        return NodeHeartbeatArrived(NodeHeartbeat(node_id=NODE, language_capabilities=served))

    def answer(self, epoch: int) -> None:
        """Let the dispatcher answer what it was told."""
        for message in self.dispatcher.take():
            if isinstance(message, NodeArrived):
                self.tell(NodeAccepted(epoch))
            elif isinstance(message, NodeChanged):
                self.tell(NodeUpdated(message.epoch))


small = st.integers(0, 1)
ACTIONS: list[st.SearchStrategy[Callable[[Rig], Any]]] = [
    st.builds(lambda s, n: lambda rig: rig.register(s, n), small, st.integers(0, 2)),
    st.builds(lambda s: lambda rig: NodeSocketLost(rig.sockets[s]), small),
    st.builds(lambda n: lambda rig: rig.beat(n), st.integers(0, 2)),
    st.builds(lambda n: lambda _rig: NodeAccepted(n), st.integers(1, 3)),
    st.builds(lambda n: lambda _rig: NodeUnknown(n), st.integers(1, 3)),
    st.sampled_from(
        [
            lambda _rig: NodeRefused(),
            lambda _rig: NodeSuperseded(),
            lambda _rig: NodeSuperseded(InstanceId("elsewhere")),
            lambda _rig: NodeIsAlive(),
            lambda _rig: ProbeNode(InstanceId("elsewhere")),
            lambda _rig: StoreEmptied(),
            lambda _rig: DispatcherRestarted(),
            lambda _rig: DrainNode(),
            lambda _rig: NodeMessageArrived(JobAck(job_id=NodeJobId("j"))),
        ]
    ),
]


@settings(max_examples=300, deadline=None)
@given(turns=st.lists(st.lists(st.one_of(*ACTIONS), min_size=1, max_size=6), max_size=5))
def test_a_nodes_actor_comes_to_rest(turns: list[list[Callable[[Rig], Any]]]) -> None:
    rig = Rig()
    rig.tell(rig.register(0))
    for epoch, turn in enumerate(turns, start=1):
        before = len(rig.dispatcher.messages)
        rig.tell(*(make(rig) for make in turn))
        assert len(rig.dispatcher.messages) - before <= 3 * len(turn)
        if epoch % 2:
            rig.answer(epoch)
    lost = [NodeSocketLost(socket) for socket in rig.sockets]
    rig.tell(*lost)
    rig.clock.advance_to(rig.clock.now_ms + 1)
    assert rig.is_over, "both its sockets are gone"


def test_two_ends_of_one_socket_end_it_once() -> None:
    """`node_register` X, Y, X, Y in one write, then the end: 188 bytes that filled 4 GB."""
    rig = Rig()
    gone = NodeSocketLost(rig.sockets[0])
    rig.tell(rig.register(0), gone, rig.register(0), gone, gone)
    rig.clock.advance_to(rig.clock.now_ms + 1)
    assert rig.is_over
    assert len(rig.dispatcher.of(NodeLost)) <= 3


def test_of_many_changes_of_languages_the_last_one_wins_and_one_is_under_way() -> None:
    rig = Rig()
    rig.tell(rig.register(0))
    rig.answer(1)
    for number in range(1000):
        rig.tell(rig.beat(number % 3))
    changes = rig.dispatcher.of(NodeChanged)
    assert len(changes) == 1
    rig.answer(1)
    assert [one.languages.asr for one in rig.dispatcher.of(NodeChanged)] == [LANGUAGES[999 % 3]]


def test_of_many_registrations_the_last_one_wins_and_each_is_answered() -> None:
    rig = Rig()
    for number in range(100):
        rig.tell(rig.register(0, number % 3))
    [first] = rig.dispatcher.of(NodeArrived)
    rig.answer(1)
    [last] = rig.dispatcher.of(NodeArrived)
    assert (first.languages.asr, last.languages.asr) == (LANGUAGES[0], LANGUAGES[99 % 3])
    rig.answer(2)
    assert len(rig.sockets[0].messages) == 100
