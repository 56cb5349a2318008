"""The directory finds actors by id, and a late good-bye removes nobody else."""

import pytest

from actors.directory import Directory
from protocol.ids import NodeId, SessionId
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


def test_the_dispatcher_must_be_there_before_anybody_looks_it_up() -> None:
    directory = Directory()
    with pytest.raises(LookupError, match="no dispatcher"):
        _ = directory.dispatcher
    directory.dispatcher = first = RecordingRef()
    assert directory.dispatcher is first
    directory.dispatcher = second = RecordingRef()
    assert directory.dispatcher is second
