"""register_node, heartbeat, update_node, node_offline: who can be chosen, and who waited for it."""

from protocol.ids import NodeId
from storage.capability import node_atoms
from storage.nodes import NodeHeartbeatEntry
from storage.replies.job import Assigned, Fenced, NodeRemoved, Queued, Registered
from tests.support.storage_world import START_MS, World


def test_a_registered_node_reads_back(world: World) -> None:
    world.node("n1", slots=3, joins=False)
    record = world.run(world.member().nodes.get_node(NodeId("n1")))
    assert record is not None
    assert (record.state, record.owner_instance, record.epoch) == ("online", "i1", START_MS)
    assert (record.max_jobs, record.used_slots) == (3, 0)
    assert record.atoms == node_atoms(["en"], ["es"], ["es"])
    assert record.info == {"name": "n1"}
    assert world.online_nodes() == ["n1"]


def test_abilities_are_those_of_nodes_that_can_be_chosen(world: World) -> None:
    world.node("n1", tts=[], joins=False)
    world.node("n2", tts=[], joins=False)
    world.node("n3", asr=["fr"], tts=[], joins=False)
    nodes = world.member().nodes
    english, french = node_atoms(["en"], ["es"]), node_atoms(["fr"], ["es"])
    assert world.run(nodes.abilities()) == {english, french}
    world.do(nodes.offline(NodeId("n3"), world.node_epochs["n3"]))
    assert world.run(nodes.abilities()) == {english}


def test_an_unknown_node_reads_as_nothing(world: World) -> None:
    assert world.run(world.member().nodes.get_node(NodeId("n1"))) is None


def test_a_new_node_takes_what_waits(world: World) -> None:
    for number in range(3):
        world.dispatch(f"s{number}", 1)
    joined = world.node("n1", slots=2)
    assert [job.job_id for job in joined.handovers] == ["job-s0-1-es", "job-s1-1-es"]
    assert world.run(world.member().nodes.open_slots()) == 2


def test_registering_again_fences_the_old_connection_and_keeps_its_jobs(world: World) -> None:
    first = world.node("n1", slots=2)
    world.dispatch("s", 1)
    world.wait(10)
    second = world.node("n1", slots=2)
    assert second.epoch > first.epoch
    assert len(world.slots("n1")) == 1
    late = world.member().nodes.offline(NodeId("n1"), first.epoch)
    assert world.do(late) == Fenced()
    assert isinstance(world.dispatch("s", 2), Assigned)


def test_registering_twice_at_one_moment_still_raises_the_epoch(world: World) -> None:
    assert world.node("n1").epoch + 1 == world.node("n1").epoch


def test_a_node_moves_to_the_instance_it_registers_with(world: World) -> None:
    world.beat("i2")
    world.node("n1")
    world.node("n1", owner="i2")
    assert world.command("SMEMBERS", "inst:i2:nodes") in ({"n1"}, ["n1"])
    assert not world.command("EXISTS", "inst:i1:nodes")
    assert world.dispatch("s", 1).node_instance == "i2"


def test_an_instance_without_a_lease_registers_nothing(world: World) -> None:
    world.node("n1")
    world.command("DEL", "inst:i1")
    call = world.member().nodes.update(NodeId("n1"), world.node_epochs["n1"])
    assert isinstance(world.do(call), Registered)
    world.beat()
    world.command("DEL", "inst:i1")
    reply = world.register("n2")
    assert reply == Fenced()


def test_a_heartbeat_renews_the_lease(world: World) -> None:
    world.node("n1", lease_ms=1000)
    world.wait(900)
    world.heartbeat("n1")
    assert float(world.command("ZSCORE", "nodes", "n1")) == START_MS + 900 + 45_000


def test_a_heartbeat_names_nodes_that_must_register_again(world: World) -> None:
    world.node("n1")
    world.node("n2")
    world.node("n3")
    world.offline("n2")
    stale = NodeHeartbeatEntry(NodeId("n3"), 1, 1000)
    fresh = NodeHeartbeatEntry(NodeId("n1"), world.node_epochs["n1"], 1000)
    gone = NodeHeartbeatEntry(NodeId("n2"), world.node_epochs["n2"], 1000)
    unknown = NodeHeartbeatEntry(NodeId("n4"), 1, 1000)
    reply = world.do(world.member().nodes.heartbeat([stale, fresh, gone, unknown]))
    assert reply.unknown == ("n3", "n2", "n4")


