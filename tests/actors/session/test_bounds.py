"""How much one session may leave open, and that nothing stays counted when it is over."""

from actors.messages.job import JobDispatched, JobQueued
from actors.waiting_jobs import WaitingJobs
from protocol.ids import JobId, NodeId
from tests.actors.support.session_bench import SessionBench

MAX_OPEN = 200


def test_an_utterance_too_many_is_refused_here_and_those_before_it_are_not() -> None:
    """While the store is away nobody else would refuse it."""
    session = SessionBench()
    for index in range(MAX_OPEN + 2):
        session.utterance(index)
    cuts = session.cuts()
    assert len(cuts) == MAX_OPEN
    for cut in cuts:
        session.answer(cut)
    reasons = dict(session.outcomes())
    assert len(reasons) == MAX_OPEN + 2
    assert reasons[MAX_OPEN] == reasons[MAX_OPEN + 1] == "queue_full"
    assert reasons[MAX_OPEN - 1] == "hello"
    assert len(session.cuts()) == MAX_OPEN
    session.utterance(MAX_OPEN + 2)
    assert len(session.cuts()) == MAX_OPEN + 1


def test_a_session_that_is_over_gives_back_what_it_counted() -> None:
    session = SessionBench()
    for index in range(3):
        session.utterance(index)
    session.answer(session.cuts()[0])
    assert "2 of 50000 utterances" in repr(session.held)
    session.close()
    session.wait(20_000)
    assert session.is_over
    assert repr(session.held).startswith("<HeldAudio 0 of ")
    assert "0 of 50000 utterances" in repr(session.held)


def test_a_job_waits_from_its_cut_until_a_node_has_it_and_again_when_it_is_queued_again() -> None:
    waiting = WaitingJobs(max_per_socket=2)
    session = SessionBench(waiting=waiting)
    jobs = session.outbox.jobs
    closed = waiting.share("", jobs)
    closed.add(JobId("of the closed one"))
    session.utterance(0)
    session.utterance(1)
    (cut,) = session.cuts()
    assert jobs.waiting == 2
    session.tell(JobDispatched(cut.spec.job_id, 1, NodeId("n")))
    assert jobs.waiting == 1
    session.utterance(2)
    assert len(session.cuts()) == 2
    session.tell(JobQueued(cut.spec.job_id, 0))
    assert jobs.waiting == 3
    for one in session.cuts():
        session.answer(one)
    assert session.outcomes() == [(0, "hello"), (1, "queue_full"), (2, "hello")]
    assert jobs.waiting == 1


def test_a_session_that_is_over_has_nothing_waiting() -> None:
    waiting = WaitingJobs()
    session = SessionBench(waiting=waiting)
    session.utterance(0)
    session.close()
    session.wait(20_000)
    assert session.is_over
    assert session.outbox.jobs.waiting == 0
    assert waiting.owners == {}
