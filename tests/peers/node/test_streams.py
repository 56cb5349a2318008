"""What a node does with jobs that are taken while they are being spoken, seen on the wire."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import pytest

from peers.engines.engine import EngineError, Engines, Stream
from peers.node import spoken_audio
from protocol.audio.framing import AudioFormat
from protocol.messages.node_inbound import JobResult, JobStarted, NodeAsrPartial
from protocol.messages.node_outbound import JobAssign, JobCancel, JobEnd
from protocol.stream_frames import stream_frame_head
from tests.peers.support.canned_engines import canned_engines
from tests.peers.support.node_under_test import job, registered, running, with_node
from tests.support.peers.scripted_server import ScriptedPeer, scripted_server
from tests.support.waiting import PATIENCE_S

TENTH = b"\x01\x02" * 1600
"""100 ms of PCM16."""
BROKEN_FRAMES = (
    *(b"", b"\x20", b"\x20\xff\0\0\0\0job", b"\x21\x01\0\0\0\0x"),
    b"\x20\x01\0\0\0\0\xff",
)


async def lengths(pieces: AsyncIterator[bytes], _language: str) -> AsyncIterator[str]:
    """Tell how many tenths of a second came, one word for each."""
    count = 0
    async for piece in pieces:
        count += len(piece) // len(TENTH)
        yield " ".join(f"w{number}" for number in range(count))


def streaming_engines(stream: Stream = lengths) -> Engines:
    return replace(canned_engines(), stream=stream)


def streamed(job_id: str = "job-1", **changes: object) -> JobAssign:
    settings = {"job_id": job_id, "audio": "", "streaming": True, "enable_streaming_asr": True}
    return job(**{**settings, **changes})


def end(frames: int, job_id: str = "job-1", **changes: object) -> JobEnd:
    fields = {"job_id": job_id, "attempt_id": 1, "frames": frames, "duration_ms": 100 * frames}
    return JobEnd.model_validate({**fields, "cut_reason": "manual", **changes})


async def speak(
    peer: ScriptedPeer, *numbers: int, job_id: str = "job-1", audio: bytes = TENTH
) -> None:
    for number in numbers:
        await peer.socket.send(stream_frame_head(job_id.encode(), number) + audio)


async def hear_text(peer: ScriptedPeer, text: str) -> NodeAsrPartial:
    partial = await peer.hear(NodeAsrPartial)
    while partial.text != text:
        partial = await peer.hear(NodeAsrPartial)
    return partial


def test_a_node_says_that_it_streams_only_where_an_engine_does() -> None:
    async def streams(peer: ScriptedPeer) -> None:
        assert (await registered(peer)).streaming is True

    async def does_not(peer: ScriptedPeer) -> None:
        assert (await registered(peer)).streaming is None
        await peer.say(streamed())
        result = await peer.hear(JobResult)
        assert result.error is not None
        assert "whole utterances" in result.error.message

    with_node(streams, streaming_engines())
    with_node(does_not)


def test_words_come_while_somebody_speaks_and_the_result_at_the_end() -> None:
    async def script(peer: ScriptedPeer) -> None:
        await registered(peer)
        await peer.say(streamed())
        await speak(peer, 0)
        first = await hear_text(peer, "w0")
        assert (first.job_id, first.utterance_index, first.is_final) == ("job-1", 0, False)
        assert first.stable_chars == 0
        await speak(peer, 1)
        await hear_text(peer, "w0 w1")
        await speak(peer, 2)
        third = await hear_text(peer, "w0 w1 w2")
        assert third.stable_chars == 2
        translated = await peer.hear(NodeAsrPartial)
        assert translated.text_translated == "[en>es] w0"
        assert not peer.of(JobResult)
        await peer.say(end(3, padding_ms=200))
        result = await peer.hear(JobResult)
        assert result.success
        assert result.text_asr == "w0 w1 w2 w3 w4"
        assert result.text_translated == "[en>es] w0 w1 w2 w3 w4"
        assert result.tts_audio
        assert result.service_timings().asr_ms is not None

    with_node(script, streaming_engines())


def test_a_plain_generator_hears_in_a_thread_of_its_own() -> None:
    threads: set[int] = set()

    def in_thread(pieces: Iterator[bytes], _language: str) -> Iterator[str]:
        threads.add(threading.get_ident())
        count = 0
        for piece in pieces:
            count += len(piece) // len(TENTH)
            yield f"{count}"

    async def script(peer: ScriptedPeer) -> None:
        await registered(peer)
        names = [f"job-{number}" for number in range(40)]
        for index, name in enumerate(names):
            await peer.say(streamed(name, utterance_index=index))
            await speak(peer, 0, job_id=name)
        for name in names:
            await speak(peer, 1, job_id=name)
            await peer.say(end(2, name))
        results = [await peer.hear(JobResult) for _ in names]
        assert {result.text_asr for result in results} == {"2"}
        assert {result.job_id for result in results} == set(names)
        assert len(threads) > 1

    with_node(script, streaming_engines(in_thread), max_jobs=40)


def test_nobody_hears_partial_texts_who_did_not_ask() -> None:
    async def script(peer: ScriptedPeer) -> None:
        await registered(peer)
        await peer.say(streamed(enable_streaming_asr=False))
        await speak(peer, 0)
        await peer.say(end(1))
        assert (await peer.hear(JobResult)).text_asr == "w0"
        assert not peer.of(NodeAsrPartial)

    with_node(script, streaming_engines())


@pytest.mark.parametrize(
    ("numbers", "ends_at", "why"),
    [
        ((0, 2), None, "frame 2 came where 1 was due"),
        ((1,), None, "frame 1 came where 0 was due"),
        ((0, 1, 1), None, "frame 1 came where 2 was due"),
        ((0, 1), 3, "2 frames came of 3"),
    ],
)
def test_audio_with_a_gap_is_an_error_of_its_job_and_of_no_other(
    numbers: tuple[int, ...], ends_at: int | None, why: str
) -> None:
    async def script(peer: ScriptedPeer) -> None:
        await registered(peer)
        await peer.say(streamed(), streamed("job-2", utterance_index=1))
        await speak(peer, 0, job_id="job-2")
        await speak(peer, *numbers)
        if ends_at is not None:
            await peer.say(end(ends_at))
        broken = await peer.hear(JobResult)
        assert broken.job_id == "job-1"
        assert broken.error is not None
        assert broken.error.code == "PROCESSING_ERROR"
        assert why in broken.error.message
        await speak(peer, 1, job_id="job-2")
        await peer.say(end(2, "job-2"))
        whole = await peer.hear(JobResult)
        assert (whole.job_id, whole.text_asr) == ("job-2", "w0 w1")

    with_node(script, streaming_engines(), max_jobs=2)


def test_more_audio_than_a_stream_may_hold_is_an_error_of_its_job() -> None:
    async def script(peer: ScriptedPeer) -> None:
        await registered(peer)
        await peer.say(streamed())
        huge = bytes(spoken_audio.MAX_BYTES // 2)
        await speak(peer, 0, 1, 2, audio=huge)
        result = await peer.hear(JobResult)
        assert result.error is not None
        assert "bytes of audio" in result.error.message

    with_node(script, streaming_engines())


def test_broken_frames_and_those_of_unknown_jobs_cost_nobody_anything() -> None:
    async def script(peer: ScriptedPeer) -> None:
        await registered(peer)
        await peer.say(streamed())
        await speak(peer, 0)
        for broken in (
            b"",
            b"\x20",
            b"\x20\xff\0\0\0\0job",
            b"\x21\x01\0\0\0\0x",
            b"\x20\x01\0\0\0\0\xff",
        ):
            await peer.socket.send(broken)
        await speak(peer, 0, job_id="nobody")
        await peer.say(end(1, "nobody"), end(1), end(1))
        assert (await peer.hear(JobResult)).text_asr == "w0"

    with_node(script, streaming_engines())


def test_a_cancel_in_the_middle_frees_the_place_and_stops_the_engine() -> None:
    ends: list[str] = []

    async def noting(pieces: AsyncIterator[bytes], language: str) -> AsyncIterator[str]:
        try:
            async for text in lengths(pieces, language):
                yield text
        except asyncio.CancelledError:
            ends.append("cancelled")
            raise

    async def script(peer: ScriptedPeer) -> None:
        await registered(peer)
        await peer.say(streamed())
        await speak(peer, 0)
        await hear_text(peer, "w0")
        await peer.say(JobCancel(job_id="job-1", reason="cancelled"))
        await speak(peer, 1)
        await peer.say(end(2))
        await peer.say(streamed("job-2", utterance_index=1))
        await peer.hear(JobStarted)
        await speak(peer, 0, job_id="job-2")
        await peer.say(end(1, "job-2"))
        result = await peer.hear(JobResult)
        assert (result.job_id, result.text_asr) == ("job-2", "w0")
        assert ends == ["cancelled"]

    with_node(script, streaming_engines(noting), max_jobs=1)


def test_a_plain_generator_that_is_cancelled_is_told_so_where_it_waits() -> None:
    over = threading.Event()

    def waiting(pieces: Iterator[bytes], _language: str) -> Iterator[str]:
        try:
            for _ in pieces:
                yield "begun"
        except BaseException:
            over.set()
            raise

    async def script(peer: ScriptedPeer) -> None:
        await registered(peer)
        await peer.say(streamed())
        await speak(peer, 0)
        await hear_text(peer, "begun")
        await peer.say(JobCancel(job_id="job-1"))
        assert await asyncio.to_thread(over.wait, PATIENCE_S)

    with_node(script, streaming_engines(waiting))


def test_an_engine_that_has_heard_enough_answers_at_the_end_all_the_same() -> None:
    async def hasty(pieces: AsyncIterator[bytes], _language: str) -> AsyncIterator[str]:
        await anext(pieces)
        yield "enough"

    async def script(peer: ScriptedPeer) -> None:
        await registered(peer)
        await peer.say(streamed())
        await speak(peer, 0)
        await hear_text(peer, "enough")
        await speak(peer, 1, 2)
        await peer.say(end(3))
        ended = len(peer.of(JobResult))
        assert ended == 0
        assert (await peer.hear(JobResult)).text_asr == "enough"

    with_node(script, streaming_engines(hasty))


def test_an_engine_that_fails_in_the_middle_ends_its_job_at_once() -> None:
    def failing(pieces: Iterator[bytes], _language: str) -> Iterator[str]:
        next(pieces)
        raise EngineError("out of memory")
        yield ""

    async def script(peer: ScriptedPeer) -> None:
        await registered(peer)
        await peer.say(streamed())
        await speak(peer, 0)
        error = (await peer.hear(JobResult)).error
        assert error is not None
        assert error.message == "out of memory"

    with_node(script, streaming_engines(failing))


def test_pcm_in_odd_pieces_and_of_another_rate_is_heard_in_full() -> None:
    heard: list[bytes] = []

    async def keeping(pieces: AsyncIterator[bytes], _language: str) -> AsyncIterator[str]:
        async for piece in pieces:
            heard.append(piece)
            yield "some"

    async def script(peer: ScriptedPeer) -> None:
        await registered(peer)
        await peer.say(streamed())
        for number, piece in enumerate((TENTH[:7], TENTH[7:8], TENTH[8:])):
            await speak(peer, number, audio=piece)
        await peer.say(end(3))
        await peer.hear(JobResult)
        assert b"".join(heard) == TENTH
        heard.clear()
        await peer.say(streamed("job-2", utterance_index=1, sample_rate=48_000))
        for number in range(10):
            await speak(peer, number, job_id="job-2", audio=b"\x01\x02" * 481)
        await peer.say(end(10, "job-2"))
        await peer.hear(JobResult)
        assert b"".join(heard) == b"\x01\x02" * (4810 // 3)

    with_node(script, streaming_engines(keeping))


def test_a_lost_socket_ends_what_is_still_spoken_and_nothing_else() -> None:
    may_answer = asyncio.Event()

    async def held(pieces: AsyncIterator[bytes], language: str) -> AsyncIterator[str]:
        async for text in lengths(pieces, language):
            yield text
        await may_answer.wait()

    async def main() -> None:
        done = asyncio.Event()
        connections = 0

        async def script(peer: ScriptedPeer) -> None:
            nonlocal connections
            connections += 1
            await registered(peer)
            if connections == 1:
                await peer.say(streamed(), streamed("job-2", utterance_index=1))
                await speak(peer, 0)
                await speak(peer, 0, job_id="job-2")
                await peer.say(end(1))
                await peer.hear(NodeAsrPartial)
                await peer.hear(NodeAsrPartial)
                await peer.socket.close()
                return
            may_answer.set()
            await peer.say(streamed("job-3", utterance_index=2))
            await speak(peer, 0, job_id="job-3")
            await peer.say(end(1, "job-3"))
            results = [await peer.hear(JobResult), await peer.hear(JobResult)]
            assert sorted(result.job_id for result in results) == ["job-1", "job-3"]
            done.set()

        async with (
            scripted_server(script) as server,
            running(server, streaming_engines(held), max_jobs=2),
            asyncio.timeout(PATIENCE_S),
        ):
            await done.wait()

    asyncio.run(main())


def test_a_node_that_leaves_hears_what_is_being_spoken_to_its_end() -> None:
    async def main() -> None:
        heard = asyncio.Event()

        async def script(peer: ScriptedPeer) -> None:
            await registered(peer)
            await peer.say(streamed())
            await speak(peer, 0)
            await hear_text(peer, "w0")
            node.leave()
            await speak(peer, 1)
            await hear_text(peer, "w0 w1")
            await peer.say(end(2))
            assert (await peer.hear(JobResult)).text_asr == "w0 w1"
            await peer.gone()
            heard.set()

        async with (
            scripted_server(script) as server,
            running(server, streaming_engines()) as node,
            asyncio.timeout(PATIENCE_S),
        ):
            await heard.wait()

    asyncio.run(main())


def test_opus_is_decoded_as_it_comes_wherever_it_is_cut() -> None:
    opus = pytest.importorskip("peers.engines.opus")
    if not opus.is_installed():
        pytest.skip("PyAV is not installed")
    packets = opus.encode(TENTH * 20)
    framed = b"".join(len(packet).to_bytes(2, "little") + packet for packet in packets)
    cuts = [framed[start : start + 131] for start in range(0, len(framed), 131)]

    async def script(peer: ScriptedPeer) -> None:
        await registered(peer)
        await peer.say(streamed(audio_format=AudioFormat.OPUS))
        for number, cut in enumerate(cuts):
            await speak(peer, number, audio=cut)
        await peer.say(end(len(cuts)))
        text = (await peer.hear(JobResult)).text_asr
        assert text is not None
        assert text.count("w") in {18, 19, 20}
        await peer.say(streamed("job-2", audio_format=AudioFormat.OPUS, utterance_index=1))
        await speak(peer, 0, job_id="job-2", audio=b"\x03\x00\xff\xff\xff")
        await peer.say(end(1, "job-2"))
        error = (await peer.hear(JobResult)).error
        assert error is not None
        assert "Opus decoding failed" in error.message

    with_node(script, streaming_engines())
