"""`docs/your-page.md`: its page translates what a real browser's microphone hears."""

import asyncio
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.support.documents import ROOT, block, running
from tests.end_to_end.support.peers.chromium import Page, chromium, program, served
from tests.support.peers.raw_wire import over_sockets
from tests.support.processes.scheduler_process import SchedulerProcess, running_scheduler
from tests.support.waiting import PATIENCE_S

pytestmark = pytest.mark.takes(15)
SPEECH = ROOT / "peers" / "data" / "speech" / "librivox-0930.wav"
TEXTS = "[...document.querySelectorAll('#texts li')].map((line) => line.textContent)"


@pytest.fixture
def scheduler() -> Iterator[SchedulerProcess]:
    with running_scheduler("--session-grace-seconds=0.5") as process:
        yield process


async def first_texts(page: Page) -> list[str]:
    """Return what the page shows once it shows something."""
    deadline = time.monotonic() + 2 * PATIENCE_S
    while not (texts := await page.run(TEXTS)):
        assert time.monotonic() < deadline, "the page shows nothing"
        await asyncio.sleep(0.1)
    return list(texts)


@pytest.mark.parametrize("part", ["getUserMedia", "lingua-client.js"])
@over_sockets
async def test_the_page_translates_what_the_microphone_hears(
    scheduler: SchedulerProcess, tmp_path: Path, part: str
) -> None:
    code = block("docs/your-model.md", "python", "def work(", scheduler.port)
    (tmp_path / "node.py").write_text(code, encoding="utf-8")
    page_code = block("docs/your-page.md", "html", part, scheduler.port).encode()
    microphone = f"--use-file-for-fake-audio-capture={SPEECH}"
    with running([sys.executable, "node.py"], tmp_path):
        scheduler.wait_for({"lingua_nodes": 1.0})
        async with served(page_code) as url, chromium(program(), microphone) as browser:
            page = await browser.open(url)
            await page.run("document.querySelector('#speak').click()")
            [text, *_] = await first_texts(page)
            assert text.endswith(" seconds → in es")
            await page.close()
