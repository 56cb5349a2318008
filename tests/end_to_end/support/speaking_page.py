"""The page to speak into, in a real browser, and a node that speaks PCM16 back to it."""

import asyncio
import base64
import json
import math
import struct
import wave
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from tests.chaos.faults.proxy import FaultProxy
from tests.end_to_end.support.peers.chromium import Chromium, Page, chromium, program
from tests.support.peers.raw_client import tone
from tests.support.peers.raw_node import Ability, RawNode
from tests.support.peers.raw_wire import Message

DESKTOP, PHONE = (1200, 900), (390, 844)
SPEECH = Path(__file__).parents[3] / "peers" / "data" / "speech" / "librivox-0880.wav"
SPOKEN = base64.b64encode(tone(1200)).decode()
"""What the node says, PCM16: long enough to be seen while it is played."""
TIMINGS = {"asr_ms": 40, "nmt_ms": 20, "tts_ms": 60, "total_ms": 120}


class SpeakingNode(RawNode):
    """Says first a partial text, then the whole, with speech, for every job; keeps the audio."""

    def speaks(self) -> None:
        """Answer every job from now on by itself."""
        self.on_job = self._begin

    def _begin(self, job: Message) -> None:
        task = asyncio.create_task(self._work_on(job))
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    async def _work_on(self, job: Message) -> None:
        partial = {name: job[name] for name in ("session_id", "utterance_index", "job_id")}
        text = f"sentence {len(self.jobs)} <b>of</b> speech"
        await self.say(
            {
                "type": "asr_partial",
                "node_id": self.node_id,
                **partial,
                "text": "senten",
                "text_translated": "frase",
                "stable_chars": 4,
                "is_final": False,
                "trace_id": job["trace_id"],
            }
        )
        await asyncio.sleep(0.3)
        is_spoken = job["pipeline"]["use_tts"]
        extra = {"service_timings": TIMINGS}
        speech = SPOKEN if is_spoken else ""
        await self.answer(job, text, tts_audio=speech, tts_format="pcm16", extra=extra)

    def heard_pcm(self) -> bytes:
        """Return the audio of all jobs, in the order of their assignment."""
        return b"".join(base64.b64decode(job["audio"]) for job in self.jobs)


@asynccontextmanager
async def speaking_node(url: str, languages: Sequence[str]) -> AsyncIterator[SpeakingNode]:
    """A node for the first language into all others."""
    ability = Ability(
        asr=(languages[0],), semantic=tuple(languages[1:]), tts=tuple(languages[1:]), capacity=16
    )
    async with SpeakingNode(url, ability) as node:
        node.speaks()
        await node.register()
        yield node


@asynccontextmanager
async def browser_that_hears(speech: Path = SPEECH, *flags: str) -> AsyncIterator[Chromium]:
    """A browser whose microphone hears a recording, over and over."""
    microphone = f"--use-file-for-fake-audio-capture={speech}"
    async with chromium(program(), microphone, *flags) as browser:
        yield browser


@asynccontextmanager
async def bad_line(port: int) -> AsyncIterator[FaultProxy]:
    """A way to the scheduler that can be cut."""
    line = FaultProxy(("127.0.0.1", port))
    await line.start()
    try:
        yield line
    finally:
        await line.close()


async def cut(line: FaultProxy, page: Page) -> None:
    """Cut the line until the page shows it, then mend it."""
    line.is_refusing = True
    for link in list(line.links):
        link.reset()
    await shows(page, "The line was cut")
    line.is_refusing = False


async def open_page(browser: Chromium, url: str, size: tuple[int, int] = DESKTOP) -> Page:
    """Open the page and wait until it can be used."""
    page = await browser.open(url)
    await page.resize(*size)
    await page.until("document.body.dataset.ready === 'yes'")
    return page


async def choose_file(page: Page, path: Path) -> None:
    """Choose a file as a user does in the browser's own dialogue."""
    root = (await page.command("DOM.getDocument"))["root"]["nodeId"]
    query = {"nodeId": root, "selector": "#file"}
    node_id = (await page.command("DOM.querySelector", query))["nodeId"]
    await page.command("DOM.setFileInputFiles", {"files": [str(path)], "nodeId": node_id})


async def texts(page: Page, selector: str) -> list[str]:
    """Return the texts of all elements that match, as they are seen."""
    query = f"[...document.querySelectorAll({json.dumps(selector)})].map((e) => e.innerText)"
    return list(await page.run(query))


async def shows(page: Page, text: str) -> None:
    """Wait until the page shows a text."""
    await page.until(f"document.body.innerText.includes({json.dumps(text)})")


async def fits(page: Page) -> bool:
    """Tell whether nothing has to be scrolled sideways."""
    return bool(await page.run("document.documentElement.scrollWidth <= window.innerWidth"))


def faults(page: Page) -> list[str]:
    """Return what the browser found wrong, its advice apart."""
    return [text for text in page.complaints if '"level": "verbose"' not in text]


def counted_speech(path: Path, seconds: int) -> list[int]:
    """Write a recording without any silence in which each sample differs from its neighbours."""
    samples = [
        (6000 if index % 50 < 25 else -6000) + index % 4001 for index in range(seconds * 16_000)
    ]
    _write(path, samples, 16_000)
    return samples


def sine_wave(path: Path, hertz: int) -> None:
    """Write ten seconds of a tone, at the rate of a usual microphone."""
    angles = (2 * math.pi * hertz * index / 48_000 for index in range(480_000))
    _write(path, [int(8000 * math.sin(angle)) for angle in angles], 48_000)


def _write(path: Path, samples: list[int], rate_hz: int) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(struct.pack(f"<{len(samples)}h", *samples))
