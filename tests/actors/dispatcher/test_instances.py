"""A dispatcher among others: notes about its jobs, nodes elsewhere, answers that came astray."""

from dataclasses import replace
from typing import Any

import pytest

from actors.messages.job import (
    AssignJob,
    JobDispatched,
    JobEnded,
    JobUndelivered,
    KeepJob,
    ResultArrived,
    UtteranceCut,
    UtteranceWanted,
    WithdrawJob,
)
from actors.messages.node import NodeAccepted, SlotsListed, SlotsWanted
from actors.messages.process import InstanceExpired, NoteArrived, PeerUnreachable, StoreEmptied
from actors.messages.takeover import SessionReleased
from actors.ports import Mailbox
from protocol.ids import InstanceId, JobId, NodeId, SessionId
from storage.job import JobState
from storage.replies.job import Assigned, Note, NoteKind, Released
from tests.actors.support.dispatch_bench import DispatchBench
from tests.support.recording import RecordingRef
from tests.support.storage_world import LEASE_MS

HERE, THERE = InstanceId("i1"), InstanceId("i2")


class Far:
    """Ways to the other instances, which record."""

    def __init__(self) -> None:
        self.nodes = RecordingRef("far nodes")
        self.dispatchers = RecordingRef("far dispatchers")
        self.is_reachable = True

    def session(self, instance_id: InstanceId, session_id: SessionId) -> RecordingRef:
        raise AssertionError((instance_id, session_id))

    def node(self, instance_id: InstanceId, _node_id: NodeId) -> RecordingRef | None:
        assert instance_id != HERE
        return self.nodes if self.is_reachable else None

    def dispatcher(self, instance_id: InstanceId) -> RecordingRef | None:
        assert instance_id != HERE
        return self.dispatchers if self.is_reachable else None

    def flush(self, _asker: Mailbox) -> int:
        return 0


@pytest.fixture
def far(any_bench: DispatchBench) -> Far:
    any_bench.directory.remotes = far = Far()
    any_bench.world.beat(THERE)
    return far


def note(kind: NoteKind, cut: UtteranceCut, attempt: int = 1, **changes: Any) -> NoteArrived:
    at = Assigned(cut.spec.job_id, attempt, NodeId("f"), THERE, 1, 30_000)
    return NoteArrived(Note(kind, replace(at, **changes)))


def test_a_job_goes_to_a_node_elsewhere_with_its_owner(any_bench: DispatchBench, far: Far) -> None:
    bench = any_bench
    session = bench.session()
    bench.world.node("f", owner=THERE)
    cut = bench.cut()
    bench.tell(cut)
    told = far.nodes.only(AssignJob)
    assert (told.spec.job_id, told.owner, told.audio) == (cut.spec.job_id, HERE, cut.audio)
    assert session.only(JobDispatched).node_id == "f"
    bench.tell(bench.result(cut, node="f"))
    assert session.only(JobEnded).state is JobState.DONE


def test_a_node_out_of_reach_is_left_for_another_one(any_bench: DispatchBench, far: Far) -> None:
    bench = any_bench
    bench.session("busy")
    bench.session()
    near = bench.node(slots=2)
    bench.tell(bench.cut("busy"))
    near.take()
    bench.world.node("f", owner=THERE)
    far.is_reachable = False
    bench.tell(bench.cut())
    assert near.only(AssignJob).attempt == 2
    assert bench.world.slots("f") == {}


def test_an_assignment_that_did_not_arrive_goes_elsewhere(
    any_bench: DispatchBench, far: Far
) -> None:
    bench = any_bench
    bench.session()
    bench.world.node("f", owner=THERE)
    cut = bench.cut()
    bench.tell(cut)
    near = bench.node()
    bench.tell(JobUndelivered(cut.spec.job_id, 1, NodeId("f")))
    assert near.only(AssignJob).attempt == 2
    assert far.nodes.only(WithdrawJob).attempt == 1


def waiting(bench: DispatchBench) -> UtteranceCut:
    """A job of ours waits for a node elsewhere, which works for another instance."""
    bench.world.node("f", owner=THERE)
    bench.world.session("x", THERE)
    bench.world.dispatch("x", 1, owner=THERE)
    bench.session()
    cut = bench.cut()
    bench.tell(cut)
    return cut


def test_a_slot_that_another_instance_freed_is_used(any_bench: DispatchBench, far: Far) -> None:
    bench = any_bench
    cut = waiting(bench)
    bench.world.complete("job-x-1-es", "f", owner=THERE)
    assert far.nodes.of(AssignJob) == []
    bench.tell(note(NoteKind.ASSIGNED, cut))
    assert far.nodes.only(AssignJob).audio == cut.audio


