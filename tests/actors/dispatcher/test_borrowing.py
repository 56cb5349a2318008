"""A job whose own cell has no node gets one of another cell: once, and never above capacity."""

from collections.abc import Iterator

import fakeredis
import pytest

from actors.dispatcher.options import DispatchOptions
from actors.messages.job import AssignJob, EndJob, JobDispatched, JobEnded, JobQueued
from actors.messages.node import Languages, NodeChanged, NodeLost
from actors.messages.session import SessionEnded
from protocol.errors import MissingReason
from protocol.ids import NodeId, SessionId
from storage.call import Call
from storage.client.executor import Executor, RedisExecutor, StorageUnavailable
from storage.client.transport import open_executor
from storage.job import JobState
from tests.actors.support.cell_bench import A, B, C, CellBench, CellWorld
from tests.support.processes.redis_cluster import running_cluster


@pytest.fixture(scope="module")
def cluster_url() -> Iterator[str]:
    with running_cluster() as cluster:
        yield cluster.url


@pytest.fixture(params=["fakeredis", "cluster"])
def executor(request: pytest.FixtureRequest) -> Executor:
    """One imitated server, or three real masters with a cell each."""
    if request.param == "cluster":
        return open_executor(request.getfixturevalue("cluster_url"))
    client = fakeredis.FakeAsyncRedis(server=fakeredis.FakeServer(), decode_responses=True)
    return RedisExecutor(client)


@pytest.fixture
def world(executor: Executor) -> Iterator[CellWorld]:
    world = CellWorld.of_cells(executor)
    yield world
    try:
        assert world.breaches() == []
    finally:
        world.close()


@pytest.fixture
def bench(world: CellWorld) -> CellBench:
    return CellBench(world)


def test_a_job_stays_at_home_while_home_has_a_node(bench: CellBench) -> None:
    bench.node_in(B, "far")
    bench.node_in(A, "near")
    name, _ = bench.session_of(A)
    bench.tell(bench.cut(name))
    assert len(bench.assigned("near")) == 1
    assert bench.store.count("borrow_node") == bench.store.count("survey") == 0


def test_a_full_home_borrows_and_nobody_hears_of_a_queue(bench: CellBench) -> None:
    near, far = bench.node_in(A, "near"), bench.node_in(B, "far")
    name, session = bench.session_of(A)
    cuts = [bench.cut(name, index) for index in (0, 1)]
    bench.tell(*cuts)
    assert bench.assigned("near") == [(cuts[0].spec.job_id, 1)]
    assert bench.assigned("far") == [(cuts[1].spec.job_id, 1)]
    assert session.of(JobQueued) == []
    assert len(session.of(JobDispatched)) == 2
    assert bench.cell_of(cuts[1].spec.job_id) == B
    assert bench.state_of(cuts[1]) is JobState.ASSIGNED
    bench.tell(bench.result(cuts[1], "far"), bench.result(cuts[0], "near"))
    assert sorted(bench.ends_of(name)) == [(0, JobState.DONE, None), (1, JobState.DONE, None)]
    assert bench.state_of(cuts[1]) is JobState.DONE
    assert len(near.of(AssignJob)) == len(far.of(AssignJob)) == 1


def test_a_home_without_any_node_finds_the_only_one_there_is(bench: CellBench) -> None:
    bench.node_in(C, "only", slots=2)
    for home in (A, B, C):
        name, _ = bench.session_of(home)
        cut = bench.cut(name)
        bench.tell(cut)
        bench.tell(bench.result(cut, "only"))
        assert bench.ends_of(name) == [(0, JobState.DONE, None)]


def test_a_crowd_asks_once_and_never_exceeds_any_capacity(bench: CellBench) -> None:
    bench.node_in(A, "near", slots=2)
    bench.node_in(B, "far", slots=3)
    bench.node_in(C, "farther", slots=1)
    name, session = bench.session_of(A)
    bench.tell(*(bench.cut(name, index) for index in range(12)))
    given = {node: len(bench.assigned(node)) for node in ("near", "far", "farther")}
    assert given == {"near": 2, "far": 3, "farther": 1}
    assert len(session.of(JobQueued)) == 6
    assert bench.store.count("survey") == 2


