"""The existing browser page, as far as a scheduler can tell: microphone, screen and loudspeaker.

What it does is what was observed of the real one:

- Speech goes out in chunks of 13 packets, and the end of an utterance as a chunk of its own.
- Silence is sent for 5 s after speech; 3 s into it comes the final, and after that every further
  chunk of silence is followed by a final of its own.
- Text is appended as it comes; an index that was shown is not shown again; `error` is an alert.
- Playback stops the microphone, and is told of only if the last result named trace and group.
- A lost line means another session; `seq` runs on.
"""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

from tests.end_to_end.support.spoken_words import word_chunk
from tests.support.peers.raw_client import SILENT_CHUNK, RawClient
from tests.support.peers.raw_wire import Message

SILENCE_BEFORE_FINAL = 12
"""Chunks of silence in the 3 s after which a pause is seen."""
SPURIOUS_FINALS = 7


class Browser(RawClient):
    """One page. Time between chunks is left out unless a test puts it there."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.shown: dict[int, str] = {}
        """Translated text on the screen, by index, in the order in which it came."""
        self.partials: list[str] = []
        self.alerts: list[Message] = []
        self.spurious_finals = 0
        self.is_playing = False
        self._last_result: Message | None = None

    def take(self, message: Message) -> None:
        """Show what is shown."""
        super().take(message)
        match message["type"]:
            case "translation_result":
                self._show(message)
            case "asr_partial":
                self.partials.append(message["text"])
            case "error":
                self.alerts.append(message)

    def _show(self, result: Message) -> None:
        self._last_result = result
        texts = (result["text_asr"], result["text_translated"], result["tts_audio"])
        index = result["utterance_index"]
        if any(texts) and index not in self.shown:
            lost = "" if result["tts_audio"] else "[audio lost] "
            self.shown[index] = lost + (result["text_translated"] or result["text_asr"])

    @property
    def screen(self) -> list[str]:
        """What the user has read, in the order in which it appeared."""
        return list(self.shown.values())

    # ---- microphone -------------------------------------------------------------------------

    async def say_words(self, words: Iterable[str]) -> None:
        """Speak, one chunk a word; nothing is sent while it plays."""
        assert not self.is_playing, "the microphone is off"
        for word in words:
            await self.chunk(word_chunk(word))

    async def fall_silent(self) -> None:
        """Say nothing until the page sees the pause."""
        for _ in range(SILENCE_BEFORE_FINAL):
            await self.chunk(SILENT_CHUNK)
        await self.final()

    async def idle_on(self, wait_for_cut: Callable[[], Awaitable[None]]) -> None:
        """Stay silent until the microphone's gate closes: a final behind every chunk."""
        for _ in range(SPURIOUS_FINALS):
            await self.chunk(SILENT_CHUNK)
            await self.final()
            self.spurious_finals += 1
            await wait_for_cut()

    async def press_send(self, words: Iterable[str]) -> None:
        """Speak and end the utterance by hand: no silence goes out."""
        await self.say_words(words)
        await self.final()

    async def final_before(self, word: str) -> None:
        """Send a final whose last chunk is encoded later than it: `seq` shows the same order."""
        await self.final()
        await self.chunk(word_chunk(word))

    # ---- loudspeaker ------------------------------------------------------------------------

    async def start_playing(self) -> bool:
        """Play what came; return whether the server is told."""
        self.is_playing = True
        return await self._tell_playback("tts_started", "ts_start_ms")

    async def stop_playing(self) -> bool:
        """Be done with it; the microphone works again."""
        self.is_playing = False
        return await self._tell_playback("tts_play_ended", "ts_end_ms")

    async def _tell_playback(self, kind: str, field: str) -> bool:
        last = self._last_result or {}
        named: dict[str, Any] = {name: last.get(name) for name in ("trace_id", "group_id")}
        if not all(named.values()):
            return False
        await self.say(self.own(kind, **named, **{field: int(time.time() * 1000)}))
        return True


@asynccontextmanager
async def browser(url: str, source: str, target: str, **init: Any) -> AsyncIterator[Browser]:
    """Open the page and begin; it leaves as browsers do, without `session_close`."""
    async with Browser(url) as page:
        await page.init(source, target, **init)
        yield page
        assert not page.alerts, page.alerts