def test_a_note_that_comes_twice_or_late_changes_nothing(
    any_bench: DispatchBench, far: Far
) -> None:
    bench = any_bench
    cut = waiting(bench)
    bench.world.complete("job-x-1-es", "f", owner=THERE)
    news = note(NoteKind.ASSIGNED, cut)
    bench.tell(news)
    bench.tell(news)
    assert len(far.nodes.of(AssignJob)) == 1
    near = bench.node()
    bench.tell(JobUndelivered(cut.spec.job_id, 1, NodeId("f")))
    bench.tell(news)
    bench.tell(note(NoteKind.NODE_LOST, cut))
    bench.tell(note(NoteKind.NODE_MOVED, cut, node_instance=InstanceId("i3")))
    assert near.only(AssignJob).attempt == 2
    assert len(far.nodes.of(AssignJob)) == 1
    assert near.of(KeepJob) == []


def test_a_job_whose_node_was_lost_elsewhere_moves(any_bench: DispatchBench, far: Far) -> None:
    bench = any_bench
    bench.session()
    bench.world.node("f", owner=THERE)
    cut = bench.cut()
    bench.tell(cut)
    near = bench.node()
    bench.world.offline("f", owner=THERE)
    bench.tell(note(NoteKind.NODE_LOST, cut))
    assert near.only(AssignJob).attempt == 2
    assert len(far.nodes.of(AssignJob)) == 1


def test_a_node_that_came_to_another_instance_keeps_its_job(
    any_bench: DispatchBench, far: Far
) -> None:
    bench = any_bench
    session = bench.session()
    bench.world.node("f", owner=THERE)
    cut = bench.cut()
    bench.tell(cut)
    here = bench.node("f")
    bench.tell(note(NoteKind.NODE_MOVED, cut, node_instance=HERE))
    kept = here.only(KeepJob)
    assert (kept.spec.job_id, kept.attempt, kept.owner) == (cut.spec.job_id, 1, HERE)
    bench.tell(bench.result(cut, node="f"))
    assert session.only(JobEnded).state is JobState.DONE
    assert far.nodes.of(WithdrawJob) == []


def test_notes_about_jobs_that_are_over_are_harmless(any_bench: DispatchBench, far: Far) -> None:
    bench = any_bench
    session = bench.session()
    bench.world.node("f", owner=THERE)
    cut = bench.cut()
    bench.tell(cut)
    bench.tell(bench.result(cut, node="f"))
    for kind in NoteKind:
        bench.tell(note(kind, cut))
    assert len(session.of(JobEnded)) == 1
    assert session.of(UtteranceWanted) == []
    assert len(far.nodes.of(AssignJob)) == 1


def test_a_session_that_another_instance_claimed_is_let_go_of(
    any_bench: DispatchBench, far: Far
) -> None:
    bench = any_bench
    session = bench.session()
    bench.node()
    bench.tell(bench.cut())
    epoch = bench.claims.epoch(SessionId("s"))
    bench.tell(NoteArrived(Released(SessionId("s"), epoch)))
    assert session.of(SessionReleased) == []  # it has come back since, under that epoch
    bench.tell(NoteArrived(Released(SessionId("s"), epoch + 1)))
    assert len(session.of(SessionReleased)) == 1
    assert len(bench.jobs.open_jobs) == 0


def test_when_an_instance_dies_jobs_at_its_nodes_move(any_bench: DispatchBench, far: Far) -> None:
    bench = any_bench
    bench.session()
    bench.world.node("f", owner=THERE)
    cut = bench.cut()
    bench.tell(cut)
    near = bench.node()
    bench.world.wait(LEASE_MS - 1)
    bench.world.beat()
    bench.world.wait(1)
    bench.tell(InstanceExpired(THERE))
    assert near.only(AssignJob).attempt == 2
    assert len(far.nodes.of(AssignJob)) == 1


def test_jobs_at_nodes_of_an_instance_out_of_reach_move(any_bench: DispatchBench, far: Far) -> None:
    bench = any_bench
    bench.session()
    bench.world.node("f", owner=THERE)
    cut = bench.cut()
    bench.tell(cut)
    near = bench.node()
    far.is_reachable = False
    bench.tell(PeerUnreachable(InstanceId("i3")))
    assert near.of(AssignJob) == []
    bench.tell(PeerUnreachable(THERE))
    assert near.only(AssignJob).attempt == 2


