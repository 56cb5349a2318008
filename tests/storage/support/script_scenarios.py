"""For each word that a script can answer: how to get there. Used wherever all of them matter."""

from collections.abc import Callable
from typing import Any

from protocol.ids import InstanceId, JobId, NodeId, SessionId
from storage.call import Call
from storage.instances import InstanceRepository
from storage.job import JobStep
from storage.jobs import Failover, JobLimits
from storage.nodes import NodeHeartbeatEntry, NodeRegistration
from storage.sessions import Claim
from tests.support.storage_world import LEASE_MS, ROOM_EXPIRY_MS, World

Scenario = Callable[[World], Call[Any]]
"""Brings a fresh world into a state and returns the call whose reply has the word."""

SCENARIOS: dict[tuple[str, str], Scenario] = {}


def scenario(script: str, word: str) -> Callable[[Scenario], Scenario]:
    """Enter a scenario for a script's word."""

    def enter(function: Scenario) -> Scenario:
        SCENARIOS[script, word] = function
        return function

    return enter


def _busy_node(world: World) -> None:
    """One node with one slot, taken; two jobs wait."""
    world.node("n1")
    for index in (1, 2, 3):
        world.dispatch("s", index)


@scenario("dispatch_task", "ASSIGNED")
def _dispatch_assigned(world: World) -> Call[Any]:
    world.node("n1")
    return world.member().jobs.dispatch(world.spec("s", 1))


@scenario("dispatch_task", "QUEUED")
def _dispatch_queued(world: World) -> Call[Any]:
    _busy_node(world)
    return world.member().jobs.dispatch(world.spec("s", 4))


@scenario("dispatch_task", "DUPLICATE")
def _dispatch_duplicate(world: World) -> Call[Any]:
    _busy_node(world)
    return world.member().jobs.dispatch(world.spec("s", 1))


@scenario("dispatch_task", "BUSY")
def _dispatch_busy(world: World) -> Call[Any]:
    _busy_node(world)
    return world.member("i1", JobLimits(max_queued_jobs=2)).jobs.dispatch(world.spec("s", 4))


@scenario("dispatch_task", "FENCED")
def _dispatch_fenced(world: World) -> Call[Any]:
    return world.member().jobs.dispatch(world.spec("s", 1, session_epoch=1))


@scenario("complete_task", "OK")
def _complete_ok(world: World) -> Call[Any]:
    _busy_node(world)
    return world.member().jobs.complete(world.completion("job-s-1-es", "n1", outcome="{}"))


@scenario("complete_task", "DUPLICATE")
def _complete_duplicate(world: World) -> Call[Any]:
    call = _complete_ok(world)
    world.do(call)
    return call


@scenario("complete_task", "STALE")
def _complete_stale(world: World) -> Call[Any]:
    _busy_node(world)
    return world.member().jobs.complete(world.completion("job-s-1-es", "n1", attempt=7))


@scenario("complete_task", "GONE")
def _complete_gone(world: World) -> Call[Any]:
    return world.member().jobs.complete(world.completion("job", "n1"))


def _progress(world: World, attempt: int = 1) -> Call[Any]:
    node = NodeId("n1")
    return world.member().jobs.progress(
        world.completion("job-s-1-es", "n1").job_id, attempt, node, JobStep.RUNNING
    )


@scenario("update_job_status", "OK")
def _progress_ok(world: World) -> Call[Any]:
    _busy_node(world)
    return _progress(world)


@scenario("update_job_status", "DUPLICATE")
def _progress_duplicate(world: World) -> Call[Any]:
    _busy_node(world)
    world.do(_progress(world))
    return _progress(world)


@scenario("update_job_status", "STALE")
def _progress_stale(world: World) -> Call[Any]:
    _busy_node(world)
    return _progress(world, attempt=2)


@scenario("update_job_status", "GONE")
def _progress_gone(world: World) -> Call[Any]:
    return _progress(world)


