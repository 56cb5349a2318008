"""The built-in recogniser on real speech, and what happens when its process dies.

Starting a process with its model takes half a second, recognising a third of the speech's length:
few tests, each with several questions.
"""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable

import pytest

from peers.engines import EngineError, Listening, ModelMissingError
from peers.engines.recogniser import (
    MOONSHINE,
    POCKETSPHINX,
    ProcessRecogniser,
    RecogniserProgram,
    installed_recogniser,
)
from peers.pcm import silence
from peers.recordings import carried_recordings, word_errors
from peers.wav import read_wav

LONG, SHORT, CLEAR = carried_recordings()


def with_recogniser(
    main: Callable[[ProcessRecogniser], Awaitable[None]],
    program: RecogniserProgram = POCKETSPHINX,
) -> None:
    async def whole() -> None:
        recogniser = ProcessRecogniser(program)
        await recogniser.start()
        try:
            await main(recogniser)
        finally:
            await recogniser.stop()
        assert recogniser.worker_pids == []

    asyncio.run(whole())


def is_gist(transcript: str, text: str) -> bool:
    return word_errors(transcript, text) < 0.75 * len(transcript.split())


def test_recorded_speech_is_recognised_well_enough() -> None:
    partials: list[str] = []
    listening = Listening("s-1", partials.append)

    async def main(recogniser: ProcessRecogniser) -> None:
        errors = words = 0
        for recording in (LONG, SHORT, CLEAR):
            text = await recogniser.recognise_in_session(read_wav(recording.path), "en", listening)
            assert is_gist(recording.transcript, text)
            errors += word_errors(recording.transcript, text)
            words += len(recording.transcript.split())
        assert errors / words < 0.5
        assert len(partials) > 8
        assert partials[0].count(" ") < 4

    with_recogniser(main)


def test_moonshine_hears_almost_every_word_and_writes_sentences() -> None:
    async def main(recogniser: ProcessRecogniser) -> None:
        errors = 0
        for recording in (LONG, SHORT, CLEAR):
            text = await recogniser(read_wav(recording.path) + silence(280), "en")
            errors += word_errors(recording.transcript, text)
            assert text[0].isupper()
            assert text[-1] in ".,"
        assert errors <= 2

    with_recogniser(main, MOONSHINE)


def test_moonshine_is_chosen_before_pocketsphinx(monkeypatch: pytest.MonkeyPatch) -> None:
    there = {"moonshine_voice", "pocketsphinx"}
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name in there or None)
    assert installed_recogniser() is MOONSHINE
    there.remove("moonshine_voice")
    assert installed_recogniser() is POCKETSPHINX
    there.clear()
    assert installed_recogniser() is None


@pytest.mark.parametrize("program", [MOONSHINE, POCKETSPHINX], ids=lambda each: each.package)
def test_what_is_no_speech_has_no_words(program: RecogniserProgram) -> None:
    hum = b"".join((300 * (-1) ** i).to_bytes(2, "little", signed=True) for i in range(16_000))

    async def main(recogniser: ProcessRecogniser) -> None:
        assert await recogniser(silence(1000), "en") == ""
        assert await recogniser(hum, "auto") == ""
        assert await recogniser(b"", "en") == ""
        with pytest.raises(ModelMissingError, match="zh"):
            await recogniser(silence(100), "zh")

    with_recogniser(main, program)


def test_a_process_that_dies_at_work_is_replaced_and_its_utterance_recognised() -> None:
    pcm = read_wav(CLEAR.path)

    async def main(recogniser: ProcessRecogniser) -> None:
        (first,) = recogniser.worker_pids
        heard = asyncio.Event()
        listening = Listening("s-1", lambda _: heard.set())
        job = asyncio.create_task(recogniser.recognise_in_session(pcm, "en", listening))
        await heard.wait()
        os.kill(first, signal.SIGKILL)
        assert is_gist(CLEAR.transcript, await job)
        (second,) = recogniser.worker_pids
        assert second != first

    with_recogniser(main)


@pytest.mark.parametrize("program", [MOONSHINE, POCKETSPHINX], ids=lambda each: each.package)
def test_a_process_that_died_in_idleness_is_replaced_when_it_is_needed(
    program: RecogniserProgram,
) -> None:
    async def main(recogniser: ProcessRecogniser) -> None:
        (pid,) = recogniser.worker_pids
        os.kill(pid, signal.SIGKILL)
        assert await recogniser(silence(200), "en") == ""
        assert recogniser.worker_pids != [pid]

    with_recogniser(main, program)


def test_a_cancelled_utterance_is_given_up_and_the_process_goes_on() -> None:
    async def main(recogniser: ProcessRecogniser) -> None:
        pids = recogniser.worker_pids
        partials: list[str] = []
        heard = asyncio.Event()

        def partial(text: str) -> None:
            partials.append(text)
            heard.set()

        pcm = read_wav(LONG.path) * 3
        job = asyncio.create_task(
            recogniser.recognise_in_session(pcm, "en", Listening("s-1", partial))
        )
        await heard.wait()
        job.cancel()
        with pytest.raises(asyncio.CancelledError):
            await job
        told = len(partials)
        async with asyncio.timeout(2.5):  # all of it takes 6 s and more
            assert await recogniser(silence(200), "en") == ""
        assert len(partials) == told
        assert recogniser.worker_pids == pids

    with_recogniser(main)


def test_a_recogniser_that_is_stopped_at_work_ends_without_a_fault() -> None:
    async def main() -> None:
        recogniser = ProcessRecogniser(POCKETSPHINX)
        await recogniser.start()
        pcm = read_wav(LONG.path)
        at_work = [asyncio.create_task(recogniser(pcm, "en")) for _ in range(2)]
        await asyncio.sleep(0.1)  # the first is at work, the second waits for it
        await recogniser.stop()
        outcomes = await asyncio.gather(*at_work, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [EngineError, EngineError]
        assert recogniser.worker_pids == []

    asyncio.run(main())