def test_jobs_at_nodes_elsewhere_stand_when_the_store_lost_its_data(
    any_bench: DispatchBench, far: Far
) -> None:
    bench = any_bench
    session = bench.session()
    bench.world.node("f", owner=THERE)
    cut = bench.cut()
    bench.tell(cut)
    bench.world.flush()
    bench.world.beat()
    bench.world.beat(THERE)
    bench.tell(bench.opened("s"), StoreEmptied())
    bench.pass_time(300)
    assert bench.world.job(cut.spec.job_id).node_id == "f"
    assert len(far.nodes.of(AssignJob)) == 1
    bench.world.node("f", owner=THERE)
    bench.tell(bench.result(cut, node="f"))
    assert session.only(JobEnded).state is JobState.DONE


# ---- answers that came astray ------------------------------------------------------------------


def astray(bench: DispatchBench, attempt: int = 1, node: str = "n") -> ResultArrived:
    """Our node answers a job that instance i2 drives."""
    bench.session()
    bench.node()
    bench.world.session("x", THERE)
    bench.world.dispatch("x", 1, owner=THERE, cut=1)
    spec = bench.world.spec("x", 1)
    answer = bench.result(bench.cut())
    return ResultArrived(spec.job_id, attempt, NodeId(node), answer.result)


def test_an_answer_for_another_instance_is_passed_on(any_bench: DispatchBench, far: Far) -> None:
    bench = any_bench
    answer = astray(bench)
    bench.tell(answer)
    assert far.dispatchers.messages == [answer]
    assert bench.metrics.stale_results == 0


def test_an_answer_to_a_job_whose_session_has_just_moved_is_passed_on(
    any_bench: DispatchBench, far: Far
) -> None:
    """The note of the move is on its way still."""
    bench = any_bench
    bench.session()
    bench.node()
    cut = bench.cut()
    bench.tell(cut)
    bench.world.take_over("s", THERE, bench.claims.epoch(SessionId("s")))
    answer = bench.result(cut)
    bench.tell(answer)
    assert far.dispatchers.messages == [answer]


@pytest.mark.parametrize("changes", [{"attempt": 2}, {"node": "other"}])
def test_an_answer_that_does_not_count_there_is_not(
    any_bench: DispatchBench, far: Far, changes: dict[str, Any]
) -> None:
    bench = any_bench
    bench.tell(astray(bench, **changes))
    assert far.dispatchers.messages == []
    assert bench.metrics.stale_results == 1


def test_an_answer_for_a_job_that_is_over_or_unknown_is_not(
    any_bench: DispatchBench, far: Far
) -> None:
    bench = any_bench
    answer = astray(bench)
    bench.world.complete(answer.job_id, "n", owner=THERE)
    bench.tell(answer)
    bench.tell(replace(answer, job_id=JobId("job-of-nobody")))
    assert far.dispatchers.messages == []
    assert bench.metrics.stale_results == 2


def test_an_answer_for_a_dead_instance_frees_the_slot_and_is_recorded(
    any_bench: DispatchBench, far: Far
) -> None:
    bench = any_bench
    answer = astray(bench)
    bench.world.wait(LEASE_MS - 1)
    bench.world.beat()
    bench.world.wait(1)
    bench.world.reap(THERE)
    bench.tell(answer)
    assert far.dispatchers.messages == []
    assert bench.world.slots("n") == {}
    assert bench.world.job(answer.job_id).state is JobState.DONE
    [(_, outcome)] = bench.world.stream("out:x")
    assert answer.result.text_translated in outcome["outcome"]


# ---- what a node may have in hand --------------------------------------------------------------


def test_a_crowded_node_is_told_which_jobs_hold_its_slots(
    any_bench: DispatchBench, far: Far
) -> None:
    bench = any_bench
    bench.session()
    node = bench.node(slots=2)
    cut = bench.cut()
    bench.tell(cut)
    epoch = node.only(NodeAccepted).epoch
    bench.tell(SlotsWanted(NodeId("n"), epoch), SlotsWanted(NodeId("n"), epoch - 1))
    assert node.of(SlotsListed) == [SlotsListed(frozenset({cut.spec.job_id})), SlotsListed(None)]
    assert far.nodes.messages == []


def test_a_store_that_lost_its_data_takes_no_job_from_a_crowded_node(
    any_bench: DispatchBench, far: Far
) -> None:
    """The job is open here and will be put back: the node must go on with it."""
    bench = any_bench
    bench.session()
    node = bench.node(slots=2)
    cut = bench.cut()
    bench.tell(cut)
    bench.world.flush()
    bench.world.beat()
    bench.tell(bench.arrived("n"))
    bench.pass_time(300)
    epoch = node.of(NodeAccepted)[-1].epoch
    assert bench.world.slots("n") == {}
    bench.tell(SlotsWanted(NodeId("n"), epoch))
    assert node.of(SlotsListed) == [SlotsListed(frozenset({cut.spec.job_id}))]
    assert far.nodes.messages == []
