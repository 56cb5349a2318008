"""What the dispatcher remembers: by id, by turn, in the order of segments."""

from dataclasses import replace

from actors.dispatcher.open_jobs import OpenJob, OpenJobs
from actors.verdict import Follow, Verdict
from protocol.ids import JobId, NodeId, SessionId, TurnId
from storage.job import JobSpec
from tests.actors.support.node_bench import assignment
from tests.support.recording import RecordingRef

SESSION = RecordingRef("session")


def job(name: str, part: int = 0, turn: str = "turn", node: str | None = "n") -> OpenJob:
    message = assignment(SESSION, 0, 1)
    spec: JobSpec = replace(
        message.spec,
        job_id=JobId(name),
        turn_id=TurnId(turn),
        turn_part=part,
        turn_continues=True,
        utterance_index=part,
    )
    return OpenJob(SESSION, spec, message.work, 1, None if node is None else NodeId(node))


def test_a_job_is_found_until_it_is_removed() -> None:
    jobs = OpenJobs()
    added = jobs.add(job("a"))
    assert jobs.get(JobId("a")) is added
    assert JobId("a") in jobs
    assert jobs.remove(JobId("a")) is added
    assert jobs.remove(JobId("a")) is None
    assert len(jobs) == 0
    assert jobs._by_slot == {}


def test_a_job_that_is_known_keeps_its_entry() -> None:
    jobs = OpenJobs()
    first = jobs.add(job("a"))
    assert jobs.add(job("a")) is first
    assert [one.spec.job_id for one in jobs] == ["a"]


def test_the_segments_of_a_turn_come_in_order_whatever_order_they_came_in() -> None:
    jobs = OpenJobs()
    late, early, other = job("late", 1), job("early", 0), job("other", 0, "another turn")
    last = job("last", 2, node=None)
    for one in (late, other, last, early):
        jobs.add(one)
    assert jobs.in_slot(late) == [early, late, last]
    assert jobs.earlier_in_turn(last) == [early, late]
    assert jobs.with_turn(late) == [early, late]  # the last one waits
    assert jobs.earlier_in_turn(other) == []


def test_open_slots_count_turns_at_nodes() -> None:
    jobs = OpenJobs()
    for one in (job("a", 0), job("b", 1), job("c", 0, "second"), job("d", 0, "third", None)):
        jobs.add(one)
    assert jobs.open_slots == 2


def test_what_a_node_said_counts_until_the_job_moves() -> None:
    moved = job("a")
    moved.verdict = Verdict(Follow.END)
    moved.place(1, NodeId("n"))
    assert moved.verdict is not None
    moved.place(2, NodeId("n"))
    assert moved.verdict is None


def test_jobs_of_one_turn_in_two_languages_are_two_slots() -> None:
    jobs = OpenJobs()
    spanish = jobs.add(job("es"))
    french = job("fr")
    french.spec = replace(french.spec, language="fr", session_id=SessionId("s"))
    jobs.add(french)
    assert jobs.in_slot(spanish) == [spanish]


def test_a_segment_whose_turn_is_not_put_together_is_a_slot_of_its_own() -> None:
    jobs = OpenJobs()
    first, second = jobs.add(job("a", 0)), jobs.add(job("b", 1))
    assert jobs.in_slot(first) == [first, second]
    jobs.stand_alone(second)
    assert (second.is_of_turn, second.spec.turn_id, second.work.turn_id) == (False, *["turn.1"] * 2)
    assert (jobs.in_slot(first), jobs.in_slot(second)) == ([first], [second])
    jobs.remove(JobId("b"))
    assert jobs.get(JobId("b")) is None
