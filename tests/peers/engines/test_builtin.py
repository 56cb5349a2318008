"""What the built-in engines offer with and without their optional parts."""

import asyncio
from pathlib import Path

import pytest

from peers.engines import EngineError, ModelMissingError, builtin, opus, voice
from peers.engines.builtin import builtin_engines, default_workers
from peers.engines.engine import call_engine

MODES = {("en", "es"): Path("eng-spa.mode"), ("es", "en"): Path("spa-eng.mode")}


def test_with_everything_installed_english_goes_into_spanish_and_nothing_is_missing() -> None:
    engines = builtin_engines(modes=MODES)
    assert engines.languages.asr == ("en",)
    assert engines.languages.semantic == ("es",)
    assert engines.languages.tts == ("es", "en")
    assert set(engines.names) == {"asr", "nmt", "tts"}
    assert engines.notes == ()
    stages: tuple[object, ...] = (engines.recognise, engines.stream)
    assert stages[0] is stages[1]


def test_without_apertium_english_stays_english_and_the_node_says_how_to_get_it() -> None:
    engines = builtin_engines(modes={})
    assert engines.languages.semantic == ("en",)
    assert "nmt" not in engines.names
    (note,) = engines.notes
    assert "apt-get install apertium-eng-spa" in note
    assert asyncio.run(call_engine(engines.translate, "hello", "en", "en")) == "hello"


def test_without_voice_and_opus_the_node_serves_text_and_pcm16(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(voice, "is_installed", lambda: False)
    monkeypatch.setattr(opus, "is_installed", lambda: False)
    engines = builtin_engines(modes=MODES)
    assert engines.languages.tts == ()
    assert len(engines.notes) == 2
    with pytest.raises(ModelMissingError):
        asyncio.run(call_engine(engines.speak, "hola", "es"))


def test_without_a_recogniser_there_is_no_node(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(builtin, "installed_recogniser", lambda: None)
    with pytest.raises(EngineError, match="no recogniser"):
        builtin_engines(modes={})


def test_one_core_is_left_for_everything_else() -> None:
    assert default_workers() >= 1
