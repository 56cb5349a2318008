"""For each word of the scripts by which a job goes from one cell to another: how to get there.

Between cells the same scripts run with another prefix; one cell is enough to see each word.
"""

from dataclasses import replace
from typing import Any

from protocol.ids import JobId, NodeId, SessionId
from storage.call import Call
from storage.cells import Cell
from storage.jobs import Restoration
from tests.storage.support.scenario_table import scenario
from tests.support.storage_world import World

ELSEWHERE = Cell(7)
_JOB = JobId("job-s-1-es")


def _lend(world: World, attempt: int = 1) -> Call[Any]:
    return world.member().jobs.lend(_JOB, attempt, Cell(0), ELSEWHERE)


def _lent(world: World) -> None:
    """One job has left for another cell."""
    world.dispatch("s", 1)
    world.do(_lend(world))


@scenario("dispatch_task", "LENT")
def _dispatch_lent(world: World) -> Call[Any]:
    _lent(world)
    return world.member().jobs.dispatch(world.spec("s", 1))


@scenario("restore_job", "LENT")
def _restore_lent(world: World) -> Call[Any]:
    _lent(world)
    return world.member().jobs.restore(world.restoration("s", 1))


@scenario("lend_job", "OK")
def _lend_ok(world: World) -> Call[Any]:
    world.segment("s", 1, 0)
    world.segment("s", 2, 1)
    return _lend(world)


@scenario("lend_job", "DUPLICATE")
def _lend_duplicate(world: World) -> Call[Any]:
    world.node("n1")
    world.dispatch("s", 1)
    return _lend(world)


@scenario("lend_job", "STALE")
def _lend_stale(world: World) -> Call[Any]:
    world.dispatch("s", 1)
    return _lend(world, attempt=2)


@scenario("lend_job", "GONE")
def _lend_gone(world: World) -> Call[Any]:
    return _lend(world)


def _borrow(world: World, **changes: Any) -> Call[Any]:
    restoration: Restoration = world.restoration("s", 1, **changes)
    return world.member().jobs.borrow(replace(restoration, attempt=2))


@scenario("borrow_node", "ASSIGNED")
def _borrow_assigned(world: World) -> Call[Any]:
    world.node("n1")
    return _borrow(world)


@scenario("borrow_node", "DUPLICATE")
def _borrow_duplicate(world: World) -> Call[Any]:
    world.dispatch("s", 1)
    return _borrow(world)


@scenario("borrow_node", "NO_NODE")
def _borrow_no_node(world: World) -> Call[Any]:
    world.node("n1", asr=["zh"])
    return _borrow(world)


@scenario("borrow_node", "FENCED")
def _borrow_fenced(world: World) -> Call[Any]:
    return _borrow(world, session_epoch=1)


@scenario("borrow_node", "MOVED")
def _borrow_moved(world: World) -> Call[Any]:
    restoration: Restoration = world.restoration("s", 1)
    world.beat("i2")
    world.session("s", owner="i2")
    return world.member().jobs.borrow(replace(restoration, attempt=2))


@scenario("claim_guest", "OK")
def _claim_guest(world: World) -> Call[Any]:
    _lent(world)
    epoch = world.session("s")
    return world.member().sessions.claim_guest(SessionId("s"), epoch, Cell(0), resumes=True)


@scenario("claim_guest", "MOVED")
def _claim_guest_moved(world: World) -> Call[Any]:
    epoch = world.session("s")
    return world.member().sessions.claim_guest(SessionId("s"), epoch - 1, Cell(0))


@scenario("claim_guest", "FENCED")
def _claim_guest_fenced(world: World) -> Call[Any]:
    return world.member("i2").sessions.claim_guest(SessionId("s"), 1, Cell(0))


@scenario("survey", "OK")
def _survey(world: World) -> Call[Any]:
    world.node("n1")
    return world.member().jobs.survey("a:en,s:es", Cell(0))


@scenario("record_guest", "OK")
def _record_guest(world: World) -> Call[Any]:
    epoch = world.session("s")
    return world.member().sessions.record_guest(SessionId("s"), epoch, ELSEWHERE)


@scenario("record_guest", "FENCED")
def _record_guest_fenced(world: World) -> Call[Any]:
    return world.member().sessions.record_guest(SessionId("s"), 1, ELSEWHERE)


@scenario("count_nodes", "OK")
def _count(world: World) -> Call[Any]:
    world.node("n1")
    return world.member().nodes.count(NodeId("n1"), ("a:en", "s:es", "t:es"))


@scenario("place_node", "OK")
def _place(world: World) -> Call[Any]:
    return world.member().nodes.place(NodeId("n1"), Cell(0))


@scenario("locate_job", "LENT")
def _locate_lent(world: World) -> Call[Any]:
    _lent(world)
    return world.member().jobs.locate(_JOB)
