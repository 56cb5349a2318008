"""What operators do to what lives here, and to what lives on other instances."""

import asyncio
from typing import Any

from actors.directory import Directory
from actors.messages.job import EndJob
from actors.messages.node import DrainNode, UndrainNode
from actors.messages.operator import (
    OperatorAnswered,
    OperatorAsked,
    OperatorCommand,
    SessionRow,
)
from actors.messages.session import CloseRequested
from actors.operations import Operations
from actors.ports import Mailbox
from gateway.link.codec import pack, unpack_link_message
from protocol.errors import MissingReason
from protocol.ids import InstanceId, NodeId, SessionId, session_ref
from protocol.instances.link import OPERATIONS
from tests.support.recording import RecordingRef
from tests.support.virtual_time import run_virtual

HERE, THERE, NOWHERE = InstanceId("i1"), InstanceId("i2"), InstanceId("i3")
SESSION, NODE = SessionId("s-secret"), NodeId("n1")


class View:
    """A session as it is shown."""

    session_id = SESSION

    def row(self) -> SessionRow:
        return SessionRow(
            *(session_ref(SESSION), THERE, "default", "web", "en", "es", "active"),
            is_resumable=False,
            in_room=False,
            open_utterances=2,
            opened_at_ms=1,
        )


class Link:
    """The way to another instance: what is told crosses it as bytes."""

    def __init__(self, world: "World", to: InstanceId) -> None:
        self._world = world
        self._to = to

    def tell(self, message: Any) -> None:
        parcel = pack(OPERATIONS, message)
        arrived = unpack_link_message(parcel, lambda *_: None)
        asyncio.get_running_loop().call_soon(self._world.operations[self._to].tell, arrived)


class World:
    """Two instances; a session, a node and a job live on the second."""

    def __init__(self) -> None:
        self.is_silent = False
        self.directories = {name: Directory(name) for name in (HERE, THERE)}
        self.operations = {
            name: Operations(directory, self.way) for name, directory in self.directories.items()
        }
        self.session, self.node = RecordingRef("session"), RecordingRef("node")
        self.dispatcher = RecordingRef("dispatcher")
        there = self.directories[THERE]
        there.dispatcher = self.dispatcher
        there.register_session(SESSION, self.session)
        there.views[session_ref(SESSION)] = View()
        there.register_node(NODE, self.node)

    def way(self, instance_id: InstanceId) -> Mailbox | None:
        if instance_id == NOWHERE:
            return None
        return RecordingRef("silence") if self.is_silent else Link(self, instance_id)

    def request(self, command: OperatorCommand, target: str = "") -> OperatorAnswered:
        return run_virtual(self.operations[HERE].request(THERE, command, target))


def test_a_session_elsewhere_is_closed_by_its_name_for_operators() -> None:
    world = World()
    answer = world.request(OperatorCommand.CLOSE_SESSION, session_ref(SESSION))
    assert answer.error is None
    assert world.session.only(CloseRequested).acknowledge


def test_its_id_is_no_name_for_it() -> None:
    world = World()
    answer = world.request(OperatorCommand.CLOSE_SESSION, SESSION)
    assert answer.is_unknown
    assert world.session.messages == []


def test_a_session_that_has_left_is_not_shown_any_more() -> None:
    world = World()
    world.directories[THERE].remove_session(SESSION, world.session)
    assert world.request(OperatorCommand.CLOSE_SESSION, session_ref(SESSION)).is_unknown
    assert world.request(OperatorCommand.LIST_SESSIONS).sessions == ()


def test_a_node_elsewhere_is_drained_and_undrained() -> None:
    world = World()
    assert world.request(OperatorCommand.DRAIN_NODE, NODE).error is None
    assert world.request(OperatorCommand.UNDRAIN_NODE, NODE).error is None
    assert world.node.messages == [DrainNode(by_operator=True), UndrainNode()]
    assert world.request(OperatorCommand.DRAIN_NODE, "other").is_unknown


def test_a_job_elsewhere_is_cancelled_by_who_drives_it() -> None:
    world = World()
    assert world.request(OperatorCommand.CANCEL_JOB, "job-1").error is None
    ending = world.dispatcher.only(EndJob)
    assert (ending.job_id, ending.reason) == ("job-1", MissingReason.CANCELLED)


def test_sessions_elsewhere_are_listed_without_their_ids() -> None:
    [row] = World().request(OperatorCommand.LIST_SESSIONS).sessions
    assert (row.session_ref, row.open_utterances) == (session_ref(SESSION), 2)
    assert SESSION not in repr(row)


def test_an_instance_that_does_not_answer_is_not_waited_for_long() -> None:
    world = World()
    world.is_silent = True
    assert world.request(OperatorCommand.LIST_SESSIONS).error == "its instance does not answer"


def test_an_instance_that_cannot_be_reached_is_an_answer() -> None:
    world = World()
    work = world.operations[HERE].request(NOWHERE, OperatorCommand.LIST_SESSIONS)
    assert run_virtual(work).error == "its instance cannot be reached now"


def test_an_answer_that_nobody_waits_for_changes_nothing() -> None:
    world = World()
    world.operations[HERE].tell(OperatorAnswered(77))
    world.operations[THERE].tell(OperatorAsked(NOWHERE, 1, OperatorCommand.LIST_SESSIONS))
    assert world.request(OperatorCommand.LIST_SESSIONS).error is None
