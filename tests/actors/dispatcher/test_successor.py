"""A dispatcher that follows a failed one goes on with what is open."""

from actors.messages.job import AssignJob, EndJob
from actors.messages.node import NodeAccepted, NodeLost
from actors.messages.process import DispatcherRestarted
from protocol.errors import MissingReason
from protocol.ids import NodeId
from storage.job import JobState
from tests.actors.support.dispatch_bench import DispatchBench
from tests.actors.support.job_names import DONE, FAILED, JOB


def restart(bench: DispatchBench, *open_cuts: object) -> None:
    """Let a successor take over; everyone tells it what is open."""
    bench.start()
    bench.tell(*(bench.opened(name) for name in bench.sessions), *open_cuts)


def test_a_successor_goes_on_with_what_is_open(any_bench: DispatchBench) -> None:
    bench = any_bench
    session, node = bench.session(), bench.node()
    running, waiting = bench.cut(index=0), bench.cut(index=1)
    bench.tell(running, waiting)
    restart(bench, running, waiting)
    assert {told.attempt for told in node.of(AssignJob)} == {1}  # the node's actor knows it
    bench.tell(bench.result(running))
    bench.tell(bench.result(waiting))
    assert bench.ends_of() == [(0, DONE, None), (1, DONE, None)]
    assert session.of(DispatcherRestarted) == []


def test_a_successor_learns_at_which_attempt_a_waiting_job_is(bench: DispatchBench) -> None:
    bench.session()
    node = bench.node()
    cut = bench.cut()
    bench.tell(cut)
    bench.leave("n")
    bench.tell(NodeLost(NodeId("n"), node.only(NodeAccepted).epoch))
    restart(bench, cut)
    bench.tell(EndJob(cut.spec.job_id, JobState.CANCELLED, MissingReason.SESSION_CLOSED))
    assert bench.ends_of() == [(0, JobState.CANCELLED, "session_closed")]


def test_a_job_that_ended_with_the_predecessor_has_an_outcome(bench: DispatchBench) -> None:
    bench.session()
    bench.node()
    cut = bench.cut()
    bench.tell(cut)
    bench.sessions["s"].is_dead = True  # the answer does not come through
    bench.tell(bench.result(cut))
    bench.sessions["s"].is_dead = False
    restart(bench, cut)
    assert bench.ends_of() == [(0, DONE, "processing_error")]


def test_words_left_over_for_a_successor_wait_for_their_session(bench: DispatchBench) -> None:
    """What was pending comes before the session itself has told the successor anything."""
    bench.session()
    bench.node()
    bench.start()
    bench.tell(bench.cut())
    assert bench.ends_of() == []
    assert bench.assigned() == [(JOB, 1)]


def test_audio_that_was_let_go_of_is_not_sent_as_nothing(bench: DispatchBench) -> None:
    """With `audio_hold` `sent` a session has only the words' place left to tell again."""
    session, node = bench.session(), bench.node(slots=2)
    gone, known = bench.cut(index=0), bench.cut(index=1)
    bench.tell(known)
    mute = [type(gone)(session, cut.spec, cut.work, b"", 0.0) for cut in (gone, known)]
    restart(bench, *mute)
    assert bench.ends_of() == [(0, FAILED, "node_lost")]
    assert [told.audio for told in node.of(AssignJob)] == [known.audio]
    bench.tell(bench.result(known))
    assert bench.ends_of()[-1] == (1, DONE, None)