def test_who_waits_gets_a_node_that_becomes_free_elsewhere(bench: CellBench) -> None:
    bench.node_in(A, "near")
    name, session = bench.session_of(A)
    cuts = [bench.cut(name, index) for index in (0, 1)]
    bench.tell(*cuts)
    assert len(session.of(JobQueued)) == 1
    bench.node_in(B, "far")
    bench.pass_time(1_100)
    assert bench.assigned("far") == [(cuts[1].spec.job_id, 1)]


def test_a_slot_that_becomes_free_elsewhere_is_taken_at_once_and_in_order(
    bench: CellBench,
) -> None:
    bench.node_in(B, "far")
    name, _ = bench.session_of(A)
    cuts = [bench.cut(name, index) for index in range(6)]
    bench.tell(*cuts)
    for number, cut in enumerate(cuts):
        given = [job_id for job_id, _ in bench.assigned("far")]
        assert given == [earlier.spec.job_id for earlier in cuts[: number + 1]]
        bench.tell(bench.result(cut, "far"))
    assert bench.ends_of(name) == [(index, JobState.DONE, None) for index in range(6)]


def test_who_gets_a_node_at_home_meanwhile_gives_the_borrowed_one_back(bench: CellBench) -> None:
    """The answer of the near node frees its slot between the two halves of borrowing."""
    bench.node_in(A, "near")
    bench.node_in(B, "far")
    name, _ = bench.session_of(A)
    first, second = (bench.cut(name, index) for index in (0, 1))
    run, freed = bench.store._store.run, False

    async def interrupted(calls: list[Call[object]]) -> list[object]:
        nonlocal freed
        replies = await run(calls)
        if not freed and any(call.script.name == "borrow_node" for call in calls):
            freed = True
            member = bench.world.member()
            ended = bench.world.completion(first.spec.job_id, "near")
            [reply] = await run([member.jobs.complete(ended)])
            handed.extend(reply.handovers)
        return replies

    handed: list[object] = []
    bench.store._store.run = interrupted  # type: ignore[method-assign,assignment]
    bench.tell(first, second)
    assert len(handed) == 1
    assert bench.assigned("far") == []
    assert bench.assigned("near") == [(first.spec.job_id, 1), (second.spec.job_id, 1)]
    assert bench.world.breaches() == []
    name, _ = bench.session_of(B)
    bench.tell(bench.cut(name))
    assert len(bench.assigned("far")) == 1


@pytest.mark.parametrize(
    "script", ["survey", "record_guest", "claim_guest", "borrow_node", "lend_job"]
)
def test_a_lost_reply_anywhere_makes_no_second_job(bench: CellBench, script: str) -> None:
    bench.node_in(B, "far", slots=4)
    name, _ = bench.session_of(A)
    run, lost = bench.store.run, False

    async def losing(calls: list[Call[object]]) -> list[object]:
        nonlocal lost
        mine = [call.script.name for call in calls]
        if not lost and script in mine and "beat" not in mine and bench.store.tries > 2:
            lost = True
            bench.store.loses_replies = 1
        return await run(calls)

    bench.store.run = losing  # type: ignore[method-assign,assignment]
    cut = bench.cut(name)
    bench.tell(cut)
    bench.pass_time(3_000)
    assert lost
    assert [job for job, _ in bench.assigned("far")] == [cut.spec.job_id]
    bench.tell(bench.result(cut, "far"))
    bench.pass_time(35_000)
    assert bench.ends_of(name) == [(0, JobState.DONE, None)]
    slots = bench.world.run(bench.world.member().nodes.get_node(NodeId("far")))
    assert slots is not None
    assert slots.used_slots == 0


def test_a_repeated_cut_is_found_where_its_job_went(bench: CellBench) -> None:
    """A dispatcher that restarts is told again what is open."""
    far = bench.node_in(B, "far", slots=4)
    name, _ = bench.session_of(A)
    cut = bench.cut(name)
    bench.tell(cut)
    bench.start()
    bench.tell(bench.opened(name), bench.arrived("far", slots=4), cut)
    assert {job for job, _ in bench.assigned("far")} == {cut.spec.job_id}
    assert bench.world.slots_in(B, "far") == 1
    bench.tell(bench.result(cut, "far"))
    assert bench.ends_of(name) == [(0, JobState.DONE, None)]
    assert far.of(AssignJob)


