"""What systemd hears: when it serves, that it lives, when it stops. Over a real socket."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.serve.service_manager import ServiceManager
from tests.support.waiting import PATIENCE_S

ROOT = Path(__file__).parents[3]


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """What systemd listens on."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(PATIENCE_S)
        yield listening


def heard(manager: socket.socket) -> str:
    return manager.recv(1000).decode()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_scheduler_says_when_it_serves_that_it_lives_and_when_it_stops(
    manager: socket.socket, workers: str
) -> None:
    clean = {name: text for name, text in os.environ.items() if not name.startswith("LINGUA_")}
    with subprocess.Popen(
        [sys.executable, "run.py", "--port", "0", "--workers", workers],
        cwd=ROOT,
        env={**clean, "NOTIFY_SOCKET": manager.getsockname(), "WATCHDOG_USEC": "600000"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as scheduler:
        said = [heard(manager)]
        while "READY=1" not in said:
            said.append(heard(manager))
        assert "STOPPING=1" not in said
        while said[-2:] != ["WATCHDOG=1", "WATCHDOG=1"]:
            said.append(heard(manager))
        scheduler.send_signal(signal.SIGTERM)
        while said[-1] != "STOPPING=1":
            said.append(heard(manager))
        assert scheduler.wait(PATIENCE_S) == 0
    assert said.count("READY=1") == 1


def test_what_is_meant_for_another_process_is_not_watched() -> None:
    environment = {"NOTIFY_SOCKET": "@x", "WATCHDOG_USEC": "600000", "WATCHDOG_PID": "1"}
    assert ServiceManager(environment).limit_s == 0.0
    assert environment == {}


def test_a_manager_that_is_gone_disturbs_nobody(tmp_path: Path) -> None:
    manager = ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "gone")})
    manager.ready()
    manager.stopping()
