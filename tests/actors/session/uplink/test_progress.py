"""What a client may forget, and what it has to send again."""

from actors.session.uplink.progress import AudioProgress, CatchUp
from protocol.ids import RequestId

FIRST, SECOND = RequestId("first"), RequestId("second")


def progress(*seqs: int) -> AudioProgress:
    made = AudioProgress(1000)
    made.restore(0, 1000)  # the store knows all that is cut
    for seq in seqs:
        assert made.take(seq)
    return made


def test_nothing_is_settled_before_an_outcome() -> None:
    made = progress(0, 1, 2)
    made.segment(0)
    assert made.acknowledge(0) is None
    made.cut(FIRST, 0)
    made.segment(None)
    assert made.acknowledge(10) is None
    assert made.due_ms is None
    made.answered(FIRST)
    assert made.acknowledge(20) == 3


def test_what_is_settled_ends_where_the_oldest_audio_waits() -> None:
    made = progress(*range(8))
    made.cut(FIRST, 0)
    made.cut(SECOND, 3)
    made.segment(6)
    made.answered(SECOND)
    assert made.acknowledge(0) is None
    made.answered(FIRST)
    assert made.acknowledge(0) == 6
    made.segment(None)  # silence
    assert made.acknowledge(1000) == 8


def test_the_client_hears_of_it_once_per_interval() -> None:
    made = progress(0, 1)
    made.cut(FIRST, 0)
    made.cut(SECOND, 1)
    made.answered(FIRST)
    assert made.acknowledge(100) == 1
    made.answered(SECOND)
    assert made.due_ms == 1100
    assert made.acknowledge(1099) is None
    assert made.acknowledge(1100) == 2
    assert made.due_ms is None


def test_a_gap_below_waiting_audio_is_still_expected() -> None:
    """7 came before 6, and the line was cut between them."""
    made = progress(*range(6), 7)
    made.cut(FIRST, 0)
    made.segment(7)
    made.answered(FIRST)
    assert made.acknowledge(0) == 6
    assert made.next_seq == 6


def test_numbers_that_a_client_left_out_are_not_waited_for_for_ever() -> None:
    made = progress(0, 1, 5, 6)
    made.cut(FIRST, 0)
    assert made.next_seq == 2
    made.answered(FIRST)
    assert made.next_seq == 7
    assert made.acknowledge(0) == 7


def test_a_client_that_comes_back_is_told_again() -> None:
    made = progress(0, 1)
    made.cut(FIRST, 0)
    made.answered(FIRST)
    assert made.acknowledge(0) == 2
    made.resumed(heard_ms=0, now_ms=5000)
    assert made.acknowledge(5000) == 2
    assert made.acknowledge(6000) is None


def test_tiny_utterances_count_by_their_own_numbers() -> None:
    made = progress(0)
    assert made.take_tiny(0)
    assert not made.take_tiny(0)
    assert made.next_seq == 1


def test_chunks_are_late_until_as_much_has_come_as_time_has_passed() -> None:
    catch_up = CatchUp()
    assert not catch_up.chunk(heard_ms=0, now_ms=1000)
    catch_up.begin(heard_ms=250, now_ms=2000)
    assert catch_up.chunk(heard_ms=250, now_ms=2001)
    assert catch_up.chunk(heard_ms=750, now_ms=2002)
    assert not catch_up.chunk(heard_ms=1260, now_ms=2003)
    assert not catch_up.chunk(heard_ms=1260, now_ms=9000)


def test_chunks_are_not_late_after_a_lull() -> None:
    catch_up = CatchUp()
    catch_up.begin(heard_ms=0, now_ms=2000)
    assert catch_up.chunk(heard_ms=0, now_ms=3999)
    assert catch_up.chunk(heard_ms=10, now_ms=5998)
    assert not catch_up.chunk(heard_ms=20, now_ms=7998)


def test_what_the_store_does_not_know_is_not_settled() -> None:
    """Another instance would ask for it."""
    made = AudioProgress(1000)
    for seq in range(4):
        made.take(seq)
    made.segment(2)
    made.segment(None)
    assert made.acknowledge(0) is None
    assert made.lags
    made.stored(3)
    assert made.acknowledge(10) == 3
    made.stored(4)
    assert made.acknowledge(1010) == 4
    assert not made.lags


def test_a_beginning_in_the_middle_asks_for_what_is_not_settled() -> None:
    made = AudioProgress(1000)
    made.restore(5, 9)
    assert made.next_seq == 5
    assert made.end_seq == 9
    assert not made.take(4)
    assert made.take(5)
    assert made.next_seq == 6


def test_after_a_move_catching_up_ends_when_chunks_come_at_the_pace_of_speech() -> None:
    made = CatchUp(was_elsewhere=True)
    made.begin(0, 1000)
    assert made.chunk(0, 1000)
    assert made.chunk(256, 1010)
    assert made.chunk(512, 1200)
    assert made.chunk(768, 1201)
    assert made.chunk(1024, 1400)
    assert made.chunk(1280, 1650)
    assert not made.chunk(1536, 1900)
    assert not made.chunk(1792, 1901)