def test_a_lost_node_of_the_other_cell_sends_the_job_on_from_there(bench: CellBench) -> None:
    bench.node_in(B, "far")
    name, session = bench.session_of(A)
    cut = bench.cut(name)
    bench.tell(cut)
    bench.leave("far")
    bench.tell(NodeLost(NodeId("far"), _epoch(bench, "far")))
    assert len(session.of(JobQueued)) == 1
    bench.node_in(A, "near")
    bench.pass_time(1_100)
    assert bench.assigned("near") == [(cut.spec.job_id, 2)]
    assert bench.cell_of(cut.spec.job_id) == A
    bench.tell(bench.result(cut, "near", 2))
    assert bench.ends_of(name) == [(0, JobState.DONE, None)]


def test_a_job_may_go_through_all_cells_and_is_found_by_its_id(bench: CellBench) -> None:
    name, _ = bench.session_of(A)
    cut = bench.cut(name)
    bench.tell(cut)
    for attempt, cell in enumerate((B, C, A), 1):
        node = f"n{attempt}"
        bench.node_in(cell, node)
        bench.pass_time(1_100)
        assert bench.assigned(node) == [(cut.spec.job_id, attempt)]
        record = bench.world.job(cut.spec.job_id)
        assert (record.node_id, record.attempt) == (node, attempt)
        if attempt < 3:
            bench.leave(node)
            bench.tell(NodeLost(NodeId(node), _epoch(bench, node)))
    bench.tell(bench.result(cut, "n3", 3))
    assert bench.ends_of(name) == [(0, JobState.DONE, None)]


def test_segments_of_a_turn_stay_together_wherever_the_first_went(bench: CellBench) -> None:
    bench.node_in(B, "far")
    name, _ = bench.session_of(A)
    parts = [bench.segment(part, name, ends=part == 2) for part in range(3)]
    for part in parts:
        bench.tell(part)
    assert [job for job, _ in bench.assigned("far")] == [part.spec.job_id for part in parts]
    assert {bench.cell_of(part.spec.job_id) for part in parts} == {B}
    assert bench.world.slots_in(B, "far") == 1


def test_waiting_segments_of_a_turn_leave_together_and_in_order(bench: CellBench) -> None:
    name, _ = bench.session_of(A)
    parts = [bench.segment(part, name) for part in range(3)]
    bench.tell(*parts)
    bench.node_in(C, "far")
    bench.pass_time(1_100)
    assert [job for job, _ in bench.assigned("far")] == [part.spec.job_id for part in parts]
    assert bench.world.slots_in(C, "far") == 1


def test_a_turn_leaves_whole_when_its_node_drops_its_languages(bench: CellBench) -> None:
    bench.node_in(A, "near")
    name, _ = bench.session_of(A)
    one, two = bench.segment(0, name), bench.segment(1, name, ends=True)
    bench.tell(one)
    assert bench.assigned("near") == [(one.spec.job_id, 1)]
    bench.node_in(B, "far")
    bench.tell(NodeChanged(NodeId("near"), _epoch(bench, "near"), Languages()))
    bench.tell(two)
    bench.pass_time(1_100)
    assert bench.assigned("far") == [(one.spec.job_id, 2), (two.spec.job_id, 2)]
    assert (bench.world.slots_in(A, "near"), bench.world.slots_in(B, "far")) == (0, 1)
    bench.tell(bench.result(one, "far", 2), bench.result(two, "far", 2))
    assert bench.ends_of(name) == [(0, JobState.DONE, None), (1, JobState.DONE, None)]


def test_a_job_that_is_ended_while_it_leaves_is_ended_where_it_goes(bench: CellBench) -> None:
    bench.node_in(B, "far")
    name, _ = bench.session_of(A)
    cut = bench.cut(name)
    run = bench.store.run

    async def with_the_end(calls: list[Call[object]]) -> list[object]:
        if any(call.script.name == "lend_job" for call in calls):
            end = EndJob(cut.spec.job_id, JobState.CANCELLED, MissingReason.SESSION_CLOSED)
            [step] = bench.jobs.end(end)
            *replies, reply = await run([*calls, step.call])
            ends.append((step, reply))
            return replies
        return await run(calls)

    ends: list[tuple[object, object]] = []
    bench.store.run = with_the_end  # type: ignore[method-assign,assignment]
    bench.tell(cut)
    bench.store.run = run  # type: ignore[method-assign]
    [(step, reply)] = ends
    more = step.apply(reply)  # type: ignore[attr-defined]
    for call in [following.call for following in more]:
        bench.world.do(call)
    assert bench.world.slots_in(B, "far") == 0
    assert bench.state_of(cut) is JobState.CANCELLED