def _failover(world: World, attempt: int = 1, limits: JobLimits | None = None) -> Call[Any]:
    job = world.completion("job-s-1-es", "n1").job_id
    failover = Failover(job, attempt, NodeId("n1"), "job_timeout", exclude_node=True, outcome="{}")
    return world.member("i1", limits).jobs.failover(failover)


@scenario("failover_job", "ASSIGNED")
def _failover_assigned(world: World) -> Call[Any]:
    world.node("n1")
    world.dispatch("s", 1)
    world.node("n2")
    return _failover(world)


@scenario("failover_job", "QUEUED")
def _failover_queued(world: World) -> Call[Any]:
    _failover_assigned(world)
    world.dispatch("s2", 1)
    return _failover(world)


@scenario("failover_job", "FAILED")
def _failover_failed(world: World) -> Call[Any]:
    _busy_node(world)
    return _failover(world, limits=JobLimits(max_attempts=1))


@scenario("failover_job", "DUPLICATE")
def _failover_duplicate(world: World) -> Call[Any]:
    call = _failover_assigned(world)
    world.do(call)
    return call


@scenario("failover_job", "STALE")
def _failover_stale(world: World) -> Call[Any]:
    _busy_node(world)
    return _failover(world, attempt=7)


@scenario("failover_job", "GONE")
def _failover_gone(world: World) -> Call[Any]:
    return _failover(world)


@scenario("sweep", "OK")
def _sweep(world: World) -> Call[Any]:
    _busy_node(world)
    world.wait(10_000)
    return world.member().jobs.sweep()


@scenario("restore_job", "RESTORED")
def _restore_restored(world: World) -> Call[Any]:
    world.node("n1")
    return world.member().jobs.restore(world.restoration("s", 1, node="n1", running=True))


@scenario("restore_job", "ASSIGNED")
def _restore_assigned(world: World) -> Call[Any]:
    world.node("n1")
    return world.member().jobs.restore(world.restoration("s", 1))


@scenario("restore_job", "QUEUED")
def _restore_queued(world: World) -> Call[Any]:
    return world.member().jobs.restore(world.restoration("s", 1))


@scenario("restore_job", "DUPLICATE")
def _restore_duplicate(world: World) -> Call[Any]:
    call = _restore_restored(world)
    world.do(call)
    return call


@scenario("restore_job", "FENCED")
def _restore_fenced(world: World) -> Call[Any]:
    return world.member().jobs.restore(world.restoration("s", 1, session_epoch=1))


@scenario("register_node", "OK")
def _register_ok(world: World) -> Call[Any]:
    world.dispatch("s", 1)
    registration = NodeRegistration(NodeId("n1"), ("a:en", "s:es"), 2, 1000, {"name": "n1"})
    return world.member().nodes.register(registration)


@scenario("register_node", "FENCED")
def _register_fenced(world: World) -> Call[Any]:
    return world.member("i2").nodes.register(NodeRegistration(NodeId("n1"), (), 1, 1000))


@scenario("register_node", "SUPERSEDED")
def _register_superseded(world: World) -> Call[Any]:
    """It was known here, and is connected to another instance by now."""
    world.node("n1")
    world.beat("i2")
    world.node("n1", owner="i2")
    registration = NodeRegistration(NodeId("n1"), (), 1, 1000, known_epoch=1)
    return world.member().nodes.register(registration)


@scenario("register_node", "TAKEN")
def _register_taken(world: World) -> Call[Any]:
    """A node of another credential is there under this id, at another instance."""
    world.beat("i2")
    world.register("n1", owner="i2", credential="gpu")
    registration = NodeRegistration(NodeId("n1"), (), 1, 1000, credential="other")
    return world.member().nodes.register(registration)


@scenario("list_slots", "OK")
def _list_slots_ok(world: World) -> Call[Any]:
    _busy_node(world)
    return world.member().nodes.list_slots(NodeId("n1"), world.node_epochs["n1"])


@scenario("list_slots", "FENCED")
def _list_slots_fenced(world: World) -> Call[Any]:
    _busy_node(world)
    return world.member().nodes.list_slots(NodeId("n1"), 1)


