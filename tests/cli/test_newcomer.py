"""Every command as somebody new to it tries it: one line each, and the right exit status."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from cli.commands import COMMANDS
from tests.cli.support.marked_processes import take_ctrl_c

ROOT = Path(__file__).parents[2]
SPEECH = "peers/data/speech/librivox-0880.wav"
NEEDED = {
    "client": (SPEECH, "--to", "es"),
    "token": ("--tenant", "t"),
    "job": ("j",),
    "route": ("en", "es"),
    "drain": ("n",),
    "undrain": ("n",),
    "close": ("s",),
    "forget": ("s",),
}


def environment() -> dict[str, str]:
    return {name: text for name, text in os.environ.items() if not name.startswith("LINGUA_")}


def run(*argv: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "run.py", *argv],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str) -> None:
    result = run(command, "--help")
    assert (result.returncode, result.stderr) == (0, "")
    assert "usage: " in result.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_an_unknown_flag_is_one_line_without_its_value(command: str) -> None:
    result = run(command, *NEEDED.get(command, ()), "--tokem=sesame")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("lingua: unknown flag --tokem")
    assert "sesame" not in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("argv", "status", "line"),
    [
        (["client"], 2, "the following arguments are required: FILE, --to"),
        (["client", SPEECH, "--to", "es", "--speed", "fast"], 2, "--speed: invalid speed value"),
        (["client", "none.wav", "--to", "es"], 2, "none.wav: no such file"),
        (["client", SPEECH, "--to", "es", "--url", "ws://h:x"], 2, "is no WebSocket address"),
        (["node", "--jobs", "0"], 2, "--jobs: must be at least 1"),
        (["node", "--url", "ws://h:x/?token=sesame"], 2, "is no WebSocket address"),
        (["demo", "--speed", "0"], 2, "--speed: must be above 0"),
        (["bench", "--scenario", "all"], 2, "--scenario: invalid"),
        (["bench", "--seconds", "-1"], 2, "--seconds: must be above 0"),
        (["bench", "--json", "/nowhere/figures.json"], 2, "--json: '/nowhere/figures.json' cannot"),
        (["simulate", "--nodes", "none"], 2, "--nodes: invalid positive value"),
        (["demo", "--no-install", "--out", "/dev/null/x", "--speed", "100"], 1, "Not a directory"),
    ],
)
def test_what_is_wrong_is_one_line(argv: list[str], status: int, line: str) -> None:
    result = run(*argv)
    assert result.returncode == status
    assert line in result.stderr
    assert "sesame" not in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_client_without_its_scheduler_says_so_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    result = run("client", SPEECH, "--to", "es", "--url", f"ws://127.0.0.1:{port}")
    assert (result.returncode, result.stdout) == (3, "")
    assert result.stderr == (f"lingua: ws://127.0.0.1:{port}/ws/session: Connection refused\n")


@pytest.mark.parametrize(
    "argv",
    [
        ["node", "--url", "ws://127.0.0.1:1"],
        ["bench", "--scenario", "relay", "--sessions", "2", "--seconds", "0.2"],
        ["simulate", "--nodes", "10", "--sessions", "20", "--seconds", "1"],
    ],
)
def test_when_nobody_reads_what_it_prints_a_command_ends_with_one_line(argv: list[str]) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    with os.fdopen(write_end) as nobody:
        result = subprocess.run(
            [sys.executable, "run.py", *argv],
            cwd=ROOT,
            env=environment(),
            stdout=nobody,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=60,
        )
    assert result.returncode == 1
    assert result.stderr == "lingua: nobody reads standard output any more\n"


@pytest.mark.parametrize(
    "argv",
    [
        ["bench", "--quick", "--scenario", "relay", "--seconds", "60"],
        ["simulate", "--seconds", "60"],
    ],
)
def test_ctrl_c_ends_a_long_command_without_a_word(argv: list[str]) -> None:
    with subprocess.Popen(
        [sys.executable, "run.py", *argv],
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=take_ctrl_c,  # noqa: PLW1509 - no other thread here
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (130, "")
