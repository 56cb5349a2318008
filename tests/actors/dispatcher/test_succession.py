"""A dispatcher that fails: its successor does what was left, and nothing twice that is heard."""

from collections.abc import Callable
from typing import Any

import pytest

from actors.dispatcher.claims import Claims
from actors.dispatcher.failover import FailOver
from actors.dispatcher.job_driver import JobDriver
from actors.dispatcher.job_ends import JobEnds
from actors.dispatcher.nodes import Nodes
from actors.messages.job import (
    AssignJob,
    AudioSupplied,
    EndJob,
    JobAccepted,
    JobEnded,
    JobProgressed,
    JobUndelivered,
    UtteranceWanted,
    WithdrawJob,
)
from actors.messages.node import NodeAccepted, NodeArrived, NodeLost, NodeRefused
from actors.messages.session import SessionClaimed, SessionEnded, SessionOpened, SessionRefused
from protocol.errors import MissingReason
from protocol.ids import NodeId, SessionId
from storage.job import JobState
from storage.store import ScriptError
from tests.actors.support.dispatch_bench import DispatchBench

DONE, FAILED, CANCELLED = JobState.DONE, JobState.FAILED, JobState.CANCELLED
POISON = "poison"
Patch = pytest.MonkeyPatch


class BugError(Exception):
    """What the broken parts raise."""


@pytest.fixture(autouse=True)
def broken(monkeypatch: Patch) -> list[Any]:
    """Let the dispatcher fail of a result with certain words; say how often it did."""
    raised: list[Any] = []
    sound = JobDriver.result

    def result(self: JobDriver, message: Any) -> Any:
        if message.result.text_asr == POISON:
            raised.append(message)
            raise BugError
        return sound(self, message)

    monkeypatch.setattr(JobDriver, "result", result)
    return raised


def fails(owner: type, name: str, times: int = 1) -> Callable[..., Any]:
    """Return a method that raises so often and then does what it is for."""
    sound, left = getattr(owner, name), [times]

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        if left[0]:
            left[0] -= 1
            raise BugError
        return sound(self, *args, **kwargs)

    return method


class Scene:
    """A session with one job that is poisoned and one beside it, on a node with two slots."""

    def __init__(self, bench: DispatchBench) -> None:
        self.bench = bench
        self.session, self.node = bench.session(), bench.node(slots=2)
        self.bad, self.good = bench.cut(index=0), bench.cut(index=1)
        bench.tell(self.bad, self.good)
        self.poison = bench.result(self.bad, text_asr=POISON)

    @property
    def epoch(self) -> int:
        return self.node.of(NodeAccepted)[-1].epoch


@pytest.fixture
def scene(bench: DispatchBench) -> Scene:
    return Scene(bench)


def where(scene: Scene, message: Any, position: str) -> None:
    """Let the dispatcher fail with this before the poison, behind it, or in its mailbox."""
    if position == "before":
        scene.bench.survive(message, scene.poison)
    elif position == "behind":
        scene.bench.survive(scene.poison, message)
    else:
        scene.bench.survive(scene.poison, pending=[message])


everywhere = pytest.mark.parametrize("position", ["before", "behind", "pending"])


@everywhere
def test_a_result_beside_the_one_it_failed_of_is_delivered_once(
    scene: Scene, position: str, broken: list[Any]
) -> None:
    bench = scene.bench
    where(scene, bench.result(scene.good), position)
    assert sorted(bench.ends_of()) == [(0, FAILED, "processing_error"), (1, DONE, None)]
    assert scene.node.of(WithdrawJob)[0].job_id == scene.bad.spec.job_id
    assert bench.state_of(scene.bad) is FAILED
    assert len(broken) == 1
    bench.pass_time(1000)
    assert sorted(bench.metrics.outcomes) == ["completed", "processing_error"]
    assert len(bench.ends.open_jobs) == 0


@everywhere
def test_a_lost_node_is_not_forgotten(scene: Scene, position: str) -> None:
    bench = scene.bench
    bench.node("other", slots=2)
    bench.leave("n")
    where(scene, NodeLost(NodeId("n"), scene.epoch), position)
    assert bench.assigned("other") == [(scene.good.spec.job_id, 2)]
    bench.tell(bench.result(scene.good, "other", 2))
    assert bench.ends_of()[-1] == (1, DONE, None)


