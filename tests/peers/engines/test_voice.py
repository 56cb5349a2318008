"""The built-in voice."""

import asyncio

import pytest

from peers.engines import ModelMissingError, Speech
from peers.engines.voice import EspeakVoice
from peers.pcm import loudness


def speak(text: str, language: str) -> Speech:
    return asyncio.run(EspeakVoice()(text, language))


@pytest.mark.parametrize("language", ["es", "en", "zh", "fr"])
def test_speech_is_heard(language: str) -> None:
    speech = speak("la casa es grande", language)
    assert speech.rate_hz == 22_050
    assert 0.5 < len(speech.pcm) / 2 / speech.rate_hz < 5
    assert loudness(speech.pcm) > 0.02


def test_nothing_to_say_is_no_speech() -> None:
    assert speak(" ", "es").pcm == b""


def test_a_language_without_a_voice_is_named() -> None:
    with pytest.raises(ModelMissingError, match="tlh"):
        speak("nuqneH", "tlh")


def test_many_at_once_do_not_mix() -> None:
    async def main() -> list[Speech]:
        voice = EspeakVoice()
        await voice.start()
        return await asyncio.gather(*(voice("hola " * count, "es") for count in (1, 4, 1, 4)))

    short, long, short_again, long_again = asyncio.run(main())
    # The voice varies a little from time to time, as voices do.
    assert len(short.pcm) == pytest.approx(len(short_again.pcm), rel=0.1)
    assert len(long.pcm) == pytest.approx(len(long_again.pcm), rel=0.1)
    assert len(long.pcm) > 2 * len(short.pcm)
