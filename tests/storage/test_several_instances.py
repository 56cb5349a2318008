"""Several instances on one store: who is there, whose node is chosen, where nodes and jobs are."""

from protocol.ids import InstanceId, JobId, NodeId
from storage.job import JobState
from storage.nodes import NodeRegistration
from storage.replies.job import (
    Assigned,
    Completed,
    Located,
    Queued,
    Registered,
    SlotsHeld,
    Stale,
    Superseded,
)
from tests.support.storage_world import LEASE_MS, World


def two_instances(world: World) -> World:
    world.beat("i2")
    return world


# ---- who is there ----------------------------------------------------------------------------


def test_an_instance_is_found_with_what_it_says_of_itself(world: World) -> None:
    member = world.member("i2")
    member.instances.about = {"peer_url": "ws://127.0.0.1:7/ws/peer", "version": "1.2"}
    world.beat("i2")
    world.wait(1000)
    found = world.run(world.member().instances.find(InstanceId("i2")))
    assert found is not None
    assert found.about["peer_url"] == "ws://127.0.0.1:7/ws/peer"
    assert found.about["version"] == "1.2"
    assert found.lease_left_ms == LEASE_MS - 1000


def test_an_instance_nobody_knows_or_that_was_reaped_is_not_found(world: World) -> None:
    two_instances(world)
    instances = world.member().instances
    assert world.run(instances.find(InstanceId("i9"))) is None
    world.wait(LEASE_MS - 1)
    world.beat()
    world.wait(1)
    assert (found := world.run(instances.find(InstanceId("i2"))))
    assert found.lease_left_ms == 0
    world.reap("i2")
    assert world.run(instances.find(InstanceId("i2"))) is None


def test_all_instances_are_listed_with_what_they_hold(world: World) -> None:
    two_instances(world)
    world.node("n1", owner="i2", slots=2)
    world.session("s")
    world.dispatch("s", 1)
    listed = {one.instance_id: one for one in world.run(world.member().instances.all_known())}
    assert set(listed) == {"i1", "i2"}
    assert (listed[InstanceId("i1")].sessions, listed[InstanceId("i1")].open_jobs) == (1, 1)
    assert (listed[InstanceId("i2")].nodes, listed[InstanceId("i2")].open_jobs) == (1, 0)


def test_instances_of_one_store_are_told_the_same_secret(world: World) -> None:
    first = world.beat().secret
    assert len(first) >= 32
    assert world.beat("i2").secret == first == world.beat().secret
    world.flush()
    assert world.beat().secret not in ("", first)


# ---- whose node is chosen --------------------------------------------------------------------


def chosen(world: World, session: str, owner: str = "i1") -> str:
    world.session(session, owner)
    reply = world.dispatch(session, 1, owner=owner)
    assert isinstance(reply, Assigned)
    assert reply.node_instance == world.node_owners[reply.node_id]
    return reply.node_id


def spread(world: World, **owners: str) -> None:
    two_instances(world)
    world.node_owners = owners
    for name, owner in owners.items():
        world.node(name, owner=owner, slots=2)


def test_of_equally_good_nodes_one_of_the_own_instance_is_chosen(world: World) -> None:
    spread(world, a1="i1", b1="i2", b2="i2")
    assert chosen(world, "s1", "i2") == "b1"
    assert chosen(world, "s2", "i1") == "a1"


def test_a_less_loaded_node_elsewhere_goes_before_one_at_home(world: World) -> None:
    spread(world, a1="i1", b1="i2")
    assert chosen(world, "s1", "i1") == "a1"
    assert chosen(world, "s2", "i1") == "b1"
    assert chosen(world, "s3", "i1") == "a1"


def test_at_home_the_least_recently_used_is_chosen(world: World) -> None:
    spread(world, b1="i2", a1="i1", a2="i1")
    assert [chosen(world, f"s{n}", "i1") for n in range(2)] == ["a1", "a2"]


def test_who_had_to_go_elsewhere_comes_home_as_soon_as_it_is_as_good_there(world: World) -> None:
    spread(world, a1="i1", b1="i2")
    assert chosen(world, "busy", "i1") == "a1"
    assert chosen(world, "s1", "i1") == "b1"
    world.complete("job-busy-1-es", "a1")
    world.complete("job-s1-1-es", "b1")
    reply = world.dispatch("s1", 2)
    assert isinstance(reply, Assigned)
    assert reply.node_id == "a1"


def test_without_a_node_at_home_a_session_stays_with_its_usual_one(world: World) -> None:
    spread(world, b1="i2", b2="i2")
    first = chosen(world, "s1", "i1")
    world.complete("job-s1-1-es", first)
    reply = world.dispatch("s1", 2)
    assert isinstance(reply, Assigned)
    assert reply.node_id == first


def test_the_preferred_voice_matters_more_than_the_own_instance(world: World) -> None:
    two_instances(world)
    world.node_owners = {"a1": "i1", "b1": "i2"}
    world.node("a1", owner="i1", tts=())
    world.node("b1", owner="i2", tts=("es",))
    assert chosen(world, "s1", "i1") == "b1"


def test_an_equal_node_at_home_in_another_group_is_found(world: World) -> None:
    two_instances(world)
    world.node_owners = {"a1": "i1", "b1": "i2"}
    world.node("b1", owner="i2")
    world.node("a1", owner="i1", asr=("en", "fr"))
    assert chosen(world, "s1", "i1") == "a1"


def test_a_node_at_home_that_the_job_has_left_is_not_chosen_again(world: World) -> None:
    spread(world, a1="i1", b1="i2", b2="i2")
    assert chosen(world, "s1", "i1") == "a1"
    moved = world.failover("job-s1-1-es", "a1", exclude_node=True)
    assert moved.node_id == "b1"


