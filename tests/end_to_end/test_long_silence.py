"""Quiet of more than a minute, then speech; all periods are a twentieth of the usual ones."""

import asyncio
from collections.abc import Iterator

import pytest

from tests.end_to_end.support.peers.browser import Browser
from tests.end_to_end.support.spoken_conversation import FLAGS as FAST
from tests.end_to_end.support.spoken_conversation import conversation
from tests.support.peers.raw_wire import Pair, over_sockets
from tests.support.processes.scheduler_process import SchedulerProcess, running_scheduler

MINUTE = 3.0
"""Seconds."""
SILENCE = 70 / 60 * MINUTE
BEAT = MINUTE / 2
FLAGS = (
    *FAST,
    "--pause-ms=150",
    "--ping-interval-ms=1000",
    "--ping-timeout-ms=1000",
    "--node-timeout-ms=2250",
    "--pending-timeout-ms=500",
    "--result-gap-ms=250",
)


@pytest.fixture(scope="module")
def scheduler() -> Iterator[SchedulerProcess]:
    with running_scheduler(*FLAGS) as process:
        yield process
        process.wait_until_idle()


async def be_quiet(page: Browser) -> None:
    """Let the time pass, with the heartbeats that the page sends."""
    for _ in range(int(SILENCE / BEAT)):
        await asyncio.sleep(BEAT)
        await page.fence()
    await asyncio.sleep(SILENCE % BEAT)


@over_sockets
async def test_who_was_quiet_for_seventy_seconds_is_understood_from_the_first_word_on(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with conversation(scheduler, pair) as (script, node):
        page = script.page
        await script.say(script.words(3))
        await script.read_all()
        await be_quiet(page)
        await script.say(script.words(4))
        await script.read_all()
        assert len(node.jobs) == 2
        first, second = (job["speaker_key"] for job in node.jobs)
        assert first == second == page.known_as


@over_sockets
async def test_who_speaks_again_after_a_long_playback_is_understood(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    """The word `tts_play_ended` is lost on the way, as it is when a tab sleeps."""
    async with conversation(scheduler, pair) as (script, node):
        page = script.page
        await script.send(script.words(2))
        await script.read_all()
        await page.start_playing()
        await be_quiet(page)
        page.is_playing = False
        words = script.words(3)
        await page.say_words(words)  # and nothing more: the pause ends it
        script.note(words)
        await script.read_all()
        assert [job["cut_reason"] for job in node.jobs] == ["manual", "pause"]
