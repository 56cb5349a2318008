"""What a session refuses changes nothing: a client may send it again, repaired."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from actors.messages.session import ChunkArrived, UtteranceArrived
from protocol.audio.framing import AudioFormat
from protocol.messages.session_inbound import Utterance
from protocol.messages.session_outbound import ErrorMessage, SessionInitAck
from protocol.wire import MAX_SAFE_INTEGER
from tests.actors.support.resume_bench import SESSION, ResumeBench
from tests.actors.support.speaker import opus, pcm

BROKEN = b"\x01"
"""Neither opus packets behind their lengths nor whole samples."""


def tiny(index: int, audio: bytes, audio_format: AudioFormat) -> UtteranceArrived:
    said: dict[str, Any] = {
        "manual_cut": False,
        "src_lang": "en",
        "tgt_lang": "es",
        "audio": audio,
        "audio_format": audio_format,
        "sample_rate": 16_000,
    }
    return UtteranceArrived(Utterance(session_id=SESSION, utterance_index=index, **said))


def test_a_refused_chunk_does_not_use_up_its_seq() -> None:
    bench = ResumeBench(audio_format=AudioFormat.OPUS)
    bench.chunk(0, BROKEN)
    assert bench.outbox.only(ErrorMessage).code == "INVALID_MESSAGE"
    bench.chunk(0, opus(1))
    bench.chunk(1, b"", final=True)
    bench.advance_to(60)
    assert [cut.audio for cut in bench.cuts] == [opus(1)]


def test_a_refused_tiny_utterance_does_not_use_up_its_index() -> None:
    bench = ResumeBench(audio_format=AudioFormat.OPUS)
    bench.tell(tiny(0, pcm(20), AudioFormat.PCM16))
    assert bench.outbox.only(ErrorMessage).code == "INVALID_MESSAGE"
    bench.tell(tiny(0, opus(1), AudioFormat.OPUS))
    bench.chunk(0, b"", final=True)
    bench.advance_to(60)
    assert [cut.audio for cut in bench.cuts] == [opus(1)]


def test_the_highest_seq_that_is_accepted_can_be_acknowledged() -> None:
    bench = ResumeBench(audio_format=AudioFormat.OPUS)
    bench.chunk(MAX_SAFE_INTEGER, opus(1), final=True)
    bench.advance_to(60)
    bench.answer(bench.cuts[0])
    bench.advance_to(5_000)
    assert bench.resume().next_seq == MAX_SAFE_INTEGER + 1
    ack = bench.outbox.only(SessionInitAck)
    assert SessionInitAck.model_validate_json(ack.model_dump_json()) == ack


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["chunk", "chunk", "final", "broken", "broken tiny"]),
            st.sampled_from([0, 60, 256, 3_000]),
        ),
        max_size=30,
    )
)
def test_what_is_refused_leaves_no_trace(script: list[tuple[str, int]]) -> None:
    plain, disturbed = (
        ResumeBench(audio_format=AudioFormat.OPUS),
        ResumeBench(audio_format=AudioFormat.OPUS),
    )
    seq = 0
    for what, after_ms in script:
        for bench in (plain, disturbed):
            bench.advance_to(bench.clock.now_ms + after_ms)
        if what == "broken":
            disturbed.chunk(seq, BROKEN)
        elif what == "broken tiny":
            disturbed.tell(tiny(seq, pcm(20), AudioFormat.PCM16))
        else:
            for bench in (plain, disturbed):
                audio = opus(1 + seq) if what == "chunk" else b""
                bench.tell(ChunkArrived(audio, seq, is_final=what == "final"))
            seq += 1
    for bench in (plain, disturbed):
        bench.advance_to(bench.clock.now_ms + 5_000)
    assert [cut.audio for cut in disturbed.cuts] == [cut.audio for cut in plain.cuts]
    assert disturbed.acked() == plain.acked()
    assert disturbed.resume().next_seq == plain.resume().next_seq
