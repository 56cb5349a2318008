"""The built-in recognisers on real speech that comes piece by piece.

Starting a process with its model takes half a second: few tests, each with several questions.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator

import pytest

from peers.engines import EngineError, Listening, ModelMissingError
from peers.engines.recogniser import MOONSHINE, POCKETSPHINX, ProcessRecogniser, RecogniserProgram
from peers.node.spoken_audio import StreamBrokenError
from peers.pcm import silence
from peers.recordings import carried_recordings, word_errors
from peers.wav import read_wav
from tests.peers.engines.test_recogniser import CLEAR, is_gist, with_recogniser

PIECE_BYTES = 6400
LONG, SHORT, _ = carried_recordings()


async def pieces_of(pcm: bytes) -> AsyncIterator[bytes]:
    """Yield it in pieces of 200 ms as fast as they are taken."""
    for start in range(0, len(pcm), PIECE_BYTES):
        await asyncio.sleep(0.02)
        yield pcm[start : start + PIECE_BYTES]


@pytest.mark.parametrize(
    ("program", "most_errors"), [(MOONSHINE, 2), (POCKETSPHINX, 15)], ids=["moonshine", "sphinx"]
)
def test_speech_that_comes_in_pieces_is_recognised_as_well(
    program: RecogniserProgram, most_errors: int
) -> None:
    async def main(recogniser: ProcessRecogniser) -> None:
        errors = 0
        for recording in (LONG, SHORT, CLEAR):
            partials: list[str] = []
            pcm = read_wav(recording.path) + silence(280)
            listening = Listening("s-1", partials.append)
            text = await recogniser.stream_in_session(pieces_of(pcm), "en", listening)
            errors += word_errors(recording.transcript, text)
            assert partials
            assert len(partials[0]) < len(text)
        assert errors <= most_errors
        assert await recogniser(read_wav(CLEAR.path), "en")

    with_recogniser(main, program)


@pytest.mark.parametrize("program", [MOONSHINE, POCKETSPHINX], ids=lambda each: each.package)
def test_what_is_no_speech_has_no_words_in_pieces_either(program: RecogniserProgram) -> None:
    hum = b"".join((300 * (-1) ** i).to_bytes(2, "little", signed=True) for i in range(16_000))

    async def main(recogniser: ProcessRecogniser) -> None:
        partials: list[str] = []
        listening = Listening("", partials.append)
        for sound in (silence(1000), hum, b"", b"\x01\x00"):
            assert await recogniser.stream_in_session(pieces_of(sound), "en", listening) == ""
        with pytest.raises(ModelMissingError, match="zh"):
            await recogniser.stream_in_session(pieces_of(b""), "zh", listening)
        assert not partials

    with_recogniser(main, program)


def test_a_stream_that_is_cancelled_or_broken_frees_its_process_for_the_next() -> None:
    pcm = read_wav(CLEAR.path)

    async def endless() -> AsyncIterator[bytes]:
        async for piece in pieces_of(pcm):
            yield piece
        await asyncio.Event().wait()

    async def broken() -> AsyncIterator[bytes]:
        async for piece in pieces_of(pcm[:32_000]):
            yield piece
        raise StreamBrokenError("frame 5 came where 3 was due")

    async def main(recogniser: ProcessRecogniser) -> None:
        (pid,) = recogniser.worker_pids
        begun = asyncio.Event()
        listening = Listening("s-1", lambda _: begun.set())
        task = asyncio.create_task(recogniser.stream_in_session(endless(), "en", listening))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        with pytest.raises(StreamBrokenError):
            await recogniser.stream_in_session(broken(), "en", Listening("s-1"))
        assert is_gist(CLEAR.transcript, await recogniser(pcm, "en"))
        assert recogniser.worker_pids == [pid]

    with_recogniser(main)


def test_a_process_that_dies_while_it_hears_ends_that_stream_and_is_replaced() -> None:
    pcm = read_wav(CLEAR.path)

    async def main(recogniser: ProcessRecogniser) -> None:
        (pid,) = recogniser.worker_pids
        begun = asyncio.Event()
        listening = Listening("s-1", lambda _: begun.set())
        stream = recogniser.stream_in_session(pieces_of(pcm + silence(60_000)), "en", listening)
        task = asyncio.create_task(stream)
        await begun.wait()
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(EngineError, match="died"):
            await task
        text = await recogniser.stream_in_session(pieces_of(pcm), "en", Listening("s-2"))
        assert text
        assert recogniser.worker_pids != [pid]

    with_recogniser(main)