def test_a_session_that_is_over_is_forgotten_in_every_cell(bench: CellBench) -> None:
    bench.node_in(B, "far")
    name, _ = bench.session_of(A)
    cut = bench.cut(name)
    bench.tell(cut)
    bench.tell(bench.result(cut, "far"))
    bench.tell(SessionEnded(SessionId(name)))
    for cell in (A, B, C):
        key = f"{bench.world.store.prefix_of(cell)}session:{name}"
        assert bench.world.run(bench.world.store.read([("EXISTS", key)])) == [0]
    assert len(bench.claims.guests) == 0


def test_who_takes_a_session_over_takes_its_jobs_elsewhere_over(bench: CellBench) -> None:
    bench.node_in(B, "far")
    name, _ = bench.session_of(A)
    cut = bench.cut(name)
    bench.tell(cut)
    bench.start()  # with nothing in memory, as another instance
    bench.tell(bench.opened(name))
    assert bench.claims.guests.epoch(SessionId(name), B) > 0


def test_a_queue_that_nobody_anywhere_can_serve_ends_in_time(world: CellWorld) -> None:
    bench = CellBench(world, options=DispatchOptions())
    name, session = bench.session_of(A)
    bench.tell(bench.cut(name))
    bench.pass_time(10_100)
    [end] = session.of(JobEnded)
    assert (end.state, end.reason) == (JobState.FAILED, MissingReason.NO_AVAILABLE_NODE)


def _epoch(bench: CellBench, node: str) -> int:
    record = bench.world.run(bench.world.member().nodes.get_node(NodeId(node)))
    assert record is not None
    return record.epoch


def test_a_cell_that_is_away_for_a_while_does_not_end_borrowing(bench: CellBench) -> None:
    """What it was asked is not answered; the others are asked again all the same."""
    bench.node_in(B, "far")
    name, _ = bench.session_of(A)
    run, prefix = bench.store.run, bench.world.store.prefix_of(C)
    is_away = True

    async def partly(calls: list[Call[object]]) -> list[object]:
        answered = iter(await run([call for call in calls if not gone(call)]))
        return [StorageUnavailable("C") if gone(call) else next(answered) for call in calls]

    def gone(call: Call[object]) -> bool:
        return is_away and call.keys[0] == prefix

    bench.store.run = partly  # type: ignore[method-assign,assignment]
    cuts = [bench.cut(name, index) for index in (0, 1)]
    bench.tell(*cuts)
    assert bench.assigned("far") == [(cuts[0].spec.job_id, 1)]
    bench.pass_time(3_000)
    is_away = False
    bench.pass_time(1_000)
    bench.node_in(C, "farther")
    bench.pass_time(1_500)
    assert bench.assigned("farther") == [(cuts[1].spec.job_id, 1)]


def test_only_what_concerns_the_cell_that_is_away_waits_and_in_order(bench: CellBench) -> None:
    bench.node_in(A, "near", slots=4)
    bench.node_in(B, "far", slots=4)
    here, _ = bench.session_of(A)
    there, _ = bench.session_of(B)
    run, prefix = bench.store.run, bench.world.store.prefix_of(B)
    is_away = True

    async def partly(calls: list[Call[object]]) -> list[object]:
        answered = iter(await run([call for call in calls if not gone(call)]))
        replies = [StorageUnavailable("B") if gone(call) else next(answered) for call in calls]
        if replies and all(isinstance(reply, StorageUnavailable) for reply in replies):
            raise StorageUnavailable("B")
        return replies

    def gone(call: Call[object]) -> bool:
        return is_away and call.keys[0] == prefix

    bench.store.run = partly  # type: ignore[method-assign,assignment]
    cuts = [bench.cut(there, index) for index in range(3)]
    for cut in cuts:
        bench.tell(cut)
        bench.pass_time(150)
    for index in range(3):
        bench.tell(bench.cut(here, index))
    assert len(bench.assigned("near")) == 3
    assert bench.assigned("far") == []
    is_away = False
    bench.pass_time(500)
    assert [job for job, _ in bench.assigned("far")] == [cut.spec.job_id for cut in cuts]
