"""A node hears a turn's segments in their order and under one name; all else in any order."""

from typing import Any

import pytest

from actors.messages.job import (
    AssignJob,
    JobEnded,
    JobQueued,
    JobUndelivered,
    UtteranceWanted,
    WithdrawJob,
)
from actors.messages.node import Languages, NodeAccepted, NodeChanged, NodeLost
from protocol.errors import MissingReason
from protocol.ids import NodeId
from storage.job import JobState
from tests.actors.support.dispatch_bench import DispatchBench
from tests.actors.support.job_names import DONE, EMPTY, FAILED


def heard(bench: DispatchBench, node: str, session: str = "s") -> list[tuple[int, int]]:
    """Return what a node was given of a session, as index and attempt, in order."""
    told = [one for one in bench.nodes[node].of(AssignJob) if one.spec.session_id == session]
    return [(one.spec.utterance_index, one.attempt) for one in told]


def wait_for_a_full_node(bench: DispatchBench) -> tuple[Any, Any]:
    """Let a turn wait for its node, which is full, and a later utterance go to another one."""
    bench.session()
    bench.session("rival")
    bench.node("n")
    first = bench.segment(0)
    bench.tell(first)
    bench.tell(bench.result(first))
    bench.tell(bench.cut("rival"))
    bench.node("other", slots=2)
    waiting, later = bench.segment(1, ends=True), bench.cut(index=2)
    bench.tell(waiting, later)
    assert heard(bench, "other") == [(2, 1)]
    return waiting, later


def test_what_comes_behind_later_words_is_given_all_the_same(any_bench: DispatchBench) -> None:
    bench = any_bench
    waiting, later = wait_for_a_full_node(bench)
    bench.pass_time(2_010)
    assert heard(bench, "other") == [(2, 1), (1, 1)]
    bench.tell(bench.result(waiting, "other"), bench.result(later, "other"))
    assert bench.ends_of()[1:] == [(1, DONE, None), (2, DONE, None)]
    assert bench.world.slots("other") == {}


def test_words_that_a_client_numbers_as_it_likes_are_all_given(any_bench: DispatchBench) -> None:
    """Each is a session of its own to the node, so none costs an attempt more than any other."""
    bench = any_bench
    bench.session()
    bench.node(slots=9)
    labels = (7, 3, 2, 5, 8, 1, 9)
    for label in labels:
        bench.tell(bench.cut(index=label))
    assert heard(bench, "n") == [(label, 1) for label in labels]
    assert len({one.spec.turn_id for one in bench.nodes["n"].of(AssignJob)}) == len(labels)


def test_another_session_begins_in_its_own_order(bench: DispatchBench) -> None:
    bench.session()
    bench.node(slots=4)
    bench.tell(bench.cut(index=7))
    bench.session("t")
    bench.tell(bench.cut("t", index=3))
    assert heard(bench, "n") == [(7, 1)]
    assert heard(bench, "n", "t") == [(3, 1)]


@pytest.mark.parametrize(("attempt", "given"), [(1, 2), (3, 3)])
def test_a_segment_that_its_node_would_get_too_late_gets_a_further_attempt_if_there_is_one(
    bench: DispatchBench, *, attempt: int, given: int
) -> None:
    bench.session().answers = False
    bench.node(slots=2)
    begins, ends = bench.segment(0), bench.segment(1, ends=True)
    bench.tell(begins, ends)
    first, last = (bench.jobs.open_jobs.get(cut.spec.job_id) for cut in (begins, ends))
    assert first is not None
    assert last is not None
    for job in (first, last):
        job.attempt = attempt
    bench.world.command("HSET", f"job:{begins.spec.job_id}", "attempt", attempt)
    last.sent_on = 1
    first.sent_on = 0
    bench.jobs.assigner.connections[NodeId("n")] = 1
    steps = bench.jobs.assigner.assign(first, b"audio")
    assert [step.call.script.name for step in steps] == ["failover_job"] * 2 * (given == 2)


