"""The directory finds actors by id, and a late good-bye removes nobody else."""

import pytest

from actors.directory import Directory
from actors.ports import Mailbox
from actors.runtime.actor import tell
from protocol.ids import InstanceId, NodeId, SessionId
from tests.support.recording import RecordingRef

NODE = NodeId("node-1")
SESSION = SessionId("s-1")


def test_actors_are_found_by_their_ids_until_they_are_removed() -> None:
    directory = Directory()
    node, session = RecordingRef(), RecordingRef()
    assert directory.register_node(NODE, node) is None
    assert directory.register_session(SESSION, session) is None
    assert directory.nodes[NODE] is node
    assert directory.sessions[SESSION] is session
    assert directory.remove_node(NODE, node)
    assert directory.remove_session(SESSION, session)
    assert repr(directory) == "<Directory sessions=0 nodes=0>"


def test_an_actor_that_was_replaced_removes_nothing() -> None:
    directory = Directory()
    old, current = RecordingRef(), RecordingRef()
    directory.register_node(NODE, old)
    assert directory.register_node(NODE, current) is old
    assert directory.register_node(NODE, current) is None
    assert not directory.remove_node(NODE, old)
    assert directory.nodes[NODE] is current


def test_removing_somebody_unknown_changes_nothing() -> None:
    assert not Directory().remove_session(SESSION, RecordingRef())


def test_the_dispatcher_must_be_there_before_anybody_tells_it_something() -> None:
    directory = Directory()
    with pytest.raises(LookupError, match="no dispatcher"):
        tell(directory.dispatcher, "early")
    directory.dispatcher = first = RecordingRef()
    assert directory.dispatcher is first
    directory.dispatcher = second = RecordingRef()
    assert directory.dispatcher is second


class Far:
    """Another instance, by one mailbox per actor."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    def _way(self, instance_id: str, actor_id: str) -> Mailbox | None:
        self.asked.append((instance_id, actor_id))
        return None

    session = node = _way

    def dispatcher(self, instance_id: str) -> Mailbox | None:
        return self._way(instance_id, "")

    def flush(self, _asker: Mailbox) -> int:
        return 0


def test_an_actor_of_another_instance_is_looked_for_there_whatever_is_here() -> None:
    far = Far()
    directory = Directory(InstanceId("i-a"), far)
    here = RecordingRef()
    directory.register_session(SessionId("s-1"), here)
    assert directory.session_at(InstanceId("i-a"), SessionId("s-1")) is here
    assert directory.node_at(InstanceId("i-a"), NodeId("n-1")) is None
    assert far.asked == []
    assert directory.session_at(InstanceId("i-b"), SessionId("s-1")) is None
    assert directory.node_at(InstanceId("i-b"), NodeId("n-1")) is None
    assert far.asked == [("i-b", "s-1"), ("i-b", "n-1")]
