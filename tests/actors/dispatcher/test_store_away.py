"""While the store is away, or its answers are lost, words wait and nothing happens twice."""

import asyncio

import pytest

from actors.dispatcher import actor as dispatcher_actor
from actors.messages.job import JobAccepted, JobEnded
from actors.messages.node import NodeAccepted, NodeBeat, NodeLost
from actors.messages.session import SessionEnded
from protocol.ids import NodeId, SessionId
from tests.actors.conftest import OpenBench
from tests.actors.support.dispatch_bench import DispatchBench
from tests.actors.support.job_names import DONE, FAILED, JOB
from tests.support.waiting import until

# ---- the store is away ----------------------------------------------------------------------


def test_words_wait_for_the_store_and_go_on_in_order(bench: DispatchBench) -> None:
    bench.session()
    bench.node(slots=3)
    bench.store.is_away = True
    bench.tell(bench.cut(index=0))
    bench.tell(bench.cut(index=1))
    bench.pass_time(3_000)
    bench.tell(bench.cut(index=2))
    assert bench.assigned() == []
    bench.store.is_away = False
    bench.pass_time(250)
    assert bench.assigned() == [(f"job-s-{index}-es", 1) for index in range(3)]


def test_words_that_wait_too_long_end_as_store_unavailable(bench: DispatchBench) -> None:
    bench.session()
    bench.node()
    bench.store.is_away = True
    bench.tell(bench.cut())
    bench.pass_time(9_900)
    assert bench.ends_of() == []
    bench.pass_time(400)
    assert bench.ends_of() == [(0, FAILED, "store_unavailable")]
    bench.store.is_away = False
    bench.pass_time(1_000)
    assert bench.assigned() == []
    assert len(bench.ends.open_jobs) == 0


def test_a_dispatch_that_ran_unseen_and_was_given_up_frees_its_slot(bench: DispatchBench) -> None:
    bench.session()
    bench.node()
    bench.store.loses_replies = 1
    bench.tell(bench.cut())
    bench.store.is_away = True
    bench.pass_time(10_300)
    assert bench.ends_of() == [(0, FAILED, "store_unavailable")]
    assert bench.world.slots("n") != {}
    bench.store.is_away = False
    bench.pass_time(1_000)
    assert bench.world.slots("n") == {}


def test_first_words_of_sessions_that_begin_meanwhile_keep_their_order(
    bench: DispatchBench,
) -> None:
    bench.node(slots=2)
    bench.store.is_away = True
    bench.session()
    for part in range(4):
        bench.tell(bench.segment(part))
    bench.store.is_away = False
    bench.pass_time(250)
    assert [job for job, _ in bench.assigned()] == [f"job-s-{part}-es" for part in range(4)]
    assert bench.store.count("claim_session") == 1


def test_first_words_of_a_session_end_in_time_too(bench: DispatchBench) -> None:
    bench.node()
    bench.store.is_away = True
    bench.session()
    bench.tell(bench.cut(index=0))
    bench.pass_time(5_000)
    bench.tell(bench.cut(index=1))
    bench.pass_time(5_300)
    assert bench.ends_of() == [(0, FAILED, "store_unavailable")]
    bench.store.is_away = False
    bench.pass_time(250)
    assert bench.assigned() == [("job-s-1-es", 1)]


def test_results_wait_and_are_delivered(bench: DispatchBench) -> None:
    bench.session()
    bench.node(slots=2)
    cut = bench.cut()
    bench.tell(cut)
    bench.store.is_away = True
    bench.tell(bench.result(cut, text_asr="kept"))
    bench.pass_time(60_000)
    assert bench.ends_of() == []
    bench.store.is_away = False
    bench.pass_time(250)
    assert bench.ends_of() == [(0, DONE, None)]
    assert bench.assigned() == [(JOB, 1)]


def test_a_node_that_is_lost_meanwhile_loses_no_words(bench: DispatchBench) -> None:
    bench.session()
    node = bench.node("n")
    cut = bench.cut()
    bench.tell(cut)
    bench.store.is_away = True
    bench.leave("n")
    bench.tell(NodeLost(NodeId("n"), node.only(NodeAccepted).epoch))
    bench.node("other")
    bench.pass_time(20_000)
    bench.store.is_away = False
    bench.pass_time(250)
    assert bench.assigned("other") == [(JOB, 2)]


