"""Slots of utterances that are being spoken: they take nothing from who waits."""

from collections.abc import Callable
from typing import Any

import pytest

from protocol.ids import NodeId
from storage.job_limits import JobLimits
from storage.replies.job import (
    Assigned,
    Completed,
    Duplicate,
    Gone,
    NoNode,
    Queued,
    Reaped,
)
from storage.tenant_share import TenantShare
from tests.support.storage_world import World

TENANTS = {"bounded": TenantShare(slots=2)}


def taken_back(world: World, owner: str = "i1") -> list[str]:
    """Return the streams that their owner was told to give up."""
    return [note["job"] for _, note in world.notes(owner) if note["kind"] == "stream_taken"]


def test_only_a_node_that_streams_gets_what_is_being_spoken(world: World) -> None:
    world.node("whole", slots=4)
    assert world.open_stream("s", 1) == NoNode()
    world.node("n1", slots=4, streaming=True)
    opened = world.open_stream("s", 1)
    assert isinstance(opened, Assigned)
    assert (opened.node_id, opened.attempt) == ("n1", 1)
    assert world.slots("n1") == {"s|turn-1|es": "job-s-1-es"}


def test_its_cut_makes_it_a_job_like_any_other(world: World) -> None:
    world.node("n1", slots=2, streaming=True)
    world.open_stream("s", 1)
    world.wait(25_000)
    cut = world.cut_stream("s", 1, cost_ms=25_000)
    assert isinstance(cut, Assigned)
    assert (cut.job_id, cut.node_id, cut.attempt) == ("job-s-1-es", "n1", 1)
    assert cut.due_in_ms == 30_000, "its deadline counts from the cut"
    assert isinstance(world.cut_stream("s", 1, cost_ms=25_000), Duplicate), "once only"
    assert isinstance(world.close_stream("job-s-1-es"), Gone), "it is no stream any more"
    assert isinstance(world.complete("job-s-1-es", "n1"), Completed)
    assert world.slots("n1") == {}


def test_one_that_was_lost_meanwhile_needs_another_attempt(world: World) -> None:
    world.node("n1", slots=2, streaming=True)
    world.open_stream("s", 1)
    assert isinstance(world.close_stream("job-s-1-es"), Completed)
    cut = world.cut_stream("s", 1)
    assert isinstance(cut, Assigned)
    assert cut.attempt == 2, "the node has heard of the first one"


def test_one_that_comes_to_nothing_leaves_nothing(world: World) -> None:
    world.node("n1", streaming=True)
    world.open_stream("s", 1)
    world.close_stream("job-s-1-es")
    assert world.slots("n1") == {}
    assert world.command("EXISTS", "job:job-s-1-es", "inst:i1:jobs", "session:s:jobs") == 0
    assert isinstance(world.close_stream("job-s-1-es"), Gone)


@pytest.mark.parametrize(("slots", "streams"), [(1, 1), (2, 2), (3, 3), (4, 3), (10, 8)])
def test_a_part_of_the_slots_of_the_pair_stays_free(world: World, slots: int, streams: int) -> None:
    world.node("n1", slots=slots, streaming=True)
    replies = [world.open_stream("s", index) for index in range(slots)]
    assert sum(isinstance(reply, Assigned) for reply in replies) == streams


def test_slots_of_nodes_that_do_not_stream_count_in_what_stays_free(world: World) -> None:
    world.node("whole", slots=8)
    world.node("n1", slots=4, streaming=True)
    assert all(isinstance(world.open_stream("s", index), Assigned) for index in range(4))
    world.node("other", asr=["de"], slots=100)  # another pair
    world.close_stream("job-s-0-es")
    for index in range(10, 16):
        assert isinstance(world.dispatch("t", index), Assigned)
    # 12 slots, of which 3 stay free: 6 whole utterances and 3 streams leave 3.
    assert world.open_stream("s", 4) == NoNode()


def test_a_whole_utterance_takes_the_youngest_stream_that_could_give_way(world: World) -> None:
    world.node("n1", slots=2, streaming=True)
    world.open_stream("s", 1)
    world.wait(10)
    world.open_stream("s", 2)
    whole = world.dispatch("t", 1)
    assert isinstance(whole, Assigned)
    assert taken_back(world) == ["job-s-2-es"]
    assert isinstance(world.cut_stream("s", 2), Assigned), "the other one gives way, too"
    assert taken_back(world) == ["job-s-2-es", "job-s-1-es"]
    assert isinstance(world.dispatch("t", 2), Queued), "what is cut gives way to nobody"


def test_nothing_is_streamed_where_somebody_waits(world: World) -> None:
    world.node("n1", slots=1, streaming=True)
    world.dispatch("s", 1)
    assert isinstance(world.dispatch("s", 2), Queued)
    world.node("whole", asr=["de"], slots=4)
    world.node("n2", slots=1, streaming=True)
    assert world.slots("n2") != {}, "who waited has it"
    assert world.open_stream("t", 1) == NoNode()


def test_who_waits_for_another_language_stands_in_nobodys_way(world: World) -> None:
    world.node("n1", slots=2, streaming=True)
    assert isinstance(world.dispatch("s", 1, requirement="a:fr,s:de"), Queued)
    assert isinstance(world.open_stream("t", 1), Assigned)
    assert isinstance(world.open_stream("t", 2), Assigned)
    whole = world.dispatch("u", 1)  # others wait, if for something else: it is served in its turn
    assert isinstance(whole, Queued)
    assert [one.job_id for one in whole.handovers] == ["job-u-1-es"]
    assert taken_back(world) == ["job-t-2-es"]