@everywhere
def test_an_assignment_that_failed_moves(scene: Scene, position: str) -> None:
    bench = scene.bench
    bench.node("other", slots=2)
    where(scene, JobUndelivered(scene.good.spec.job_id, 1, NodeId("n")), position)
    told = bench.assigned("other")  # twice, perhaps: a node's actor knows what it has
    assert set(told) == {(scene.good.spec.job_id, 2)}


@everywhere
def test_a_job_that_its_owner_ends_is_ended(scene: Scene, position: str) -> None:
    """Also where the session is gone and tells nobody again."""
    bench = scene.bench
    scene.session.is_dead = position == "pending"
    end = EndJob(scene.good.spec.job_id, CANCELLED, MissingReason.SESSION_CLOSED)
    where(scene, end, position)
    assert bench.state_of(scene.good) is CANCELLED
    assert len(bench.ends.open_jobs) == 0


@everywhere
def test_a_node_that_registers_is_acknowledged(scene: Scene, position: str) -> None:
    bench = scene.bench
    before = scene.epoch
    where(scene, bench.arrived("n", slots=2), position)
    assert scene.epoch > before


@everywhere
def test_audio_that_was_asked_for_arrives(scene: Scene, position: str) -> None:
    bench = scene.bench
    other = bench.node("other", slots=2)
    scene.session.answers = False
    bench.tell(JobUndelivered(scene.good.spec.job_id, 1, NodeId("n")))
    wish = scene.session.only(UtteranceWanted)
    audio = AudioSupplied(wish.job_id, wish.attempt, b"audio")
    where(scene, audio, position)
    assert other.of(AssignJob)[0].audio == b"audio"


@everywhere
def test_progress_is_shown(scene: Scene, position: str) -> None:
    accepted = JobAccepted(scene.good.spec.job_id, 1, NodeId("n"), started=False)
    where(scene, accepted, position)
    assert scene.session.of(JobProgressed)


@everywhere
def test_a_session_that_ends_is_forgotten(scene: Scene, position: str) -> None:
    bench = scene.bench
    bench.session("brief")
    bench.sessions.pop("brief").is_dead = True
    where(scene, SessionEnded(SessionId("brief")), position)
    assert not bench.world.command("EXISTS", "session:brief")
    assert len(bench.claims) == 1


@everywhere
def test_words_are_cut_in_the_order_of_their_session(scene: Scene, position: str) -> None:
    bench = scene.bench
    bench.tell(bench.result(scene.good))
    first, second = (bench.cut(index=index) for index in (2, 3))
    if position == "pending":
        bench.survive(scene.poison, pending=[first, second])
    elif position == "behind":
        bench.survive(scene.poison, first, pending=[second])
    else:
        bench.survive(first, scene.poison, pending=[second])
    given = [job for job, _ in bench.assigned()][2:]
    assert list(dict.fromkeys(given)) == [first.spec.job_id, second.spec.job_id]
    bench.tell(bench.result(first), bench.result(second))
    assert [index for index, *_ in bench.ends_of()] == [1, 0, 2, 3]


def test_a_session_that_ended_while_it_was_claimed_is_forgotten(scene: Scene) -> None:
    bench = scene.bench
    bench.session("brief", open_it=False)
    opened = bench.opened("brief")
    bench.store.loses_replies = 1
    bench.tell(opened)  # the claim ran, and nobody knows
    bench.directory.remove_session(SessionId("brief"), bench.sessions.pop("brief"))
    bench.survive(SessionEnded(SessionId("brief")), scene.poison)
    assert not bench.world.command("EXISTS", "session:brief")
    assert len(bench.claims) == 1


def test_what_waits_for_the_store_is_done_by_the_successor(scene: Scene) -> None:
    bench = scene.bench
    bench.store.is_away = True
    bench.tell(bench.result(scene.good))
    bench.survive(scene.poison)
    assert bench.ends_of() == [(0, FAILED, "processing_error")]
    bench.store.is_away = False
    bench.pass_time(1000)
    assert bench.ends_of()[-1] == (1, DONE, None)
    assert bench.state_of(scene.bad) is FAILED


def test_a_conclusion_that_fails_is_its_own_jobs_fault(scene: Scene, monkeypatch: Patch) -> None:
    """The store has taken both results; one of them was not told."""
    bench = scene.bench
    monkeypatch.setattr(JobEnds, "_completed", fails(JobEnds, "_completed"))
    bench.survive(bench.result(scene.bad), bench.result(scene.good))
    assert bench.ends_of() == [(0, FAILED, "processing_error"), (1, DONE, None)]


