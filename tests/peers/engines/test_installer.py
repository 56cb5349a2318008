"""The installation of the translator, with stand-ins for apt-get and sudo."""

import asyncio
import os
import shutil
from pathlib import Path

import pytest

from peers.engines.installer import install_translator


class StandIns:
    """A PATH of scripts that note how they were called."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        env = shutil.which("env")
        assert env is not None
        (directory / "env").symlink_to(env)

    def add(self, name: str, *lines: str) -> None:
        log = self.directory / "log"
        path = self.directory / name
        path.write_text("\n".join(["#!/bin/sh", f'echo {name} "$@" >> {log}', *lines, ""]))
        path.chmod(0o755)

    @property
    def calls(self) -> list[str]:
        log = self.directory / "log"
        return log.read_text().splitlines() if log.exists() else []


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIns:
    stand_ins = StandIns(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    return stand_ins


def test_without_apt_nothing_is_tried(programs: StandIns) -> None:
    programs.add("sudo")
    assert not asyncio.run(install_translator())
    assert programs.calls == []


def test_a_sudo_that_asks_for_a_password_is_left_alone(programs: StandIns) -> None:
    programs.add("apt-get")
    programs.add("sudo", "exit 1")
    assert not asyncio.run(install_translator())
    assert programs.calls == ["sudo -n true"]


def test_a_sudo_that_asks_nothing_is_used(programs: StandIns) -> None:
    programs.add("apt-get")
    programs.add("sudo", 'shift; [ "$1" = true ] || exec "$@"')
    assert asyncio.run(install_translator())
    assert programs.calls[-1] == (
        "apt-get -q install -y --no-install-recommends --no-upgrade apertium-eng-spa"
    )


def test_root_needs_no_sudo_and_an_empty_package_list_is_fetched_first(
    programs: StandIns, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    known = programs.directory / "known"
    programs.add("apt-get", f'[ "$2" = update ] && : > {known}', f"[ -e {known} ]")
    assert asyncio.run(install_translator())
    assert [call.split()[2] for call in programs.calls] == ["install", "update", "install"]


def test_a_machine_without_a_network_is_no_disaster(
    programs: StandIns, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    programs.add("apt-get", "exit 100")
    assert not asyncio.run(install_translator())
