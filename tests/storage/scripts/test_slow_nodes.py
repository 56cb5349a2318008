"""Nodes that take longer than others: among those with a free slot the fast ones get the jobs."""

import pytest

from storage.replies.job import Assigned
from tests.support.storage_world import World


def nodes(world: World, **speeds: int) -> None:
    """Register nodes with two slots each, which take so many ms for a second of speech."""
    for name, speed in speeds.items():
        world.node(name, slots=2)
        world.heartbeat(name, speed=speed)


def given(world: World, session: str, index: int = 1) -> str:
    world.wait(1)
    reply = world.dispatch(session, index)
    assert isinstance(reply, Assigned)
    return str(reply.node_id)


def test_a_slow_node_gets_work_only_when_the_others_are_full(world: World) -> None:
    nodes(world, slow=1000, fast=100, quick=150)
    names = [given(world, f"s{n}") for n in range(6)]
    assert sorted(names[:4]) == ["fast", "fast", "quick", "quick"]
    assert names[4:] == ["slow", "slow"]


def test_nodes_within_a_factor_of_two_count_as_equal(world: World) -> None:
    nodes(world, one=100, other=190)
    assert {given(world, "s1"), given(world, "s2")} == {"one", "other"}


def test_what_was_not_measured_counts_as_fast(world: World) -> None:
    nodes(world, slow=1000, fast=100)
    world.node("new", slots=2)
    assert {given(world, f"s{n}") for n in range(4)} == {"fast", "new"}


def test_of_slow_nodes_the_less_slow_come_first(world: World) -> None:
    nodes(world, fast=100, slow=400, slowest=2000)
    names = [given(world, f"s{n}") for n in range(6)]
    assert names == ["fast", "fast", "slow", "slow", "slowest", "slowest"]


def test_a_session_leaves_its_node_for_one_that_is_more_than_twice_as_fast(world: World) -> None:
    nodes(world, slow=1000)
    assert given(world, "s1") == "slow"
    world.complete("job-s1-1-es", "slow")
    assert given(world, "s1", 2) == "slow"
    world.complete("job-s1-2-es", "slow")
    nodes(world, fast=100)
    assert given(world, "s1", 3) == "fast"


def test_a_session_stays_with_its_node_when_the_faster_one_serves_other_languages(
    world: World,
) -> None:
    nodes(world, slow=1000, alike=1000)
    world.node("fast", slots=2, asr=["fr"])
    world.heartbeat("fast", speed=100)
    usual = given(world, "s1")
    for index in range(2, 6):
        world.complete(f"job-s1-{index - 1}-es", usual)
        assert given(world, "s1", index) == usual


def test_a_node_that_speaks_comes_before_a_fast_one_that_does_not(world: World) -> None:
    nodes(world, slow=1000)
    world.node("mute", slots=2, tts=[])
    world.heartbeat("mute", speed=100)
    assert given(world, "s1") == "slow"


def test_a_marked_node_comes_last_however_fast_it_is(world: World) -> None:
    nodes(world, slow=1000, fast=100)
    world.heartbeat("fast", speed=100, overloaded=True, hold_ms=10_000)
    assert given(world, "s1") == "slow"


def test_a_speed_lapses_when_it_is_not_measured_again(world: World) -> None:
    nodes(world, slow=1000, fast=100)
    world.wait(600_001)
    world.beat()
    world.heartbeat("slow", "fast")
    world.sweep()
    assert {given(world, "s1"), given(world, "s2")} == {"slow", "fast"}
    record = world.run(world.member().nodes.get_node("slow"))  # type: ignore[arg-type]
    assert record is not None
    assert record.ms_per_second is None


def test_a_speed_outlives_the_connection_and_the_instance(world: World) -> None:
    nodes(world, slow=1000, fast=100)
    world.beat("i2")
    world.node("slow", slots=2, owner="i2")
    assert {given(world, "s1"), given(world, "s2")} == {"fast"}


@pytest.mark.parametrize(("first", "then", "changes"), [(100, 104, False), (100, 130, True)])
def test_a_speed_that_wavers_moves_no_node(
    world: World, first: int, then: int, *, changes: bool
) -> None:
    nodes(world, one=first)
    group = world.command("HGET", "node:one", "group")
    world.heartbeat("one", speed=then)
    assert (world.command("HGET", "node:one", "group") != group) is changes


def test_nodes_of_one_kind_are_counted_however_fast_they_are(world: World) -> None:
    nodes(world, slow=1000, fast=100)
    world.node("other", asr=["fr"])
    record = world.run(world.member().nodes.get_node("slow"))  # type: ignore[arg-type]
    assert record is not None
    counted = world.do(world.member().nodes.count(record.node_id, record.atoms))
    assert counted.alike == 2


def test_abilities_are_bare(world: World) -> None:
    nodes(world, slow=1000, fast=100)
    assert len(world.run(world.member().nodes.abilities())) == 1