def test_an_overload_mark_lapses_at_the_next_heartbeat_without_it(world: World) -> None:
    world.node("n1", slots=4)
    world.node("n2", slots=4)
    world.heartbeat("n1", overloaded=True, hold_ms=60_000)
    assert [world.dispatch(f"x{n}", 1).node_id for n in range(2)] == ["n2", "n2"]
    world.heartbeat("n1")
    assert world.dispatch("s2", 1).node_id == "n1"


def test_an_overload_mark_lapses_when_the_last_open_job_ends(world: World) -> None:
    world.node("n1", slots=4)
    world.dispatch("s1", 1)
    world.node("n2", slots=1)
    world.heartbeat("n1", overloaded=True, hold_ms=60_000)
    world.complete("job-s1-1-es", "n1")
    assert world.job("job-s1-1-es").node_id == "n1"
    assert {world.dispatch(f"x{n}", 1).node_id for n in range(2)} == {"n1", "n2"}


def test_an_overload_mark_lapses_after_its_time(world: World) -> None:
    world.node("n1", slots=4)
    world.node("n2", slots=4)
    world.dispatch("s1", 1)
    world.heartbeat("n1", overloaded=True, hold_ms=3000)
    world.wait(3000)
    world.sweep()
    assert [world.dispatch(f"x{n}", 1).node_id for n in range(3)] == ["n2", "n1", "n2"]


def test_a_waiting_job_takes_a_slot_even_at_an_overloaded_node(world: World) -> None:
    world.node("n1")
    world.dispatch("s", 1)
    world.dispatch("s", 2)
    world.heartbeat("n1", overloaded=True)
    assert len(world.complete("job-s-1-es", "n1").handovers) == 1


def test_changed_languages_count_at_once(world: World) -> None:
    world.node("n1", semantic=["fr"])
    world.dispatch("s", 1)
    changed = world.update("n1", atoms=("a:en", "s:es"))
    assert [job.job_id for job in changed.handovers] == ["job-s-1-es"]
    world.complete("job-s-1-es", "n1")
    assert isinstance(world.dispatch("f", 1, requirement="a:en,s:fr"), Queued)


def test_raised_capacity_is_used_at_once(world: World) -> None:
    world.node("n1")
    for index in range(4):
        world.dispatch("s", index)
    assert len(world.update("n1", max_jobs=3).handovers) == 2


def test_lowered_capacity_takes_nothing_away(world: World) -> None:
    world.node("n1", slots=3)
    for index in range(3):
        world.dispatch("s", index)
    world.update("n1", max_jobs=1)
    assert len(world.slots("n1")) == 3
    world.dispatch("s", 3)
    assert world.complete("job-s-0-es", "n1").handovers == ()
    assert world.complete("job-s-1-es", "n1").handovers == ()
    assert len(world.complete("job-s-2-es", "n1").handovers) == 1


def test_a_draining_node_gets_no_new_jobs_until_it_is_taken_back(world: World) -> None:
    world.node("n1", slots=2)
    world.dispatch("s", 1)
    world.update("n1", draining=True)
    assert isinstance(world.dispatch("s", 2), Queued)
    assert len(world.slots("n1")) == 1
    assert len(world.update("n1", draining=False).handovers) == 1


def test_an_update_under_an_old_epoch_is_fenced(world: World) -> None:
    world.node("n1")
    call = world.member().nodes.update(NodeId("n1"), 5, max_jobs=9)
    assert world.do(call) == Fenced()
    world.offline("n1")
    assert world.update("n1", max_jobs=9) == Fenced()


def test_an_off_line_node_is_not_chosen(world: World) -> None:
    world.node("n1")
    assert world.offline("n1") == NodeRemoved(())
    assert isinstance(world.dispatch("s", 1), Queued)
    assert world.online_nodes() == []


def test_taking_an_unknown_node_off_line_is_done_already(world: World) -> None:
    call = world.member().nodes.offline(NodeId("nobody"), 1)
    assert world.do(call) == NodeRemoved(())


