"""Text from outside names a thing of its kind in the store, or nothing."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.ids import (
    InstanceId,
    JobId,
    NodeId,
    SessionId,
    new_job_id,
    new_node_id,
    place_of_session,
)
from storage.keys import key_text
from storage.replies.job import Gone, RoomGone
from storage.replies.session import LostSession, UnknownSession
from tests.support.storage_world import World

TALKING = (
    "n1:slots",
    "s:jobs",
    "s:queued",
    "s:jobs\n",
    "000000:seats",
    "{c1}",
    "*",
    "",
    " ",
    "\ud800",
)


@given(st.text(), st.text())
def test_no_two_texts_become_one_and_none_has_a_separator(one: str, other: str) -> None:
    assert not re.search(r"[:|=,{}\s]", key_text(one))
    assert (key_text(one) == key_text(other)) == (one == other)


def test_ids_of_ours_stay_as_they_are() -> None:
    session = SessionId("s-0123456789abcdef")
    for name in (
        session,
        new_job_id(place_of_session(session)),
        new_node_id(),
        "gpu_1.site-2",
        "job-1~2",
    ):
        assert key_text(name) == name


@pytest.mark.parametrize("text", TALKING)
def test_made_up_ids_are_unknown(world: World, text: str) -> None:
    world.node("n1")
    world.dispatch("s", 1)
    world.room("000000", "s")
    member = world.member()
    assert world.run(member.nodes.get_node(NodeId(text))) is None
    assert world.run(member.jobs.get_job(JobId(text))) is None
    assert world.run(member.instances.find(InstanceId(text))) is None
    assert world.do(member.jobs.locate(JobId(text))) == Gone()
    assert world.do(member.sessions.find(SessionId(text))) == UnknownSession()
    assert isinstance(world.do(member.sessions.locate(SessionId(text))), LostSession)
    assert isinstance(world.do(member.rooms.look(text, 1000)), RoomGone)
    assert isinstance(world.do(member.rooms.join(text, world.seat("s"), 8)), RoomGone)
