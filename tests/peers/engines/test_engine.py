"""How engines of any kind are called, started and stopped."""

import asyncio
import threading
from collections.abc import Awaitable

import pytest

from peers.engines import EngineLanguages, Engines, Speech
from peers.engines.engine import SessionRecogniser, call_engine
from tests.peers.support.canned_engines import CannedRecogniser


class AsyncEngine:
    """An engine that is an object with an `async` call."""

    async def __call__(self, text: str) -> str:
        return f"async {text} in {threading.current_thread().name}"


def plain(text: str) -> str:
    return f"plain {text} in {threading.current_thread().name}"


async def coroutine(text: str) -> str:
    return f"coroutine {text} in {threading.current_thread().name}"


def test_async_engines_run_on_the_loop_and_plain_ones_in_a_thread() -> None:
    async def main() -> list[str]:
        return [await call_engine(engine, "x") for engine in (AsyncEngine(), coroutine, plain)]

    on_loop, coroutine_on_loop, in_thread = asyncio.run(main())
    assert on_loop == "async x in MainThread"
    assert coroutine_on_loop == "coroutine x in MainThread"
    assert in_thread.startswith("plain x in ")
    assert "MainThread" not in in_thread


def test_an_engine_may_hand_back_something_to_wait_for() -> None:
    def hands_back(text: str) -> Awaitable[str]:
        return coroutine(text)

    async def main() -> str:
        answer: str = await call_engine(hands_back, "x")
        return answer

    assert asyncio.run(main()).startswith("coroutine x")


def test_what_remembers_speakers_is_told_apart() -> None:
    assert isinstance(CannedRecogniser(), SessionRecogniser)
    assert not isinstance(plain, SessionRecogniser)


class Warm:
    """A voice with a life."""

    def __init__(self) -> None:
        self.steps: list[str] = []

    async def start(self) -> None:
        self.steps.append("start")

    async def stop(self) -> None:
        self.steps.append("stop")

    def __call__(self, _text: str, _language: str) -> Speech:
        return Speech(b"", 16_000)


def test_engines_with_a_life_are_started_and_stopped_others_are_left_alone() -> None:
    warm = Warm()
    engines = Engines(
        recognise=lambda _pcm, _language: "",
        translate=lambda text, _source, _target: text,
        speak=warm,
        languages=EngineLanguages((), (), ()),
    )

    async def main() -> None:
        await engines.start()
        await engines.stop()

    asyncio.run(main())
    assert warm.steps == ["start", "stop"]


def test_an_engine_that_fails_says_so_to_its_caller() -> None:
    def broken(text: str) -> str:
        raise ValueError(text)

    with pytest.raises(ValueError, match="why"):
        asyncio.run(call_engine(broken, "why"))