def test_a_job_that_moves_takes_a_stream_back(world: World) -> None:
    world.node("whole")
    world.dispatch("s", 1)
    world.node("n1", streaming=True)
    world.open_stream("t", 1)
    world.offline("whole")
    moved = world.failover("job-s-1-es", "whole", exclude_node=True)
    assert [moved.job_id, *(one.job_id for one in moved.handovers)][-1] == "job-s-1-es"
    assert world.slots("n1") != {}
    assert taken_back(world) == ["job-t-1-es"]


def test_a_node_that_comes_back_to_a_language_gives_its_stream_to_who_waits(world: World) -> None:
    world.node("n1", streaming=True)
    world.open_stream("s", 1)
    world.update("n1", draining=True)
    assert isinstance(world.dispatch("t", 1), Queued), "a drained node gets nothing"
    back = world.update("n1", draining=False)
    assert [one.job_id for one in back.handovers] == ["job-t-1-es"]
    assert taken_back(world) == ["job-s-1-es"]


def test_no_stream_goes_to_a_node_that_is_excluded_drained_or_marked(world: World) -> None:
    world.node("n1", slots=2, streaming=True)
    assert world.open_stream("s", 1, excluded=["n1"]) == NoNode()
    world.heartbeat("n1", overloaded=True)
    assert world.open_stream("s", 1) == NoNode()
    world.heartbeat("n1")
    world.update("n1", draining=True)
    assert world.open_stream("s", 1) == NoNode()


def test_a_lost_node_names_its_streams(world: World) -> None:
    world.node("n1", streaming=True)
    world.open_stream("s", 1)
    lost = world.offline("n1")
    assert [job.job_id for job in lost.jobs] == ["job-s-1-es"]
    cut = world.cut_stream("s", 1)
    assert isinstance(cut, Queued)
    assert cut.attempt == 2
    assert world.slots("n1") == {}


def test_a_dead_owners_streams_are_forgotten_at_once(world: World) -> None:
    world.beat("i2")
    world.session("s", "i2")
    world.node("n1", streaming=True)
    assert isinstance(world.open_stream("s", 1, "i2"), Assigned)
    world.wait(5_000)
    world.beat()
    reaped = world.reap("i2")
    assert isinstance(reaped, Reaped)
    assert world.slots("n1") == {}


def test_a_session_that_moves_leaves_its_stream_behind(world: World) -> None:
    world.beat("i2")
    world.resumable("s")
    world.node("n1", streaming=True)
    world.open_stream("s", 1)
    claimed = world.take_over("s", "i2")
    assert claimed.jobs == ()
    assert world.slots("n1") == {}
    assert taken_back(world) == ["job-s-1-es"], "its node may stop, too"
    assert isinstance(world.close_stream("job-s-1-es"), Gone)


def test_a_tenant_at_its_bound_gives_its_own_stream_back(
    server: str, open_world: Callable[..., World]
) -> None:
    world = open_world(server, JobLimits(shares=TENANTS))
    world.node("n1", slots=8, streaming=True)
    own: dict[str, Any] = {"tenant_id": "bounded"}
    for index in (1, 2):
        assert isinstance(world.open_stream("s", index, **own), Assigned)
    assert isinstance(world.open_stream("t", 1), Assigned)
    assert world.open_stream("s", 3, **own) == NoNode()
    assert isinstance(world.dispatch("s", 4, **own), Assigned)
    assert taken_back(world) == ["job-s-2-es"], "not that of another tenant"


def test_another_instance_cannot_end_a_stream(world: World) -> None:
    world.beat("i2")
    world.node("n1", streaming=True)
    world.open_stream("s", 1)
    assert isinstance(world.close_stream("job-s-1-es", "i2"), Gone)
    assert world.slots("n1") != {}


def test_the_last_node_of_the_session_comes_first(world: World) -> None:
    for name in ("n1", "n2", "n3"):
        world.node(name, slots=4, streaming=True)
    first = world.dispatch("s", 1)
    opened = world.open_stream("s", 2)
    assert (opened.node_id, opened.node_id) == (first.node_id, NodeId(first.node_id))


def test_a_node_that_answers_what_is_still_spoken_falls_sick_of_it(world: World) -> None:
    world.node("bad", slots=4, streaming=True)
    opened = [world.open_stream(session, 1) for session in ("s1", "s2", "s3")]
    for stream in opened:
        assert isinstance(stream, Assigned)
        world.close_stream(stream.job_id, erred=True)
    found = world.run(world.member().nodes.get_node(NodeId("bad")))
    assert found is not None
    assert (found.health, found.errors_in_row) == ("sick", 3)
    assert world.slots("bad") == {}
    world.node("good", slots=4, streaming=True)
    other = world.open_stream("s4", 1)
    assert isinstance(other, Assigned)
    assert other.node_id == "good"


def test_what_a_node_answers_too_early_frees_its_slot_for_who_waits(world: World) -> None:
    world.node("bad", slots=1, streaming=True)
    opened = world.open_stream("s1", 1)
    assert isinstance(opened, Assigned)
    world.node("bad", slots=1, streaming=True)
    assert isinstance(world.close_stream(opened.job_id, erred=True), Completed)
    assert isinstance(world.dispatch("s2", 1), Assigned)