@scenario("locate_job", "OK")
def _locate_ok(world: World) -> Call[Any]:
    _busy_node(world)
    return world.member("i2").jobs.locate(JobId("job-s-1-es"))


@scenario("locate_job", "GONE")
def _locate_gone(world: World) -> Call[Any]:
    return world.member().jobs.locate(JobId("job"))


@scenario("heartbeat", "OK")
def _heartbeat(world: World) -> Call[Any]:
    _busy_node(world)
    entry = NodeHeartbeatEntry(NodeId("n1"), world.node_epochs["n1"], 1000, True, 500)
    return world.member().nodes.heartbeat([entry, NodeHeartbeatEntry(NodeId("n9"), 1, 1)])


@scenario("update_node", "OK")
def _update_ok(world: World) -> Call[Any]:
    _busy_node(world)
    return world.member().nodes.update(NodeId("n1"), world.node_epochs["n1"], max_jobs=2)


@scenario("update_node", "FENCED")
def _update_fenced(world: World) -> Call[Any]:
    return world.member().nodes.update(NodeId("n1"), 1, draining=True)


@scenario("node_offline", "OK")
def _offline_ok(world: World) -> Call[Any]:
    _busy_node(world)
    return world.member().nodes.offline(NodeId("n1"), world.node_epochs["n1"])


@scenario("node_offline", "FENCED")
def _offline_fenced(world: World) -> Call[Any]:
    world.node("n1")
    return world.member().nodes.offline(NodeId("n1"), 1)


@scenario("beat", "OK")
def _beat(world: World) -> Call[Any]:
    return world.member().instances.beat(LEASE_MS)


@scenario("beat", "TAKEN")
def _beat_taken(world: World) -> Call[Any]:
    return InstanceRepository(world.store, InstanceId("i1"), nonce="another").beat(LEASE_MS)


@scenario("reap", "OK")
def _reap_ok(world: World) -> Call[Any]:
    world.beat("i2")
    world.node("n2", owner="i2")
    world.session("s", owner="i2")
    for index in (1, 2):
        world.dispatch("s", index, owner="i2")
    world.wait(LEASE_MS)
    world.beat()
    return world.member().instances.reap(InstanceId("i2"))


@scenario("reap", "REVIVED")
def _reap_revived(world: World) -> Call[Any]:
    world.beat("i2")
    return world.member().instances.reap(InstanceId("i2"))


@scenario("reap", "FENCED")
def _reap_fenced(world: World) -> Call[Any]:
    return world.member("i2").instances.reap(InstanceId("i1"))


@scenario("claim_session", "OK")
def _claim_ok(world: World) -> Call[Any]:
    _busy_node(world)
    return world.member().sessions.claim(Claim(SessionId("s"), "t1"))


@scenario("claim_session", "FENCED")
def _claim_fenced(world: World) -> Call[Any]:
    return world.member("i2").sessions.claim(Claim(SessionId("s"), "t1"))


@scenario("close_session", "OK")
def _close_ok(world: World) -> Call[Any]:
    return world.member().sessions.close(SessionId("s"), world.session("s"))


@scenario("close_session", "FENCED")
def _close_fenced(world: World) -> Call[Any]:
    world.session("s")
    return world.member().sessions.close(SessionId("s"), 1)


@scenario("create_room", "OK")
def _create_room_ok(world: World) -> Call[Any]:
    return world.member().rooms.create("123456", "r-1", world.seat("s1"), ROOM_EXPIRY_MS)


@scenario("create_room", "TAKEN")
def _create_room_taken(world: World) -> Call[Any]:
    world.room("123456", "s1")
    return world.member().rooms.create("123456", "r-2", world.seat("s2"), ROOM_EXPIRY_MS)


@scenario("join_room", "OK")
def _join_room_ok(world: World) -> Call[Any]:
    world.room("123456", "s1")
    return world.member().rooms.join("123456", world.seat("s2"), 2)


