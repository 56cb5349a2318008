"""The built-in translator: its pipeline, with the real Apertium and with a stand-in for it."""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from peers.engines import EngineError, ModelMissingError
from peers.engines.apertium import INSTALL, installed_modes
from peers.engines.translator import ApertiumTranslator, pass_through

STAND_IN = """
import sys
while True:
    text = b""
    while not text.endswith(b"\\0"):
        byte = sys.stdin.buffer.read(1)
        if not byte:
            sys.exit()
        text += byte
    if b"die" in text:
        sys.exit(1)
    sys.stdout.buffer.write(text.upper())
    sys.stdout.buffer.flush()
"""
"""Upper case is its Spanish."""


def with_translator(
    translator: ApertiumTranslator, main: Callable[[ApertiumTranslator], Awaitable[None]]
) -> None:
    async def whole() -> None:
        await translator.start()
        try:
            await main(translator)
        finally:
            await translator.stop()

    asyncio.run(whole())


@pytest.fixture
def stand_in(tmp_path: Path) -> ApertiumTranslator:
    """Return a translator whose program is a script: dies of one word, shouts all others."""
    script = tmp_path / "stand_in.py"
    script.write_text(f"#!{sys.executable}\n{STAND_IN}")
    script.chmod(0o755)
    mode = tmp_path / "eng-spa.mode"
    mode.write_text(f"{script}\n")
    return ApertiumTranslator({("en", "es"): mode})


@pytest.fixture
def apertium() -> ApertiumTranslator:
    if ("en", "es") not in installed_modes():
        if os.environ.get("CI"):
            pytest.fail(f"Apertium is missing: {INSTALL}")
        pytest.skip(f"Apertium is not installed, so nothing real is translated here: {INSTALL}")
    return ApertiumTranslator({("en", "es"): installed_modes()["en", "es"]})


def test_english_becomes_spanish(apertium: ApertiumTranslator) -> None:
    async def main(translator: ApertiumTranslator) -> None:
        assert await translator("the house is big", "en", "es") == "La casa es grande"
        spanish = await translator("he was not an ill disposed young man", "en", "es")
        assert {"no", "hombre", "joven"} <= set(spanish.lower().split())
        assert await translator("she zorbled", "en", "es") == "Ella zorbled"

    with_translator(apertium, main)


def test_many_at_once_each_get_their_own_translation(apertium: ApertiumTranslator) -> None:
    async def main(translator: ApertiumTranslator) -> None:
        words = {"house": "casa", "dog": "perro", "water": "agua", "book": "libro"}
        answers = await asyncio.gather(*(translator(word, "en", "es") for word in words))
        assert [answer.lower() for answer in answers] == list(words.values())

    with_translator(apertium, main)


def test_text_that_looks_like_markup_survives(apertium: ApertiumTranslator) -> None:
    async def main(translator: ApertiumTranslator) -> None:
        assert "[" in await translator("the [house] <b> ^dog$ {x} @ 5/6 \\", "en", "es")
        assert await translator("the house", "en", "es") == "La casa"

    with_translator(apertium, main)


def test_a_program_that_dies_of_a_sentence_is_there_for_the_next(
    stand_in: ApertiumTranslator,
) -> None:
    async def main(translator: ApertiumTranslator) -> None:
        assert await translator("hello", "en", "es") == "HELLO"
        with pytest.raises(EngineError, match="does not answer"):
            await translator("die", "en", "es")
        assert await translator("again", "en", "es") == "AGAIN"

    with_translator(stand_in, main)


def test_a_program_that_was_killed_is_started_again_unnoticed(
    stand_in: ApertiumTranslator,
) -> None:
    async def main(translator: ApertiumTranslator) -> None:
        child = translator._pipes["en", "es"]._child
        assert child is not None
        os.killpg(child.pid, signal.SIGKILL)
        assert await translator("hello", "en", "es") == "HELLO"

    with_translator(stand_in, main)


def test_what_is_in_the_wanted_language_stays_and_a_missing_pair_is_named(
    stand_in: ApertiumTranslator,
) -> None:
    async def main(translator: ApertiumTranslator) -> None:
        assert await translator("as it is", "en", "en") == "as it is"
        assert await translator("  ", "en", "es") == "  "
        with pytest.raises(ModelMissingError, match="no en to fr"):
            await translator("hello", "en", "fr")

    with_translator(stand_in, main)


def test_without_a_translator_only_the_same_language_passes() -> None:
    assert asyncio.run(pass_through("hello", "en", "en")) == "hello"
    with pytest.raises(ModelMissingError, match="no translator"):
        asyncio.run(pass_through("hello", "en", "es"))
