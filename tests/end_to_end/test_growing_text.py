"""Text that grows on the page, in a real browser: what is stable, the rest, the translation."""

import json

import pytest

from tests.end_to_end.support.peers.chromium import Page
from tests.end_to_end.support.speaking_page import (
    DESKTOP,
    PHONE,
    browser_that_hears,
    faults,
    fits,
    open_page,
    texts,
)
from tests.support.peers.raw_client import raw_client, tone
from tests.support.peers.raw_node import Ability, raw_node
from tests.support.peers.raw_wire import Pair, over_sockets
from tests.support.processes.scheduler_process import SchedulerProcess

pytestmark = [pytest.mark.takes(20), pytest.mark.timeout(120)]

MAKE_ONE = """import('./speak/growing.js').then(({ Growing }) => {
  window.growing = new Growing(document.querySelector('#partial'));
})"""


async def grows(page: Page, text: str, name: str | None = None, **fields: object) -> None:
    message = json.dumps({"text": text, "utterance_index": 0, **fields})
    await page.run(f"growing.show({message}, {json.dumps(name)})")


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
@over_sockets
async def test_text_grows_and_changes_with_its_translation_below(
    scheduler: SchedulerProcess, size: tuple[int, int]
) -> None:
    async with browser_that_hears() as browser:
        page = await open_page(browser, f"http://127.0.0.1:{scheduler.port}/", size)
        await page.run(MAKE_ONE)
        await page.until("window.growing !== undefined")
        assert await page.run("document.querySelector('#partial').hidden")
        await grows(page, "he")
        await grows(page, "he was <b>not</b> 😀 an", stable_chars=17, text_translated="no era")
        assert await texts(page, ".stable") == ["he was <b>not</b>"]
        assert await texts(page, ".rest") == [" 😀 an"]
        await grows(page, "he was <b>not</b> 😀 an ill", stable_chars=19)
        assert await texts(page, ".stable") == ["he was <b>not</b> 😀"]
        assert await texts(page, ".so-far") == ["no era"]
        await grows(page, "next", utterance_index=1)
        assert await page.run("document.querySelector('.so-far').textContent") == ""
        await grows(page, "y yo " * 60, "Marianne", stable_chars=99)
        assert await texts(page, ".growing .speaker") == ["Marianne"]
        assert await fits(page)
        await page.run("growing.hide()")
        assert await texts(page, ".growing .speaker") == ["Marianne"]
        await page.run("growing.clear()")
        assert await page.run("document.querySelector('#partial').hidden")
        assert not faults(page)
        await page.close()


@over_sockets
async def test_a_client_hears_what_is_stable_and_the_translation_so_far(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with (
        raw_node(scheduler.node_url, Ability.of(pair)) as node,
        raw_client(scheduler.session_url, *pair) as client,
    ):
        await client.speak(tone(500))
        job = await node.job()
        names = {name: job[name] for name in ("session_id", "utterance_index", "job_id")}
        so_far = {"type": "asr_partial", **names, "node_id": node.node_id, "is_final": False}
        await node.say({**so_far, "text": "hel"})
        partial = await client.hear("asr_partial")
        assert not {"text_translated", "stable_chars"} & set(partial)
        more = {"text": "hello wor", "text_translated": "hola", "stable_chars": 5}
        await node.say({**so_far, **more})
        partial = await client.hear("asr_partial")
        assert {name: partial[name] for name in more} == more
        await node.say({**so_far, "text": "hello", "stable_chars": 500})
        assert (await client.hear("asr_partial"))["stable_chars"] == 5
        await node.answer(job)
        await client.result()
