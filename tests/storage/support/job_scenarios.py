"""For each word of the scripts about jobs: how to get there."""

from typing import Any

from protocol.ids import JobId, NodeId
from storage.call import Call
from storage.job import JobStep
from storage.job_limits import JobLimits
from storage.jobs import Failover
from tests.storage.support.scenario_table import busy_node, scenario
from tests.support.storage_world import World


@scenario("dispatch_task", "ASSIGNED")
def _dispatch_assigned(world: World) -> Call[Any]:
    world.node("n1")
    return world.member().jobs.dispatch(world.spec("s", 1))


@scenario("dispatch_task", "QUEUED")
def _dispatch_queued(world: World) -> Call[Any]:
    busy_node(world)
    return world.member().jobs.dispatch(world.spec("s", 4))


@scenario("dispatch_task", "DUPLICATE")
def _dispatch_duplicate(world: World) -> Call[Any]:
    busy_node(world)
    return world.member().jobs.dispatch(world.spec("s", 1))


@scenario("list_waiting", "OK")
def _list_waiting(world: World) -> Call[Any]:
    busy_node(world)
    return world.member().jobs.list_waiting()


@scenario("dispatch_task", "BUSY")
def _dispatch_busy(world: World) -> Call[Any]:
    busy_node(world)
    return world.member("i1", JobLimits(max_queued_jobs=2)).jobs.dispatch(world.spec("s", 4))


@scenario("dispatch_task", "FENCED")
def _dispatch_fenced(world: World) -> Call[Any]:
    return world.member().jobs.dispatch(world.spec("s", 1, session_epoch=1))


@scenario("open_stream", "ASSIGNED")
def _open_assigned(world: World) -> Call[Any]:
    world.node("n1", streaming=True)
    return world.member().jobs.open_stream(world.spec("s", 1))


@scenario("open_stream", "DUPLICATE")
def _open_duplicate(world: World) -> Call[Any]:
    call = _open_assigned(world)
    world.do(call)
    return call


@scenario("open_stream", "NO_NODE")
def _open_no_node(world: World) -> Call[Any]:
    world.node("n1")
    return world.member().jobs.open_stream(world.spec("s", 1))


@scenario("open_stream", "FENCED")
def _open_fenced(world: World) -> Call[Any]:
    world.node("n1", streaming=True)
    return world.member().jobs.open_stream(world.spec("s", 1, session_epoch=1))


@scenario("open_stream", "MOVED")
def _open_moved(world: World) -> Call[Any]:
    world.node("n1", streaming=True)
    spec = world.spec("s", 1)
    world.beat("i2")
    world.take_over("s", "i2")
    return world.member().jobs.open_stream(spec)


@scenario("close_stream", "OK")
def _close_ok(world: World) -> Call[Any]:
    world.node("n1", streaming=True)
    world.open_stream("s", 1)
    return world.member().jobs.close_stream(JobId("job-s-1-es"))


@scenario("close_stream", "GONE")
def _close_gone(world: World) -> Call[Any]:
    return world.member().jobs.close_stream(JobId("job-s-1-es"))


@scenario("complete_task", "OK")
def _complete_ok(world: World) -> Call[Any]:
    busy_node(world)
    return world.member().jobs.complete(world.completion("job-s-1-es", "n1", outcome="{}"))


@scenario("complete_task", "DUPLICATE")
def _complete_duplicate(world: World) -> Call[Any]:
    call = _complete_ok(world)
    world.do(call)
    return call


@scenario("complete_task", "STALE")
def _complete_stale(world: World) -> Call[Any]:
    busy_node(world)
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
    busy_node(world)
    return _progress(world)


@scenario("update_job_status", "DUPLICATE")
def _progress_duplicate(world: World) -> Call[Any]:
    busy_node(world)
    world.do(_progress(world))
    return _progress(world)


@scenario("update_job_status", "STALE")
def _progress_stale(world: World) -> Call[Any]:
    busy_node(world)
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
    busy_node(world)
    return _failover(world, limits=JobLimits(max_attempts=1))


@scenario("failover_job", "DUPLICATE")
def _failover_duplicate(world: World) -> Call[Any]:
    call = _failover_assigned(world)
    world.do(call)
    return call


@scenario("failover_job", "STALE")
def _failover_stale(world: World) -> Call[Any]:
    busy_node(world)
    return _failover(world, attempt=7)


@scenario("failover_job", "GONE")
def _failover_gone(world: World) -> Call[Any]:
    return _failover(world)


@scenario("sweep", "OK")
def _sweep(world: World) -> Call[Any]:
    busy_node(world)
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


@scenario("locate_job", "OK")
def _locate_ok(world: World) -> Call[Any]:
    busy_node(world)
    return world.member("i2").jobs.locate(JobId("job-s-1-es"))


@scenario("locate_job", "GONE")
def _locate_gone(world: World) -> Call[Any]:
    return world.member().jobs.locate(JobId("job"))


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