def test_an_off_line_node_names_its_open_jobs_in_order(world: World) -> None:
    world.node("n1", slots=4)
    for index in (10, 9, 2):
        world.dispatch("s", index)
    reply = world.offline("n1")
    assert [job.utterance_index for job in reply.jobs] == [2, 9, 10]
    assert world.offline("n1") == reply, "a repetition says the same"


def test_segments_that_waited_for_an_off_line_node_are_named_too(world: World) -> None:
    world.node("n1")
    world.segment("s", 0, 0)
    world.complete("job-s-0-es", "n1")
    world.dispatch("other", 1)
    world.segment("s", 1, 1)
    reply = world.offline("n1")
    assert [(job.job_id, job.state) for job in reply.jobs] == [
        ("job-other-1-es", "assigned"),
        ("job-s-1-es", "queued"),
    ]
    world.node("n2", slots=2)
    assert world.failover("job-s-1-es", None).node_id == "n2"


def test_other_owners_learn_of_a_lost_node_by_mailbox_once(world: World) -> None:
    world.beat("i2")
    world.node("n1")
    world.session("s2", owner="i2")
    world.dispatch("s2", 1, owner="i2")
    world.offline("n1")
    world.offline("n1")
    [[_, note]] = world.notes("i2")
    assert (note["kind"], note["job"], note["node"]) == ("node_lost", "job-s2-1-es", "n1")


def test_slots_survive_a_nodes_absence_until_its_jobs_are_driven_on(world: World) -> None:
    world.node("n1", slots=2)
    world.dispatch("s", 1)
    world.offline("n1")
    world.node("n1", slots=2)
    assert len(world.slots("n1")) == 1
    world.node("n2", slots=2)
    world.failover("job-s-1-es", "n1", exclude_node=True)
    assert world.slots("n1") == {}


def test_the_last_node_of_a_kind_takes_its_group_along(world: World) -> None:
    world.node("n1")
    world.offline("n1")
    left = world.command("EXISTS", "groups") + world.command("EXISTS", "cap:a:en")
    assert left == 0


def test_a_node_that_can_do_nothing_is_never_chosen(world: World) -> None:
    world.node("n1", asr=[], semantic=[], tts=[])
    assert isinstance(world.dispatch("s", 1), Queued)


def test_an_operators_drain_holds_until_it_is_taken_back(world: World) -> None:
    world.node("n1", slots=2)
    assert world.update("n1", draining=True, is_held=True).is_held
    assert isinstance(world.dispatch("s", 1), Queued)
    again = world.node("n1", slots=2)
    assert (again.is_held, again.handovers) == (True, ())
    world.offline("n1")
    world.beat("i2")
    elsewhere = world.node("n1", owner="i2", slots=2)
    assert (elsewhere.is_held, elsewhere.handovers) == (True, ())
    record = world.run(world.member().nodes.get_node(NodeId("n1")))
    assert record is not None
    assert (record.state, record.is_held) == ("draining", True)
    freed = world.update("n1", draining=False, is_held=False)
    assert not freed.is_held
    assert isinstance(world.dispatch("s", 2), Assigned)


def test_what_is_set_for_a_node_that_is_off_line_counts_when_it_comes_back(world: World) -> None:
    world.node("n1")
    world.offline("n1")
    assert world.update("n1", is_held=True).is_held
    assert world.update("n1", max_jobs=3) == Fenced()
    assert world.node("n1").is_held
    assert isinstance(world.dispatch("s", 1), Queued)
    world.offline("n1")
    assert not world.update("n1", is_held=False).is_held
    assert [job.job_id for job in world.node("n1").handovers] == ["job-s-1-es"]


def test_a_drain_that_the_store_has_lost_comes_with_the_registration(world: World) -> None:
    assert world.register("n1", is_held=True).is_held
    assert isinstance(world.dispatch("s", 1), Queued)


def test_an_instances_drain_ends_with_the_next_registration(world: World) -> None:
    world.node("n1")
    world.update("n1", draining=True)
    assert not world.node("n1").is_held
    assert isinstance(world.dispatch("s", 1), Assigned)
