"""The scheduler as whoever runs it sees it: a process with flags, a port, a log and an exit status.

`with running_scheduler("--pause-ms", "300") as scheduler:` starts `run.py` on a free port with an
embedded store of its own and stops it afterwards. A scheduler that logged an error fails the test
that used it, unless the test says that it expects one.
"""

import json
import os
import re
import select
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.waiting import PATIENCE_S, wait_until

ROOT = Path(__file__).parents[3]
START_SECONDS = 60.0
STOP_SECONDS = PATIENCE_S
_PORT = re.compile(r"wss?://[^\s/]+:(\d+)/ws/session")
_BAD_LINE = re.compile(r"\b(ERROR|CRITICAL)\b|Traceback|never awaited")


@dataclass(frozen=True, slots=True)
class Answer:
    """What an HTTP request got."""

    status: int
    content_type: str
    body: str

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class SchedulerProcess:
    """One `python run.py …` from its start to its end."""

    def __init__(
        self,
        *flags: str,
        env: dict[str, str] | None = None,
        program: Sequence[str] = ("run.py",),
    ) -> None:
        clean = {name: text for name, text in os.environ.items() if not name.startswith("LINGUA_")}
        self._log = tempfile.TemporaryFile("w+b")  # noqa: SIM115 - closed with the process
        self.output = ""
        """What it printed until it was ready, or until it ended."""
        self.port = 0
        started = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, *program, *flags],
            cwd=ROOT,
            env={**clean, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._log,
        )
        self._read_banner(started + START_SECONDS)
        self.start_seconds = time.monotonic() - started

    def _read_banner(self, deadline: float) -> None:
        """Read what it prints up to the end of the banner, or to its end."""
        assert self.process.stdout is not None
        pipe = self.process.stdout.fileno()
        while not self.output.rstrip().endswith("ends at once"):
            left = deadline - time.monotonic()
            ready, _, _ = select.select([pipe], [], [], max(0.0, left))
            if not ready:
                self.kill()
                raise AssertionError(f"no banner in {START_SECONDS} s: {self.output}{self.log()}")
            data = os.read(pipe, 4096)
            if not data:  # it ended
                self.process.wait(STOP_SECONDS)
                return
            self.output += data.decode()
        found = _PORT.search(self.output)
        assert found, f"the banner names no port: {self.output}"
        self.port = int(found[1])

    @property
    def session_url(self) -> str:
        """Where clients connect."""
        return f"ws://127.0.0.1:{self.port}/ws/session"

    @property
    def node_url(self) -> str:
        """Where nodes connect."""
        return f"ws://127.0.0.1:{self.port}/ws/node"

    def get(self, path: str) -> Answer:
        """Ask by HTTP; refusals are answers, too."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}")
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=PATIENCE_S) as reply:
                return _answer(reply.status, reply.headers, reply.read())
        except urllib.error.HTTPError as error:
            with error:
                return _answer(error.code, error.headers, error.read())

    def metrics(self) -> dict[str, float]:
        """Return the figures of `/metrics` by name with labels."""
        lines = self.get("/metrics").body.splitlines()
        pairs = (line.rpartition(" ") for line in lines if line and not line.startswith("#"))
        return {name: float(value) for name, _, value in pairs}

    def wait_for(self, figures: dict[str, float], seconds: float = PATIENCE_S) -> None:
        """Return when these figures have these values; fail with what they are instead."""
        deadline = time.monotonic() + seconds
        while True:
            now = self.metrics()
            found = {name: now.get(name, 0.0) for name in figures}
            if found == figures:
                return
            assert time.monotonic() < deadline, f"figures are {found}, not {figures}"
            time.sleep(0.02)

    def wait_until_idle(self, seconds: float = PATIENCE_S) -> None:
        """Return when it holds nothing any more: no session, no node, no slot, no audio."""
        gauges = ("sessions", "nodes", "open_slots", "audio_bytes_held")
        self.wait_for({f"lingua_{gauge}": 0.0 for gauge in gauges}, seconds)

    def log(self) -> str:
        """Return everything it wrote to standard error."""
        size = os.fstat(self._log.fileno()).st_size
        return os.pread(self._log.fileno(), size, 0).decode(errors="replace")

    def wait_for_log(self, text: str, times: int = 1, seconds: float = PATIENCE_S) -> None:
        """Return when the log has this text so often."""
        wait_until(lambda: self.log().count(text) >= times, f"{text!r} in the log", seconds)

    def complaints(self) -> list[str]:
        """Return the lines of the log that speak of a bug."""
        return [line for line in self.log().splitlines() if _BAD_LINE.search(line)]

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.process.send_signal(signal.SIGTERM)

    def wait(self, seconds: float = STOP_SECONDS) -> int:
        """Return the exit status."""
        return self.process.wait(seconds)

    def kill(self) -> None:
        """End it, whatever it does."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(STOP_SECONDS)

    def close(self) -> None:
        """Let go of its files; it must have ended."""
        assert self.process.stdout is not None
        self.process.stdout.close()
        self._log.close()


def _answer(status: int, headers: Any, body: bytes) -> Answer:
    return Answer(status, headers.get("Content-Type", ""), body.decode())


@contextmanager
def running_scheduler(
    *flags: str, expect_errors: bool = False, env: dict[str, str] | None = None
) -> Iterator[SchedulerProcess]:
    """Run a scheduler on a free port; it must end in order and have logged no error."""
    scheduler = SchedulerProcess("--port", "0", *flags, env=env)
    try:
        assert scheduler.port, f"it ended at once: {scheduler.output}{scheduler.log()}"
        yield scheduler
        if scheduler.process.poll() is None:
            scheduler.terminate()
            status = scheduler.wait()
            assert status == 0, f"it ended with status {status}: {scheduler.log()}"
        if not expect_errors:
            assert not scheduler.complaints(), scheduler.log()[-8000:]
    finally:
        scheduler.kill()
        scheduler.close()
