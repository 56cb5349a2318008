"""How a module of ours is started in another process."""

import os
import subprocess
from pathlib import Path

import pytest

from peers.child_module import module_command, module_environment

ROOT = str(Path(__file__).parents[2])
SHOW_HELP = ("cli", "--version")


def test_a_module_is_found_from_any_folder_and_nothing_there_stands_in_for_it(
    tmp_path: Path,
) -> None:
    (tmp_path / "cli.py").write_text("raise SystemExit('not this one')", encoding="utf-8")
    shown = subprocess.run(
        module_command(*SHOW_HELP),
        cwd=tmp_path,
        env=module_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout.startswith("lingua-scheduler ")


def test_what_stands_on_the_path_stays_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/somewhere/else")
    assert module_environment()["PYTHONPATH"] == os.pathsep.join([ROOT, "/somewhere/else"])


def test_where_python_looks_anyway_nothing_is_added(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.setattr("site.getsitepackages", lambda: [ROOT])
    assert "PYTHONPATH" not in module_environment()
