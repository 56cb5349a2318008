"""Recognisers of every shape: their text, and their text so far."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator

import pytest

from peers.engines import EngineError, Listening
from peers.engines.engine import Recognise
from peers.engines.recognising import recognised
from tests.support.waiting import PATIENCE_S


def plain(_pcm: bytes, _language: str) -> str:
    return "good morning"


async def coroutine(_pcm: bytes, _language: str) -> str:
    return "good morning"


def growing(_pcm: bytes, _language: str) -> Iterator[str]:
    yield "good"
    yield "good morning"


async def growing_on_the_loop(_pcm: bytes, _language: str) -> AsyncIterator[str]:
    yield "good"
    yield "good morning"


def silent(_pcm: bytes, _language: str) -> Iterator[str]:
    yield from ()


async def text_of(recognise: Recognise) -> tuple[str, list[str]]:
    partials: list[str] = []
    text = await recognised(recognise, b"", "en", Listening("s-1", partials.append))
    await asyncio.sleep(0)  # what a thread handed over comes with the next turn of the loop
    return text, partials


@pytest.mark.parametrize(
    ("recognise", "partials"),
    [
        (plain, []),
        (coroutine, []),
        (growing, ["good", "good morning"]),
        (growing_on_the_loop, ["good", "good morning"]),
    ],
)
def test_a_recogniser_may_have_any_of_these_shapes(
    recognise: Recognise, partials: list[str]
) -> None:
    assert asyncio.run(text_of(recognise)) == ("good morning", partials)


def test_who_yields_nothing_recognised_nothing() -> None:
    assert asyncio.run(text_of(silent)) == ("", [])


def test_nobody_has_to_want_partial_texts() -> None:
    assert asyncio.run(recognised(growing, b"", "en", Listening("s-1"))) == "good morning"


def test_what_fails_in_the_middle_fails() -> None:
    def breaking(_pcm: bytes, _language: str) -> Iterator[str]:
        yield "good"
        raise EngineError("out of memory")

    with pytest.raises(EngineError, match="out of memory"):
        asyncio.run(text_of(breaking))


def test_a_cancelled_one_ends_at_its_next_piece() -> None:
    yielded: list[int] = []
    begun, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def long(_pcm: bytes, _language: str) -> Iterator[str]:
        try:
            for number in range(100):
                yielded.append(number)
                begun.set()
                yield str(number)
                go_on.wait(PATIENCE_S)
        finally:
            ended.set()

    async def main() -> None:
        task = asyncio.create_task(recognised(long, b"", "en", Listening("s-1")))
        await asyncio.to_thread(begun.wait, PATIENCE_S)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        go_on.set()
        assert await asyncio.to_thread(ended.wait, PATIENCE_S)

    asyncio.run(main())
    assert len(yielded) <= 2
