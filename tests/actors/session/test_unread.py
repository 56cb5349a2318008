"""A speaker whose words wait to be read is not quiet: our slowness is no pause of theirs."""

from actors.messages.session import ChunkArrived
from tests.actors.support.session_bench import SessionBench
from tests.actors.support.speaker import pcm

PAUSE_MS = 3000


def durations(session: SessionBench) -> list[int]:
    return [len(cut.audio) // 32 for cut in session.cuts()]  # 16 kHz, 2 bytes a sample


def late_wake(session: SessionBench, at_ms: float) -> None:
    """Wake the actor as a loop does that was held up until then."""
    session.clock.now_ms = 1000.0 + at_ms
    session.actor.on_wake(session.clock.now_ms)


def test_there_is_no_pause_while_something_waits_to_be_read() -> None:
    session = SessionBench()
    session.chunk(512)
    session.outbox.is_unread = True
    session.wait(10 * PAUSE_MS)
    session.outbox.is_unread = False
    session.chunk(512)
    session.final()
    session.wait(60)
    assert durations(session) == [1024]


def test_what_waits_in_the_mailbox_was_said_before_the_pause() -> None:
    session = SessionBench()
    session.chunk(512)
    said = ChunkArrived(pcm(512), 1, is_final=True)
    session.actor.actor_ref.tell(said)  # read in the same turn of the loop as the alarm rang
    session.wait(PAUSE_MS)
    assert durations(session) == []
    session.actor.actor_inbox.get()
    session.tell(said)
    session.wait(60)
    assert durations(session) == [1024]


def test_what_is_read_in_the_turn_in_which_the_pause_came_due_was_said_before_it() -> None:
    """A turn may be long, and the alarm rings at the beginning of one."""
    session = SessionBench()
    session.chunk(512)
    session.clock.now_ms += PAUSE_MS + 400
    session.chunk(512)
    session.wait(PAUSE_MS)
    assert durations(session) == [1024]
    session.chunk(512)
    session.clock.now_ms += PAUSE_MS + 600
    session.chunk(512)
    assert durations(session) == [1024, 512]


def test_a_speaker_who_was_quiet_after_all_is_cut_soon_after() -> None:
    session = SessionBench()
    session.chunk(512)
    session.outbox.is_unread = True
    session.wait(PAUSE_MS + 50)
    session.outbox.is_unread = False
    session.wait(200)
    assert durations(session) == [512]


def test_an_end_that_was_said_is_not_put_off() -> None:
    session = SessionBench()
    session.outbox.is_unread = True
    session.chunk(512)
    session.final()
    session.wait(60)
    assert durations(session) == [512]


def test_what_came_while_the_loop_was_held_up_is_read_before_a_pause_is_believed() -> None:
    session = SessionBench()
    session.chunk(512)
    late_wake(session, PAUSE_MS + 500)
    assert durations(session) == []
    session.chunk(512)
    session.wait(PAUSE_MS)
    assert durations(session) == [1024]


def test_a_loop_that_is_always_late_puts_a_pause_off_only_once() -> None:
    session = SessionBench()
    session.chunk(512)
    late_wake(session, PAUSE_MS + 500)
    late_wake(session, PAUSE_MS + 1200)
    assert durations(session) == [512]
    session.chunk(256)
    late_wake(session, 3 * PAUSE_MS)
    assert durations(session) == [512]


def test_a_client_that_is_gone_is_quiet() -> None:
    session = SessionBench()
    session.chunk(512)
    session.outbox.is_unread = True
    session.lose_socket()
    session.wait(PAUSE_MS)
    assert durations(session) == [512]