def test_a_segment_waits_for_its_turns_beginning(bench: DispatchBench) -> None:
    """The beginning is on its way to a node that is gone; its end must not go out without it."""
    bench.session()
    bench.node()
    begins, ends = bench.segment(0), bench.segment(1, ends=True)
    bench.store.loses_replies = 1
    bench.tell(begins)
    gone = bench.leave("n")
    bench.node("other", slots=2)
    bench.tell(NodeLost(NodeId("n"), gone.of(NodeAccepted)[-1].epoch), ends)
    bench.pass_time(300)
    attempts = {attempt for _, attempt in heard(bench, "other")}
    assert [index for index, _ in heard(bench, "other")][-2:] == [0, 1]
    assert len({attempt for _, attempt in heard(bench, "other")[-2:]}) == 1
    attempt = max(attempts)
    bench.tell(bench.result(ends, "other", attempt=attempt))
    assert bench.ends_of() == [(0, EMPTY, MissingReason.MERGED), (1, DONE, None)]


def test_a_turn_begins_again_when_its_node_is_on_another_socket(any_bench: DispatchBench) -> None:
    """What the former socket has carried may never have arrived."""
    bench = any_bench
    bench.session()
    bench.node()
    begins, ends = bench.segment(0), bench.segment(1, ends=True)
    bench.tell(begins)
    bench.tell(bench.arrived("n", connection=2))
    bench.tell(ends)
    assert heard(bench, "n") == [(0, 1), (0, 2), (1, 2)]
    bench.tell(bench.result(ends, attempt=2))
    assert bench.ends_of() == [(0, EMPTY, MissingReason.MERGED), (1, DONE, None)]


def test_an_answer_that_comes_while_its_job_moves_merges_nothing(bench: DispatchBench) -> None:
    bench.session().answers = False
    bench.node(slots=2)
    begins, ends = bench.segment(0), bench.segment(1, ends=True)
    bench.tell(begins, ends)
    job = bench.jobs.open_jobs.get(ends.spec.job_id)
    assert job is not None
    job.is_moving = True
    bench.tell(bench.result(ends))
    assert bench.ends_of() == []


@pytest.mark.parametrize("is_moving", [True, False])
def test_only_what_is_with_the_same_node_is_merged(
    bench: DispatchBench, *, is_moving: bool
) -> None:
    bench.session()
    bench.node(slots=2)
    begins, ends = bench.segment(0), bench.segment(1, ends=True)
    bench.tell(begins, ends)
    job = bench.jobs.open_jobs.get(begins.spec.job_id)
    assert job is not None
    job.is_moving = is_moving
    bench.tell(bench.result(ends))
    merged = [] if is_moving else [(0, EMPTY, MissingReason.MERGED)]
    assert bench.ends_of() == [*merged, (1, DONE, None)]


def test_a_hand_over_of_what_is_still_being_dispatched_ends_nothing(bench: DispatchBench) -> None:
    """The reply that it was queued is lost; the same script says it again, behind the hand-over."""
    bench.session()
    cut = bench.cut()
    bench.store.loses_replies = 1
    bench.tell(cut)
    arrived = bench.world.register("n")
    assert bench.jobs.handed_over(arrived.handovers) == []
    assert bench.state_of(cut) is JobState.ASSIGNED


def test_audio_that_was_asked_for_twice_is_sent_once(bench: DispatchBench) -> None:
    session = bench.session()
    bench.node()
    cut = bench.cut()
    bench.tell(cut)
    session.tell(UtteranceWanted(cut.spec.job_id, 1))
    bench.tell()
    assert heard(bench, "n") == [(0, 1)]


# ---- a node that drops the languages of a turn ----------------------------------------------


def drop_languages(bench: DispatchBench, name: str) -> NodeChanged:
    epoch = bench.nodes[name].only(NodeAccepted).epoch
    return NodeChanged(NodeId(name), epoch, Languages(asr=("de",), semantic=("fr",)), True)


def test_open_segments_follow_their_turn_from_a_node_that_dropped_its_languages(
    any_bench: DispatchBench,
) -> None:
    bench = any_bench
    session = bench.session()
    former = bench.node("n")
    segments = [bench.segment(part, ends=part == 3) for part in range(4)]
    bench.tell(segments[0])
    bench.tell(segments[1])
    new = bench.node("other")
    bench.tell(drop_languages(bench, "n"))
    bench.tell(segments[2])
    ids = [cut.spec.job_id for cut in segments]
    assert bench.assigned("n") == [(ids[0], 1), (ids[1], 1)]
    assert [(one.job_id, one.attempt) for one in former.of(WithdrawJob)] == bench.assigned("n")
    assert bench.assigned("other") == [(job_id, 2) for job_id in ids[:3]]
    assert [one.audio for one in new.of(AssignJob)] == [cut.audio for cut in segments[:3]]
    assert bench.world.slots("n") == {}
    assert bench.world.slots("other") == {"s|turn-long|es": " ".join(ids[:3])}
    bench.tell(segments[3])
    assert bench.assigned("other")[3:] == [(ids[3], 2)]
    bench.tell(bench.result(segments[0], "n"))  # of the attempt that was taken back
    assert bench.ends_of() == []
    bench.tell(bench.result(segments[3], "other", attempt=2))
    assert bench.ends_of() == [(part, EMPTY, "merged") for part in range(3)] + [(3, DONE, None)]
    assert bench.world.slots("other") == {}
    assert len(session.of(JobEnded)) == 4


