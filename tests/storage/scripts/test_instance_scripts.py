"""beat and reap: who is alive, and what becomes of what the dead held."""

from protocol.ids import InstanceId, NodeId
from storage.instances import InstanceRepository
from storage.job import JobState
from storage.replies.job import Alive, Fenced, Reaped, Revived, Taken
from tests.support.storage_world import LEASE_MS, World


def test_the_first_beat_names_the_data_set(world: World) -> None:
    first = world.beat()
    assert first.data_id
    assert not first.revived
    assert world.beat("i2").data_id == first.data_id


def test_data_loss_shows_as_another_data_set(world: World) -> None:
    before = world.beat().data_id
    world.flush()
    after = world.beat()
    assert after.data_id != before
    assert after.revived


def test_an_instance_that_stops_beating_is_reported(world: World) -> None:
    world.beat("i2")
    world.wait(LEASE_MS - 1)
    world.beat()
    world.wait(1)
    assert world.beat().expired_instances == ("i2",)


def test_when_all_leases_look_expired_nobody_is_judged_for_two_leases(world: World) -> None:
    world.beat("i2")
    world.wait(60_000)
    assert world.beat().expired_instances == ()
    world.wait(2 * LEASE_MS - 1)
    world.command("ZADD", "insts", world.now_ms + 100, "i1")
    assert world.beat().expired_instances == ()
    world.wait(1)
    assert world.beat().expired_instances == ("i2",)


def test_nodes_without_a_heartbeat_are_reported_to_their_instance(world: World) -> None:
    world.beat("i2")
    world.node("n1", lease_ms=2000)
    world.node("n2", lease_ms=2000, owner="i2")
    world.wait(2000)
    assert world.beat().expired_nodes == (("n1", world.node_epochs["n1"]),)
    world.offline("n1")
    assert world.beat().expired_nodes == ()


def test_a_beating_instance_keeps_its_sessions_from_expiring(world: World) -> None:
    world.session("s")
    world.command("EXPIRE", "session:s", 60)
    world.beat()
    assert world.command("TTL", "session:s") <= 60
    for _ in range(1200):
        world.wait(1000)
        if world.now_ms % 200_000 == 0:
            world.beat(lease_ms=400_000)
    assert world.command("TTL", "session:s") > 3000


def test_sessions_are_renewed_a_bounded_number_at_a_time(world: World) -> None:
    for number in range(70):
        world.session(f"s{number:02}")
        world.command("EXPIRE", f"session:s{number:02}", 60)
    world.wait(1_300_000)
    world.beat()
    renewed = [world.command("TTL", f"session:s{number:02}") > 60 for number in range(70)]
    assert sum(renewed) == 64
    world.beat()
    assert world.command("TTL", "session:s69") > 60


def test_a_session_that_expired_is_not_renewed(world: World) -> None:
    world.session("s")
    world.command("DEL", "session:s")
    world.wait(1_300_000)
    world.beat()
    assert world.command("EXISTS", "inst:i1:sessions") == 0


def dead_instance(world: World) -> None:
    """Let i2 hold a running, a waiting and a foreign job's node, and die."""
    world.beat("i2")
    world.node("n2", owner="i2", slots=2)
    world.session("s2", owner="i2")
    world.dispatch("s2", 1, owner="i2")
    world.session("s1")
    world.dispatch("s1", 1)
    world.dispatch("s2", 2, owner="i2")
    world.wait(LEASE_MS)
    world.command("ZADD", "insts", world.now_ms + LEASE_MS, "i1")
    assert world.beat().expired_instances == ("i2",)


def test_waiting_jobs_of_the_dead_fail_and_running_ones_stay(world: World) -> None:
    dead_instance(world)
    reply = world.reap("i2")
    assert isinstance(reply, Reaped)
    assert (reply.more, reply.finished) == (False, False)
    assert world.job("job-s2-2-es").state is JobState.FAILED
    assert world.job("job-s2-2-es").reason == "instance_lost"
    assert world.job("job-s2-1-es").state is JobState.ASSIGNED


def test_nodes_of_the_dead_go_off_line_and_the_callers_jobs_there_are_named(world: World) -> None:
    dead_instance(world)
    reply = world.reap("i2")
    assert [job.job_id for job in reply.jobs] == ["job-s1-1-es"]
    record = world.run(world.member().nodes.get_node(NodeId("n2")))
    assert record is not None
    assert record.state == "offline"


