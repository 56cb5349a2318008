"""What a session does with a node that hears what is being spoken, and without one."""

import pytest

from actors.messages.stream import (
    StreamClosed,
    StreamEnded,
    StreamFrame,
    StreamOpened,
    StreamWanted,
)
from protocol.ids import NodeId
from storage.capability import STREAMING
from tests.actors.support.session_bench import SessionBench
from tests.actors.support.speaker import pcm
from tests.support.recording import RecordingRef

NODE = NodeId("n")


@pytest.fixture
def bench() -> SessionBench:
    bench = SessionBench()
    bench.directory.abilities.put("n", (STREAMING,))
    return bench


def wanted(bench: SessionBench) -> StreamWanted:
    """Say enough that a node is asked for."""
    for _ in range(2):  # a format that was not declared is sure with the second
        bench.chunk(200)
    return bench.dispatcher.of(StreamWanted)[-1]


def open_for(bench: SessionBench, asked: StreamWanted) -> RecordingRef:
    """Let a node hear what is spoken; return it."""
    node = RecordingRef("node")
    bench.tell(StreamOpened(asked.spec.job_id, NODE, node))
    return node


def audio_at(node: RecordingRef) -> bytes:
    frames = node.of(StreamFrame)
    assert [frame.number for frame in frames] == list(range(len(frames)))
    return b"".join(frame.audio for frame in frames)


def test_what_is_spoken_goes_to_its_node_as_it_comes(bench: SessionBench) -> None:
    asked = wanted(bench)
    node = open_for(bench, asked)
    bench.chunk(100)
    assert audio_at(node) == pcm(500)
    cut = bench.speak(100)
    assert (cut.spec.job_id, cut.frames) == (asked.spec.job_id, len(node.of(StreamFrame)))
    assert audio_at(node) == cut.audio == pcm(600)
    assert not bench.dispatcher.of(StreamClosed)


def test_what_is_cut_before_its_stream_is_open_goes_under_another_name(bench: SessionBench) -> None:
    """Its node may hear of the stream all the same, and hears a name once."""
    asked = wanted(bench)
    cut = bench.speak(100)
    assert cut.frames == 0
    assert cut.spec.job_id != asked.spec.job_id
    assert cut.spec.turn_id != asked.spec.turn_id
    node = open_for(bench, asked)
    bench.chunk(100)
    assert bench.dispatcher.of(StreamClosed) == [StreamClosed(asked.spec.job_id)]
    assert not node.of(StreamFrame)


def test_a_stream_that_is_lost_is_asked_for_again_elsewhere_with_all_audio(
    bench: SessionBench,
) -> None:
    first = wanted(bench)
    open_for(bench, first)
    bench.chunk(400)
    bench.tell(StreamEnded(first.spec.job_id, failed=NODE))
    second = bench.dispatcher.of(StreamWanted)[-1]
    assert second.excluded == (NODE,)
    assert second.spec.job_id != first.spec.job_id
    assert second.spec.turn_id != first.spec.turn_id
    other = open_for(bench, second)
    cut = bench.speak(100)
    assert audio_at(other) == cut.audio == pcm(900)


def test_what_is_longer_than_a_segment_may_be_is_not_cut_when_its_stream_is_lost(
    bench: SessionBench,
) -> None:
    first = wanted(bench)
    open_for(bench, first)
    bench.chunk(12_000)
    bench.tell(StreamEnded(first.spec.job_id, failed=NODE))
    bench.chunk(100)
    assert not bench.cuts()
    second = bench.dispatcher.of(StreamWanted)[-1]
    other = open_for(bench, second)
    assert audio_at(other) == pcm(12_500)
    bench.tell(StreamEnded(second.spec.job_id))
    bench.chunk(100)
    (cut,) = bench.cuts()
    assert (cut.frames, cut.audio) == (0, pcm(12_600)), "no node streams: it is cut as ever"


def test_without_a_slot_it_is_asked_for_once_a_second_and_else_waits_for_its_cut(
    bench: SessionBench,
) -> None:
    asked = wanted(bench)
    bench.tell(StreamEnded(asked.spec.job_id))
    for _ in range(9):
        bench.wait(100)
        bench.chunk(100)
    assert len(bench.dispatcher.of(StreamWanted)) == 1
    bench.wait(100)
    again = wanted(bench)
    assert len(bench.dispatcher.of(StreamWanted)) == 2
    bench.tell(StreamEnded(again.spec.job_id))
    cut = bench.speak(100)
    assert (cut.frames, cut.audio) == (0, pcm(1_800))


def test_who_speaks_where_no_node_streams_asks_for_none() -> None:
    bench = SessionBench()
    bench.chunk(2_000)
    bench.speak(100)
    assert not bench.dispatcher.of(StreamWanted)


def test_a_session_that_ends_closes_its_stream_or_cuts_it(bench: SessionBench) -> None:
    asked = wanted(bench)
    node = open_for(bench, asked)
    bench.close()
    (cut,) = bench.cuts()
    assert cut.spec.job_id == asked.spec.job_id
    assert audio_at(node) == cut.audio