def test_a_script_that_fails_is_its_own_jobs_fault(scene: Scene, monkeypatch: Patch) -> None:
    bench = scene.bench
    run, fails_now = bench.store.run, [True]

    async def run_badly(calls: Any) -> Any:
        replies = await run(calls)
        if fails_now.pop() if fails_now else False:
            raise ScriptError("complete_task: a bug", 1)
        return replies

    monkeypatch.setattr(bench.store, "run", run_badly)
    bench.survive(bench.result(scene.good), bench.result(scene.bad))
    assert sorted(bench.ends_of()) == [(0, FAILED, "processing_error"), (1, DONE, None)]


def test_a_due_job_that_fails_costs_the_others_nothing(scene: Scene, monkeypatch: Patch) -> None:
    """Nobody said anything: the failure is found out from the job that was decided on."""
    bench = scene.bench
    bench.node("other", slots=2)
    sound = FailOver.fail_over

    def fail_over(self: FailOver, job: Any, reason: str) -> Any:
        if job is scene.bench.ends.open_jobs.get(scene.bad.spec.job_id):
            raise BugError
        return sound(self, job, reason)

    monkeypatch.setattr(FailOver, "fail_over", fail_over)
    with pytest.raises(Exception, match="job-s-0") as failure:
        bench.pass_time(31_000)
    assert isinstance(failure.value, Exception)
    bench.succeed(failure.value)
    bench.pass_time(2_000)
    assert bench.ends_of() == [(0, FAILED, "processing_error")]
    assert bench.assigned("other") == [(scene.good.spec.job_id, 2)]


def test_a_session_that_cannot_be_taken_on_is_told(scene: Scene, monkeypatch: Patch) -> None:
    bench = scene.bench
    ref = bench.session("ill", open_it=False)
    monkeypatch.setattr(Claims, "opened", fails(Claims, "opened"))
    bench.survive(bench.opened("ill"), bench.result(scene.good))
    assert ref.of(SessionRefused)
    assert bench.ends_of() == [(1, DONE, None)]


def test_a_node_that_cannot_be_taken_on_is_told(scene: Scene, monkeypatch: Patch) -> None:
    bench = scene.bench
    monkeypatch.setattr(Nodes, "arrived", fails(Nodes, "arrived"))
    arrived = bench.arrived("n", slots=2)
    assert isinstance(arrived, NodeArrived)
    bench.survive(arrived, bench.result(scene.good))
    assert scene.node.of(NodeRefused)
    assert bench.ends_of() == [(1, DONE, None)]


def test_a_successor_that_fails_of_what_is_left_of_a_job_leaves_it(
    scene: Scene, monkeypatch: Patch
) -> None:
    bench = scene.bench
    monkeypatch.setattr(JobEnds, "abandoned", fails(JobEnds, "abandoned"))
    errors: list[Exception] = []
    try:
        bench.survive(scene.poison, bench.result(scene.good))
    except BugError as error:
        errors.append(error)
    bench.succeed(errors[0])
    assert sorted(bench.ends_of()) == [(0, FAILED, "processing_error"), (1, DONE, None)]
    assert [end.job_id for end in scene.session.of(JobEnded)].count(scene.bad.spec.job_id) == 1
    bench.pass_time(31_000)  # its slot is free when its time is over
    assert bench.state_of(scene.bad) is FAILED


def test_a_stale_attempt_of_an_abandoned_job_does_not_keep_its_slot(scene: Scene) -> None:
    """The store has moved the job on, and nobody has heard of it."""
    bench = scene.bench
    bench.node("other", slots=2)
    bench.store.loses_replies = 1
    bench.tell(JobUndelivered(scene.bad.spec.job_id, 1, NodeId("n")))
    bench.survive(scene.poison)
    bench.pass_time(1000)
    assert bench.state_of(scene.bad) is FAILED
    assert len(bench.ends.open_jobs) == 1


def test_living_sessions_are_claimed_again(scene: Scene) -> None:
    before = len(scene.session.of(SessionClaimed))
    scene.bench.survive(scene.poison)
    assert len(scene.session.of(SessionClaimed)) == before + 1
    assert isinstance(scene.bench.opened("s"), SessionOpened)