def test_a_turn_waits_whole_when_no_other_node_has_a_free_slot(any_bench: DispatchBench) -> None:
    bench = any_bench
    session = bench.session()
    bench.session("rival")
    former = bench.node("n")
    one, two = bench.segment(0), bench.segment(1, ends=True)
    bench.tell(one)
    bench.node("other")
    rival = bench.cut("rival")
    bench.tell(rival)
    bench.tell(drop_languages(bench, "n"))
    bench.tell(two)
    assert former.only(WithdrawJob).job_id == one.spec.job_id
    assert {told.job_id for told in session.of(JobQueued)} == {one.spec.job_id, two.spec.job_id}
    assert bench.assigned("other") == [(rival.spec.job_id, 1)]
    assert bench.world.slots("n") == {}
    bench.tell(bench.result(rival, "other"))
    assert bench.assigned("other")[1:] == [(one.spec.job_id, 2), (two.spec.job_id, 2)]
    bench.tell(bench.result(one, "other", attempt=2), bench.result(two, "other", attempt=2))
    assert bench.ends_of() == [(0, DONE, None), (1, DONE, None)]
    assert bench.world.slots("other") == {}


def test_a_segment_whose_audio_is_on_its_way_to_such_a_node_follows_all_the_same(
    any_bench: DispatchBench,
) -> None:
    bench = any_bench
    session = bench.session()
    one, two = bench.segment(0), bench.segment(1, ends=True)
    bench.tell(one)
    session.answers = False
    bench.node("n")
    bench.node("other")
    bench.tell(drop_languages(bench, "n"))
    bench.tell(two)
    session.answers = True
    bench.tell(drop_languages(bench, "n"))
    assert [job_id for job_id, _ in bench.assigned("other")] == [one.spec.job_id, two.spec.job_id]
    assert len({attempt for _, attempt in bench.assigned("other")}) == 1
    attempt = bench.assigned("other")[0][1]
    bench.tell(*(bench.result(cut, "other", attempt) for cut in (one, two)))
    assert bench.ends_of() == [(0, DONE, None), (1, DONE, None)]
    assert (bench.world.slots("n"), bench.world.slots("other")) == ({}, {})


def test_a_segment_without_a_further_attempt_ends_when_its_turn_moves(
    bench: DispatchBench,
) -> None:
    """What comes after it does not wait for a node that the turn has left."""
    bench.session()
    bench.node("a")
    one, two = bench.segment(0), bench.segment(1, ends=True)
    bench.tell(one)
    for attempt, (former, new) in enumerate((("a", "b"), ("b", "c")), start=1):
        bench.node(new)
        bench.tell(JobUndelivered(one.spec.job_id, attempt, NodeId(former)))
    assert bench.assigned("c") == [(one.spec.job_id, 3)]
    bench.node("d")
    bench.tell(drop_languages(bench, "c"))
    bench.tell(two)
    assert bench.ends_of() == [(0, FAILED, "no_available_node")]
    assert bench.assigned("d") == [(two.spec.job_id, 1)]
    assert bench.world.slots("c") == {}


def test_a_turn_stays_at_a_node_that_drops_what_it_does_not_need(bench: DispatchBench) -> None:
    bench.session()
    bench.node("n")
    one, two = bench.segment(0), bench.segment(1, ends=True)
    bench.tell(one)
    bench.node("other")
    epoch = bench.nodes["n"].only(NodeAccepted).epoch
    fewer = Languages(asr=("en",), semantic=("es",))
    bench.tell(NodeChanged(NodeId("n"), epoch, fewer, joins_turns=True))
    bench.tell(two)
    assert bench.assigned("n") == [(one.spec.job_id, 1), (two.spec.job_id, 1)]
    assert bench.assigned("other") == []