@scenario("join_room", "FULL")
def _join_room_full(world: World) -> Call[Any]:
    world.room("123456", "s1")
    return world.member().rooms.join("123456", world.seat("s2"), 1)


@scenario("join_room", "GONE")
def _join_room_gone(world: World) -> Call[Any]:
    return world.member().rooms.join("123456", world.seat("s2"), 2)


@scenario("leave_room", "OK")
def _leave_room_ok(world: World) -> Call[Any]:
    world.room("123456", "s1", "s2")
    return world.member().rooms.leave("123456", SessionId("s1"))


@scenario("leave_room", "GONE")
def _leave_room_gone(world: World) -> Call[Any]:
    return world.member().rooms.leave("123456", SessionId("s1"))


@scenario("look_room", "OK")
def _look_room_ok(world: World) -> Call[Any]:
    world.room("123456", "s1")
    world.wait(1000)
    return world.member().rooms.look("123456", 30_000, spoke_ago_ms=500)


@scenario("look_room", "EXPIRED")
def _look_room_expired(world: World) -> Call[Any]:
    world.room("123456", "s1")
    world.wait(ROOM_EXPIRY_MS)
    return world.member().rooms.look("123456", 30_000)


@scenario("look_room", "GONE")
def _look_room_gone(world: World) -> Call[Any]:
    return world.member().rooms.look("123456", 30_000, spoke_ago_ms=0)


@scenario("claim_session", "MOVED")
def _claim_moved(world: World) -> Call[Any]:
    world.session("s")
    world.beat("i2")
    return world.member("i2").sessions.claim(Claim(SessionId("s"), "t1", known_epoch=1))


@scenario("claim_session", "GONE")
def _claim_gone(world: World) -> Call[Any]:
    return world.member().sessions.claim(Claim(SessionId("s"), "t1", resumes=True))


@scenario("find_session", "FOUND")
def _find_found(world: World) -> Call[Any]:
    world.resumable("s")
    return world.member("i2").sessions.find(SessionId("s"))


@scenario("find_session", "UNKNOWN")
def _find_unknown(world: World) -> Call[Any]:
    world.session("s")
    return world.member().sessions.find(SessionId("s"))


@scenario("locate_session", "FOUND")
def _locate_found(world: World) -> Call[Any]:
    world.session("s")
    return world.member("i2").sessions.locate(SessionId("s"))


@scenario("locate_session", "UNKNOWN")
def _locate_unknown(world: World) -> Call[Any]:
    world.beat("i2")
    return world.member().sessions.locate(SessionId("s"))


@scenario("record_session", "OK")
def _note_ok(world: World) -> Call[Any]:
    return world.member().sessions.record(SessionId("s"), world.resumable("s"), "{}", "1.2")


@scenario("record_session", "FENCED")
def _note_fenced(world: World) -> Call[Any]:
    world.resumable("s")
    return world.member().sessions.record(SessionId("s"), 1, "{}")


@scenario("dispatch_task", "MOVED")
def _dispatch_moved(world: World) -> Call[Any]:
    spec = world.spec("s", 1)
    world.beat("i2")
    world.session("s", owner="i2")
    return world.member().jobs.dispatch(spec)


@scenario("restore_job", "MOVED")
def _restore_moved(world: World) -> Call[Any]:
    restoration = world.restoration("s", 1)
    world.beat("i2")
    world.session("s", owner="i2")
    return world.member().jobs.restore(restoration)


@scenario("check_sessions", "OK")
def _check_ok(world: World) -> Call[Any]:
    held = SessionId("s")
    return world.member().sessions.check({held: world.session("s"), SessionId("s2"): 1})


@scenario("agree_schema", "OK")
def _schema_ok(world: World) -> Call[Any]:
    return world.member().instances.agree_schema()


@scenario("agree_schema", "INCOMPATIBLE")
def _schema_incompatible(world: World) -> Call[Any]:
    world.do(world.member().instances.agree_schema())
    return world.member().instances.agree_schema("0")
