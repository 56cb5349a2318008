"""`run.py demo`: the whole thing on real speech, and that nothing is left of it."""

import asyncio
import io
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from rich.console import Console

import cli.demo.command
import peers.engines.builtin
from cli.demo.command import DemoOptions, run_demo
from peers.engines.apertium import installed_modes
from peers.pcm import loudness
from peers.recordings import carried_recordings
from peers.wav import read_wav
from tests.cli.support.marked_processes import Mark, take_ctrl_c
from tests.support.waiting import PATIENCE_S

pytestmark = pytest.mark.takes(25)

ROOT = Path(__file__).parents[3]
ADDRESS = re.compile(r"speak into this page: (http://127\.0\.0\.1:\d+/)")


def test_the_demo_hears_translates_speaks_and_leaves_nothing_behind(tmp_path: Path) -> None:
    mark = Mark()
    demo = subprocess.run(
        [sys.executable, "run.py", "demo", "--no-install", "--speed", "8", "--out", tmp_path],
        cwd=ROOT,
        env=mark.environment,
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE_S,
        check=False,
    )
    assert demo.returncode == 0, demo.stderr
    assert mark.wait_until_gone() == {}
    assert "3 of 3 utterances came back" in demo.stdout
    assert "he was not an ill" in demo.stdout.lower()
    written = sorted(tmp_path.glob("*.wav"))
    assert len(written) == 3
    assert all(loudness(read_wav(path)) > 0.02 for path in written)
    if ("en", "es") in installed_modes():
        assert all(path.name.endswith(".es.wav") for path in written)


@pytest.mark.usefixtures("sigint_is_not_ignored")
def test_ctrl_c_in_the_middle_stops_everything(tmp_path: Path) -> None:
    mark = Mark()
    with subprocess.Popen(
        [sys.executable, "run.py", "demo", "--no-install", "--out", tmp_path],
        cwd=ROOT,
        env=mark.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        preexec_fn=take_ctrl_c,  # noqa: PLW1509 - no other thread here
    ) as demo:
        assert demo.stdout is not None
        for line in demo.stdout:
            if line.startswith("saying"):
                break
        assert len(mark.processes()) > 2
        demo.send_signal(signal.SIGINT)
        assert demo.wait(timeout=PATIENCE_S) == 130
        demo.stdout.read()
    assert mark.wait_until_gone() == {}


def test_without_a_translator_the_demo_goes_on_in_english_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def cannot_install() -> bool:
        return False

    monkeypatch.setattr(cli.demo.command, "installed_modes", dict)
    monkeypatch.setattr(peers.engines.builtin, "installed_modes", dict)
    monkeypatch.setattr(cli.demo.command, "can_install", cannot_install)
    monkeypatch.setattr(cli.demo.command, "carried_recordings", lambda: carried_recordings()[1:2])
    shown = Console(file=io.StringIO(), width=100)
    assert asyncio.run(run_demo(DemoOptions(speed=8.0, out_dir=tmp_path), shown)) == 0
    assert isinstance(shown.file, io.StringIO)
    text = shown.file.getvalue()
    assert "no translator, so speech stays in English" in text
    assert "sudo apt-get install apertium-eng-spa" in text
    assert len(list(tmp_path.glob("*.en.wav"))) == 1


@pytest.mark.usefixtures("sigint_is_not_ignored")
def test_with_a_page_the_demo_shows_where_it_is_and_stays_until_ctrl_c() -> None:
    mark = Mark()
    with subprocess.Popen(
        [sys.executable, "run.py", "demo", "--no-install", "--page"],
        cwd=ROOT,
        env={k: v for k, v in mark.environment.items() if k not in {"DISPLAY", "WAYLAND_DISPLAY"}},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        preexec_fn=take_ctrl_c,  # noqa: PLW1509 - no other thread here
    ) as demo:
        assert demo.stdout is not None
        [address] = next(found for line in demo.stdout if (found := ADDRESS.findall(line)))
        with urllib.request.urlopen(f"{address}ready", timeout=PATIENCE_S) as answer:  # noqa: S310
            assert answer.status == 200
        demo.send_signal(signal.SIGINT)
        assert demo.wait(timeout=PATIENCE_S) == 130
        demo.stdout.read()
    assert mark.wait_until_gone() == {}