def test_a_running_job_of_the_dead_fails_when_it_is_due(world: World) -> None:
    dead_instance(world)
    world.reap("i2")
    world.wait(30_000)
    world.command("ZADD", "insts", world.now_ms + LEASE_MS, "i1")
    assert world.reap("i2").finished
    assert world.job("job-s2-1-es").reason == "instance_lost"
    assert world.beat().expired_instances == ()


def test_a_claimed_session_takes_its_running_jobs_along(world: World) -> None:
    dead_instance(world)
    world.reap("i2")
    world.session("s2")
    assert world.reap("i2").finished
    world.wait(30_000)
    assert {job.job_id for job in world.sweep().due} == {"job-s1-1-es", "job-s2-1-es"}


def test_the_freed_slot_of_a_dead_instances_job_is_handed_on(world: World) -> None:
    world.beat("i2")
    world.node("n1")
    world.session("s2", owner="i2")
    world.dispatch("s2", 1, owner="i2")
    world.wait(25_000)
    world.beat()
    world.wait(5000)
    world.command("ZADD", "insts", world.now_ms + LEASE_MS, "i1")
    world.dispatch("s1", 1)
    reply = world.reap("i2")
    assert [job.job_id for job in reply.handovers] == ["job-s1-1-es"]


def test_reaping_goes_in_bounded_steps(world: World) -> None:
    world.beat("i2")
    world.session("s2", owner="i2")
    world.node("n1", slots=3)
    for index in range(7):
        world.dispatch("s2", index, owner="i2")
    world.wait(LEASE_MS)
    world.command("ZADD", "insts", world.now_ms + LEASE_MS, "i1")
    steps = [world.reap("i2", limit=2) for _ in range(5)]
    assert [step.more for step in steps] == [True, True, True, False, True]
    states = [world.job(f"job-s2-{index}-es").state for index in range(7)]
    assert states.count(JobState.FAILED) == 4


def test_an_instance_that_beats_again_is_left_alone(world: World) -> None:
    world.beat("i2")
    assert world.reap("i2") == Revived()
    assert world.reap("i1") == Revived()


def test_a_reaped_instance_is_fenced_until_it_beats(world: World) -> None:
    dead_instance(world)
    world.reap("i2")
    assert world.dispatch("s2", 3, owner="i2") == Fenced()
    assert world.do(world.member("i2").instances.reap(InstanceId("i1"))) == Fenced()
    assert world.beat("i2").revived


def test_reaping_an_unknown_instance_is_done_at_once(world: World) -> None:
    assert world.reap("nobody") == Reaped(more=False, finished=True, jobs=(), handovers=())


def other_process(world: World, name: str = "i1") -> InstanceRepository:
    """Another process that was given the same id."""
    return InstanceRepository(world.store, InstanceId(name), nonce="another")


def test_a_second_living_process_with_an_id_gets_no_lease(world: World) -> None:
    assert world.do(other_process(world).beat(LEASE_MS)) == Taken(LEASE_MS)
    assert not world.beat().revived


def test_a_process_that_comes_after_a_killed_one_of_its_name_starts_afresh(world: World) -> None:
    world.node("n1")
    world.dispatch("s", 1)
    world.dispatch("s2", 1)
    comer = other_process(world)
    assert world.do(comer.reap(InstanceId("i1"))) == Revived()
    world.wait(LEASE_MS)
    assert isinstance(world.do(comer.reap(InstanceId("i1"))), Reaped)
    alive = world.do(comer.beat(LEASE_MS))
    assert isinstance(alive, Alive)
    assert alive.revived
    assert world.command("EXISTS", "inst:i1:sessions", "inst:i1:nodes") == 0
    assert 0 < world.command("PTTL", "session:s") <= 30_000
    assert world.job("job-s2-1-es").reason == "instance_lost"
    assert world.online_nodes() == []
    assert world.do(world.member().instances.beat(LEASE_MS)) == Taken(LEASE_MS)


def test_who_stood_still_gets_its_id_back_when_the_other_is_gone(world: World) -> None:
    world.wait(LEASE_MS)
    world.do(other_process(world).beat(LEASE_MS))
    world.wait(LEASE_MS)
    assert world.beat().revived
