"""`docs/your-model.md`: each node in it works on a job of a real scheduler, as it stands there."""

import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.support.documents import block, lines_of_code, running
from tests.support.peers.raw_client import raw_client, tone
from tests.support.peers.raw_wire import over_sockets
from tests.support.processes.scheduler_process import SchedulerProcess, running_scheduler
from tests.support.waiting import PATIENCE_S

pytestmark = pytest.mark.takes(10)
DOCUMENT = "docs/your-model.md"
WHOLE = {"python": "asyncio.to_thread(work", "js": "node_register"}
"""What stands in the nodes that take whole utterances, and nowhere else."""


@pytest.fixture
def scheduler() -> Iterator[SchedulerProcess]:
    with running_scheduler("--session-grace-seconds=0.5") as process:
        yield process


def program(name: str) -> str:
    """Return a program that the tests need; where nothing may be skipped it is there."""
    found = shutil.which(name)
    assert found, f"{name} is not installed: .ci/debian-packages --for-tests"
    return found


async def translated(scheduler: SchedulerProcess) -> tuple[str, str]:
    """Say 1.5 s of something; return what was recognised and what it became."""
    async with raw_client(scheduler.session_url, "en", "es", audio_format="pcm16") as client:
        await client.chunk(tone(1500), final=True)
        result = await client.result()
        return result["text_asr"], result["text_translated"]


@over_sockets
async def test_the_node_in_python_works_as_it_is_shown(
    scheduler: SchedulerProcess, tmp_path: Path
) -> None:
    code = block(DOCUMENT, "python", WHOLE["python"], scheduler.port)
    (tmp_path / "node.py").write_text(code, encoding="utf-8")
    with running([sys.executable, "node.py"], tmp_path):
        scheduler.wait_for({"lingua_nodes": 1.0})
        assert await translated(scheduler) == ("1.5 seconds", "in es")


@over_sockets
async def test_the_node_in_javascript_works_as_it_is_shown(
    scheduler: SchedulerProcess, tmp_path: Path
) -> None:
    code = block(DOCUMENT, "js", WHOLE["js"], scheduler.port)
    (tmp_path / "node.cjs").write_text(code, encoding="utf-8")
    with running([program("node"), "node.cjs"], tmp_path):
        scheduler.wait_for({"lingua_nodes": 1.0})
        assert await translated(scheduler) == ("1.5 seconds", "in es")


@over_sockets
async def test_the_node_of_the_library_works_as_it_is_shown_and_drains_on_sigterm(
    scheduler: SchedulerProcess, tmp_path: Path
) -> None:
    code = block(DOCUMENT, "python", "run_node", scheduler.port)
    (tmp_path / "node.py").write_text(code, encoding="utf-8")
    with running([sys.executable, "node.py"], tmp_path) as node:
        scheduler.wait_for({"lingua_nodes": 1.0})
        heard, text = await translated(scheduler)
        assert (heard.endswith(" seconds"), text) == (True, f"{heard} in es")
        node.send_signal(signal.SIGTERM)
        assert node.wait(PATIENCE_S) == 0


def test_a_node_comes_back_to_a_scheduler_that_was_away(tmp_path: Path) -> None:
    with running_scheduler() as first:
        port = first.port
        code = block(DOCUMENT, "python", WHOLE["python"], port)
        (tmp_path / "node.py").write_text(code, encoding="utf-8")
        node = running([sys.executable, "node.py"], tmp_path)
        process = node.__enter__()
        first.wait_for({"lingua_nodes": 1.0})
    try:
        with running_scheduler("--port", str(port)) as second:
            second.wait_for({"lingua_nodes": 1.0})
            assert process.poll() is None
    finally:
        node.__exit__(None, None, None)


@pytest.mark.parametrize("language", ["python", "js"])
def test_a_whole_node_is_short(language: str) -> None:
    assert lines_of_code(block(DOCUMENT, language, WHOLE[language])) <= 40