def test_a_node_at_home_that_lacks_the_model_is_not_chosen(world: World) -> None:
    spread(world, a1="i1", b1="i2")
    assert chosen(world, "s1", "i1") == "a1"
    moved = world.failover(
        "job-s1-1-es", "a1", reason="model_not_available", exclude_node=True, penalty_ms=60_000
    )
    assert moved.node_id == "b1"
    assert chosen(world, "s2", "i1") == "b1"


def unreachable(world: World, node: str = "b1") -> object:
    return world.failover(
        "job-s1-1-es",
        node,
        reason="undeliverable",
        exclude_node=True,
        avoid=InstanceId("i2"),
    )


def test_nodes_of_an_instance_out_of_reach_are_not_tried_one_after_the_other(world: World) -> None:
    spread(world, a1="i1", b1="i2", b2="i2", b3="i2")
    world.dispatch("other", 1)
    assert chosen(world, "s1", "i1") == "b1"
    moved = unreachable(world)
    assert isinstance(moved, Assigned)
    assert (moved.node_id, moved.attempt) == ("a1", 2)
    assert world.job("job-s1-1-es").excluded_nodes == (NodeId("b1"),)


def test_where_nobody_else_could_serve_the_job_waits(world: World) -> None:
    spread(world, b1="i2", b2="i2")
    assert chosen(world, "s1", "i1") == "b1"
    assert isinstance(unreachable(world), Queued)


# ---- where a node is -------------------------------------------------------------------------


def again(world: World, name: str, owner: str, known_epoch: int) -> Registered | Superseded:
    reply = world.register(name, owner, known_epoch=known_epoch)
    assert isinstance(reply, (Registered, Superseded))
    return reply


def test_who_registers_a_node_again_is_told_when_it_is_connected_elsewhere_by_now(
    world: World,
) -> None:
    two_instances(world)
    before = world.node("n1").epoch
    there = world.node("n1", owner="i2").epoch
    assert again(world, "n1", "i1", before) == Superseded(InstanceId("i2"), there)
    record = world.run(world.member().nodes.get_node(NodeId("n1")))
    assert record is not None
    assert record.owner_instance == "i2"


def test_a_node_is_registered_again_where_nobody_else_has_it(world: World) -> None:
    two_instances(world)
    epoch = world.node("n1").epoch
    assert isinstance(again(world, "n1", "i1", epoch), Registered)
    world.node("n1", owner="i2")
    world.offline("n1", owner="i2")
    assert isinstance(again(world, "n1", "i1", epoch), Registered)


def test_the_word_of_the_node_itself_always_counts(world: World) -> None:
    two_instances(world)
    world.node("n1", owner="i2")
    registration = NodeRegistration(NodeId("n1"), ("a:en", "s:es"), 1, 1000)
    assert isinstance(world.do(world.member().nodes.register(registration)), Registered)


def test_the_owners_of_jobs_hear_where_their_node_went(world: World) -> None:
    two_instances(world)
    world.beat("i3")
    world.node("n1", owner="i2", slots=2)
    world.session("s1", "i1")
    world.session("s3", "i3")
    world.dispatch("s1", 1)
    world.dispatch("s3", 1, owner="i3")
    moved = world.node("n1", owner="i3", slots=2)
    for owner, job in (("i1", "job-s1-1-es"), ("i3", "job-s3-1-es")):
        [(_, note)] = world.notes(owner)
        assert (note["kind"], note["job"], note["attempt"]) == ("node_moved", job, "1")
        assert (note["node"], note["instance"]) == ("n1", "i3")
        assert int(note["epoch"]) == moved.epoch
    assert len(world.slots("n1")) == 2


def test_a_node_that_comes_back_to_its_instance_is_news_to_nobody(world: World) -> None:
    world.node("n1")
    world.dispatch("s1", 1)
    world.node("n1")
    assert world.notes("i1") == []


# ---- where a job is --------------------------------------------------------------------------


def test_any_instance_can_find_who_drives_a_job(world: World) -> None:
    two_instances(world)
    world.node("n1")
    world.dispatch("s", 1)
    place = world.do(world.member("i2").jobs.locate(JobId("job-s-1-es")))
    assert place == Located(JobState.ASSIGNED, 1, NodeId("n1"), InstanceId("i1"), True, "trace")


def test_a_job_whose_owner_is_dead_is_ended_by_whoever_has_its_node(world: World) -> None:
    two_instances(world)
    world.node("n1")
    world.session("s", "i2")
    world.dispatch("s", 1, owner="i2")
    done = {"job": "job-s-1-es", "node": "n1", "owner": "i1"}
    assert isinstance(world.complete(**done), Stale)
    world.wait(LEASE_MS - 1)
    world.beat()
    world.wait(1)
    world.reap("i2")
    place = world.do(world.member().jobs.locate(JobId("job-s-1-es")))
    assert isinstance(place, Located)
    assert not place.owner_is_alive
    assert isinstance(world.complete(**done), Completed)
    assert world.slots("n1") == {}
    assert world.job("job-s-1-es").state is JobState.DONE


def test_the_jobs_in_a_nodes_slots_are_listed(world: World) -> None:
    epoch = world.node("n1", slots=2).epoch
    world.segment("s", 1, 0)
    world.segment("s", 2, 1)
    world.dispatch("t", 1)
    nodes = world.member().nodes
    held = SlotsHeld(frozenset(map(JobId, ("job-s-1-es", "job-s-2-es", "job-t-1-es"))))
    assert world.do(nodes.list_slots(NodeId("n1"), epoch)) == held
