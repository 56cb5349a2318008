"""What a node says about its machine, read from stand-ins for /proc."""

from pathlib import Path

import pytest

from peers.node import machine_load
from peers.node.machine_load import MachineLoad, memory_gb


@pytest.fixture
def proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(machine_load, "_STAT", tmp_path / "stat")
    monkeypatch.setattr(machine_load, "_MEMINFO", tmp_path / "meminfo")
    (tmp_path / "stat").write_text("cpu  100 0 100 700 100 0 0 0 0 0\ncpu0 1 1 1 1\n")
    (tmp_path / "meminfo").write_text("MemTotal: 8388608 kB\nMemAvailable: 2097152 kB\n")
    return tmp_path


def test_the_processors_were_busy_as_often_as_they_did_not_idle(proc: Path) -> None:
    load = MachineLoad()
    assert load.cpu_percent() == 0.0
    (proc / "stat").write_text("cpu  160 0 115 725 100 0 0 0 0 0\n")
    assert load.cpu_percent() == 75.0


def test_memory_is_what_cannot_be_had_any_more(proc: Path) -> None:
    assert MachineLoad().mem_percent() == 75.0
    assert memory_gb() == 8


def test_without_proc_the_load_average_stands_in_and_memory_is_unknown(proc: Path) -> None:
    (proc / "stat").unlink()
    (proc / "meminfo").unlink()
    assert 0 <= MachineLoad().cpu_percent() <= 100
    assert MachineLoad().mem_percent() is None
    assert memory_gb() == 0
