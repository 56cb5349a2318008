"""Engines that know their answers: no models, no waiting."""

import asyncio

from peers.engines.engine import EngineLanguages, Engines, Listening, Speech

ENGLISH_TO_SPANISH = EngineLanguages(asr=("en",), semantic=("es",), tts=("es",))


class CannedRecogniser:
    """Hears the same whatever is said; notes what it was given."""

    def __init__(self, text: str = "good morning") -> None:
        self.text = text
        self.heard: list[tuple[bytes, str, Listening]] = []
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.cancelled = 0

    async def __call__(self, pcm: bytes, language: str) -> str:
        return await self.recognise_in_session(pcm, language, Listening(""))

    async def recognise_in_session(self, pcm: bytes, language: str, listening: Listening) -> str:
        """Tell half of the text, wait until the test allows the rest."""
        self.heard.append((pcm, language, listening))
        if listening.on_partial is not None:
            listening.on_partial(self.text[: len(self.text) // 2])
            listening.on_partial(self.text)
        try:
            await self.may_answer.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return self.text


def canned_engines(recogniser: CannedRecogniser | None = None) -> Engines:
    """Return engines that recognise as told, translate by marking and speak 100 ms of a tone."""

    def translate(text: str, source: str, target: str) -> str:
        return f"[{source}>{target}] {text}"

    def speak(text: str, language: str) -> Speech:
        return Speech(b"\x00\x10" * 2205, 22_050)

    return Engines(
        recognise=recogniser or CannedRecogniser(),
        translate=translate,
        speak=speak,
        languages=ENGLISH_TO_SPANISH,
        names={"asr": "canned 1.0"},
    )
