"""A real browser in a test's hands: headless Chromium, driven by its DevTools protocol.

Its microphone is Chromium's own fake one. It talks to addresses of this machine only: the page
comes from a server on the loopback, and names no other.
"""

import asyncio
import base64
import itertools
import json
import os
import shutil
import signal
import tempfile
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
START_SECONDS = 30.0
PHONE = 600
"""Pixels below which a page is on a phone."""
ANSWER_SECONDS = 20.0
FLAGS = (
    "--headless=new",
    "--no-sandbox",  # for tests that run as root
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--no-proxy-server",
    "--mute-audio",
    "--disable-background-timer-throttling",
    "--disable-renderer-backgrounding",
    "--disable-backgrounding-occluded-windows",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--allow-loopback-in-peer-connection",
    "--autoplay-policy=no-user-gesture-required",
    "--remote-debugging-port=0",
)


def program() -> str:
    """Return the browser of this machine.

    Without one the test is skipped, and says so; where nothing may be skipped (CI) it fails.
    """
    found = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if found is None:
        text = "NO BROWSER: chromium is not installed on this machine"
        if os.environ.get("CI"):
            pytest.fail(text)
        pytest.skip(text)
    return found


class Page:
    """One tab."""

    def __init__(self, browser: "Chromium", target: str, session: str) -> None:
        self._browser = browser
        self._target = target
        self._session = session

    @property
    def complaints(self) -> list[str]:
        """What the browser found wrong with the page so far: exceptions, policies, errors."""
        return self._browser.complaints[self._session]

    async def run(self, expression: str) -> Any:
        """Evaluate an expression, wait if it is a promise, and return its value."""
        reply = await self._browser.command(
            "Runtime.evaluate",
            {"expression": expression, "awaitPromise": True, "returnByValue": True},
            self._session,
        )
        assert "exceptionDetails" not in reply, reply["exceptionDetails"]
        return reply["result"].get("value")

    async def until(self, expression: str, seconds: float = ANSWER_SECONDS) -> Any:
        """Wait until an expression holds, and return its value."""
        deadline = time.monotonic() + seconds
        while not (value := await self.run(expression)):
            if time.monotonic() > deadline:
                shown = await self.run("document.body.innerText")
                raise AssertionError(f"never {expression}\n{shown}\n{self.complaints}")
            await asyncio.sleep(0.05)
        return value

    async def click(self, selector: str) -> None:
        """Click with the mouse in the middle of an element, as a user does."""
        place = await self.run(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
            " e.scrollIntoView({block: 'center'}); const r = e.getBoundingClientRect();"
            " return [r.x + r.width / 2, r.y + r.height / 2]; })()"
        )
        at = {"x": place[0], "y": place[1], "button": "left", "clickCount": 1}
        for kind in ("mousePressed", "mouseReleased"):
            await self.command("Input.dispatchMouseEvent", {"type": kind, **at})

    async def resize(self, width: int, height: int, *, dark: bool = False) -> None:
        """Be so wide and high, in CSS pixels; dark as far as the page knows how."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < PHONE}
        await self.command("Emulation.setDeviceMetricsOverride", size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.command("Emulation.setEmulatedMedia", {"features": [scheme]})

    async def screenshot(self, path: Path) -> None:
        """Write what the page looks like, all of it, as PNG."""
        shot = await self.command("Page.captureScreenshot", {"captureBeyondViewport": True})
        await asyncio.to_thread(path.write_bytes, base64.b64decode(shot["data"]))

    async def command(self, method: str, params: Any = None) -> Any:
        """Send a DevTools command about this tab."""
        return await self._browser.command(method, params, self._session)

    async def close(self) -> None:
        """Close the tab."""
        await self._browser.command("Target.closeTarget", {"targetId": self._target})


class Chromium:
    """One browser process and the connection to it. Use `chromium()`."""

    def __init__(self, process: Process, socket: ClientConnection) -> None:
        self._process = process
        self._socket = socket
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._loads: dict[str, asyncio.Event] = {}
        self.complaints: dict[str, list[str]] = defaultdict(list)
        """By tab, what the browser found wrong."""
        self._reader = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        async for data in self._socket:
            message = json.loads(data)
            answer = self._answers.pop(message.get("id", 0), None)
            if answer is not None and not answer.done():
                answer.set_result(message)
            elif message.get("method") == "Page.loadEventFired":
                self._loads.setdefault(message["sessionId"], asyncio.Event()).set()
            elif message.get("method") in ("Runtime.exceptionThrown", "Log.entryAdded"):
                self.complaints[message["sessionId"]].append(json.dumps(message["params"]))

    async def command(self, method: str, params: Any = None, session: str | None = None) -> Any:
        """Send a command and return its result."""
        number = next(self._numbers)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        message = {"id": number, "method": method, "params": params or {}}
        await self._socket.send(
            json.dumps(message if session is None else {**message, "sessionId": session})
        )
        async with asyncio.timeout(ANSWER_SECONDS):
            reply = await answer
        assert "error" not in reply, reply
        return reply["result"]

    async def open(self, url: str) -> Page:
        """Open a page in a tab of its own."""
        target = (await self.command("Target.createTarget", {"url": "about:blank"}))["targetId"]
        attach = {"targetId": target, "flatten": True}
        session = (await self.command("Target.attachToTarget", attach))["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            await self.command(f"{domain}.enable", session=session)
        loaded = self._loads[session] = asyncio.Event()
        await self.command("Page.navigate", {"url": url}, session)
        async with asyncio.timeout(ANSWER_SECONDS):
            await loaded.wait()
        return Page(self, target, session)

    async def close(self) -> None:
        """End the browser and all that it started."""
        self._reader.cancel()
        await asyncio.gather(self._reader, return_exceptions=True)
        await self._socket.close()
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        await self._process.wait()


@asynccontextmanager
async def chromium(path: str, *flags: str) -> AsyncIterator[Chromium]:
    """Start a browser with a profile of its own."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = await asyncio.create_subprocess_exec(
            path,
            *FLAGS,
            *flags,
            f"--user-data-dir={profile}",
            stdin=DEVNULL,
            stdout=DEVNULL,
            stderr=PIPE,
            start_new_session=True,
        )
        socket = await connect(await _devtools(process), max_size=None, proxy=None)
        drain = asyncio.create_task(_drain(process))
        browser = Chromium(process, socket)
        try:
            yield browser
        finally:
            await browser.close()
            await drain


async def _devtools(process: Process) -> str:
    """Return where the browser listens, as it says when it is up."""
    assert process.stderr is not None
    said = []
    async with asyncio.timeout(START_SECONDS):
        while line := await process.stderr.readline():
            said.append(line.decode(errors="replace"))
            if "DevTools listening on " in said[-1]:
                return said[-1].partition("DevTools listening on ")[2].strip()
    raise AssertionError(f"the browser did not start: {''.join(said)[-2000:]}")


async def _drain(process: Process) -> None:
    """Read on what the browser complains about: a full pipe would stop it."""
    if process.stderr is not None:
        while await process.stderr.read(4096):
            pass


@asynccontextmanager
async def served(body: bytes) -> AsyncIterator[str]:
    """Serve one page on the loopback, where browsers give it a microphone; yield its address."""
    head = f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {len(body)}\r\n"

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError):  # a connection that is opened ahead of need
            await reader.readuntil(b"\r\n\r\n")
        writer.write(f"{head}Connection: close\r\n\r\n".encode() + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
