"""What is said in a conversation, and what should be read in the end."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.end_to_end.support.peers.agent_node import AgentNode, AgentPace, agent_node
from tests.end_to_end.support.peers.browser import Browser, browser
from tests.end_to_end.support.spoken_words import WORD_MS
from tests.support.processes.scheduler_process import SchedulerProcess
from tests.support.waiting import PATIENCE_S

SEGMENT_WORDS = 20
"""So many make `max_duration_ms`, silence counted."""
TURN_WORDS = 60
HANGOVER = 0.005
JOB_TIMEOUT = 0.5
"""Seconds."""
FLAGS = (
    f"--max-duration-ms={SEGMENT_WORDS * WORD_MS}",
    f"--max-turn-ms={TURN_WORDS * WORD_MS}",
    f"--job-timeout-ms={int(JOB_TIMEOUT * 1000)}",
    f"--hangover-manual-ms={int(HANGOVER * 1000)}",
    "--ingest-rate=100000",
    "--session-grace-seconds=0.5",
)
"""Of a scheduler to which audio comes faster than it is spoken."""
PACE = AgentPace(hold_ms=SEGMENT_WORDS * WORD_MS, beat_seconds=0.5, retry_seconds=0.3)


class Script:
    """Speaks into a page and writes down what should become of it."""

    def __init__(self, page: Browser) -> None:
        self.page = page
        self.expected: list[str] = []
        """What the page should show, in order."""
        self.cuts = 0
        """How many utterances should have become jobs."""
        self._number = 0

    def words(self, count: int) -> list[str]:
        """Return words that nobody has said before."""
        self._number += 1
        return [f"u{self._number}w{position}" for position in range(count)]

    async def say(self, words: list[str]) -> None:
        """Say something and wait for the pause, as one does who presses no button."""
        await self.page.say_words(words)
        await self.page.fall_silent()
        await self.wait_for_cut()
        await self.page.idle_on(self.wait_for_cut)
        self.note(words)

    async def send(self, words: list[str]) -> None:
        """Say something and press the button."""
        await self.page.press_send(words)
        await self.wait_for_cut()
        self.note(words)

    async def speak_on(self, words: list[str]) -> None:
        """Say so much that a turn ends with the last word, and pause for no breath."""
        assert len(words) % TURN_WORDS == 0
        await self.page.say_words(words)
        self.note(words)

    async def wait_for_cut(self, hangover: float = HANGOVER) -> None:
        """Let the hangover pass: what comes now is not of the same utterance."""
        await self.page.fence()
        await asyncio.sleep(2 * hangover)

    async def listen(self) -> None:
        """Wait until everything so far was answered, then hear it played."""
        await self.read_all()
        assert await self.page.start_playing()
        assert await self.page.stop_playing()

    async def read_all(self, seconds: float = PATIENCE_S) -> None:
        """Return when everything said so far can be read, as it was said."""
        async with asyncio.timeout(seconds):
            while len(self.page.screen) < len(self.expected):
                self.page.look()
                await self.page.news()
        assert self.page.screen == self.expected

    def note(self, words: list[str]) -> None:
        """Write down what was said, and what should become of it: each segment is translated."""
        for start in range(0, len(words), SEGMENT_WORDS):
            self.cuts += 1
            self.expected.append(f"<{' '.join(words[start : start + SEGMENT_WORDS])}>")


@asynccontextmanager
async def conversation(
    scheduler: SchedulerProcess, pair: tuple[str, str], source: str | None = None, **init: Any
) -> AsyncIterator[tuple[Script, AgentNode]]:
    """Yield what is said into a page, and the agent that works for it."""
    async with (
        agent_node(scheduler.node_url, pair, PACE) as node,
        browser(scheduler.session_url, source or pair[0], pair[1], **init) as page,
    ):
        yield Script(page), node