def test_what_is_kept_stays_small_however_long_it_takes(bench: DispatchBench) -> None:
    session, node = bench.session(), bench.node()
    cut = bench.cut()
    bench.tell(cut)
    bench.store.is_away = True
    epoch = node.only(NodeAccepted).epoch
    peak = 0
    for second in range(120):
        bench.tell(
            bench.cut(index=1000 + second),
            bench.result(cut),
            bench.failure(cut, code="MODEL_NOT_AVAILABLE"),
            JobAccepted(cut.spec.job_id, 1, NodeId("n"), started=False),
            NodeBeat(NodeId("n"), epoch, overloaded=False),
        )
        bench.pass_time(1_000)
        peak = max(peak, len(bench.dispatcher._ledger.waiting))
    assert peak < 100
    assert len(session.of(JobEnded)) >= 109


def test_sessions_that_come_and_go_meanwhile_leave_nothing(bench: DispatchBench) -> None:
    bench.store.is_away = True
    bench.session()
    bench.tell(SessionEnded(SessionId("s")))
    bench.store.is_away = False
    bench.pass_time(250)
    assert bench.world.command("EXISTS", "session:s") == 0
    assert SessionId("s") not in bench.claims.under_way


def test_it_asks_at_a_bounded_pace(bench: DispatchBench) -> None:
    bench.store.is_away = True
    bench.session()
    bench.store.tries = 0
    for _ in range(100):  # news do not make it try more often
        bench.tell(bench.cut(index=_))
        bench.pass_time(10)
    assert bench.store.tries <= 6


# ---- without a lease ------------------------------------------------------------------------


def test_without_a_lease_words_wait_for_it(open_bench: OpenBench) -> None:
    bench = open_bench()
    bench.world.run(bench.world.store.read([("FLUSHALL",)]))
    bench.session()
    bench.node(slots=2)
    bench.tell(bench.segment(0))
    bench.pass_time(500)
    bench.tell(bench.segment(1))
    assert bench.assigned() == []
    bench.world.beat()
    bench.pass_time(250)
    assert [job for job, _ in bench.assigned()] == [JOB, "job-s-1-es"]


def test_what_is_put_off_comes_although_more_is_put_off(open_bench: OpenBench) -> None:
    bench = open_bench()
    bench.world.run(bench.world.store.read([("FLUSHALL",)]))
    bench.session("first")
    bench.world.beat()
    bench.world.run(bench.world.store.read([("DEL", f"{bench.world.store.prefix}inst:i1")]))
    for number in range(10):
        bench.session(f"s{number}")
        if number == 3:
            bench.world.beat()
        bench.pass_time(60)
    assert bench.claims.epoch(SessionId("first")) > 0
    assert bench.claims.epoch(SessionId("s0")) > 0


# ---- a store that takes calls and does not answer -------------------------------------------


def test_a_store_that_hangs_holds_up_no_deadline(
    bench: DispatchBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its client gives it 5 s at a time, in which the dispatcher did not look at its clock."""
    monkeypatch.setattr(dispatcher_actor, "_HUNG_SECONDS", 0.01)
    monkeypatch.setattr(dispatcher_actor, "_HUNG_LOOK_SECONDS", 0.01)
    bench.session()
    bench.node()
    cut = bench.cut()

    async def scenario() -> None:
        bench.store.hangs = asyncio.Event()
        batch = asyncio.create_task(bench.dispatcher.on_receive_batch([cut]))
        bench.clock.now_ms += 9_990
        await asyncio.sleep(0.05)
        assert bench.ends_of() == []
        bench.clock.now_ms += 20
        await until(bench.ends_of)
        bench.store.hangs.set()
        bench.store.hangs = None
        await batch

    bench.world.run(scenario())
    assert bench.ends_of() == [(0, FAILED, "store_unavailable")]
    assert bench.assigned() == [], "what it answers in the end does not count"
    bench.pass_time(1_000)
    assert bench.world.slots("n") == {}


def test_words_that_wait_behind_a_store_that_hangs_wait_from_their_cut(
    bench: DispatchBench,
) -> None:
    bench.session()
    bench.node()
    cut = bench.cut()
    bench.clock.now_ms += 9_000  # in the mailbox, while the dispatcher waited for the store
    bench.store.is_away = True
    bench.tell(cut)
    bench.pass_time(900)
    assert bench.ends_of() == []
    bench.pass_time(300)
    assert bench.ends_of() == [(0, FAILED, "store_unavailable")]
