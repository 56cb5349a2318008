"""Two real browser pages in a room hear each other's own voice."""

import asyncio
import time
from pathlib import Path

import pytest

from tests.end_to_end.support.peers.chromium import Chromium, Page, chromium, program, served
from tests.support.peers.raw_wire import over_sockets
from tests.support.processes.scheduler_process import SchedulerProcess

pytestmark = pytest.mark.takes(12)

PAGE = Path(__file__).parents[1] / "pages" / "voice_link.html"
RUNS = 10
LINK_SECONDS = 60.0


async def voice_comes(page: Page, others: int, everybody: list[Page]) -> None:
    """Wait until the page hears all others."""
    deadline = time.monotonic() + LINK_SECONDS
    while True:
        voices = await page.run("voices()")
        up = [one for one in voices if one["state"] == "connected" and one["packets"] > 0]
        if len(up) == others:
            return
        if time.monotonic() > deadline:
            told = [await one.run("told()") for one in everybody]
            raise AssertionError(f"no voice: {voices} after {told}")
        await asyncio.sleep(0.05)


async def talk(browser: Chromium, page_url: str, session_url: str, people: int) -> int:
    """Let so many pages meet and hear each other; return how many offers they heard."""
    pages = [await browser.open(page_url) for _ in range(people)]
    code = await pages[0].run(f"enter('{session_url}')")
    entering = (page.run(f"enter('{session_url}', '{code}')") for page in pages[1:])
    await asyncio.gather(*entering)
    await asyncio.gather(*(voice_comes(page, people - 1, pages) for page in pages))
    offers = [await page.run("offersHeard()") for page in pages]
    for page in pages:
        await page.close()
    return sum(offers)


@pytest.mark.timeout(300)
@over_sockets
async def test_the_voice_link_of_two_browser_pages_comes_up_every_time(
    scheduler: SchedulerProcess,
) -> None:
    async with served(PAGE.read_bytes()) as page_url, chromium(program()) as browser:
        for _ in range(RUNS):
            assert await talk(browser, page_url, scheduler.session_url, 2) == 1
        assert await talk(browser, page_url, scheduler.session_url, 4) == 6
