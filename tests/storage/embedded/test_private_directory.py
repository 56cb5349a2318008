"""What killed schedulers leave is removed by the next one; what lives is left alone."""

import os
import socket
import tempfile
from pathlib import Path

import pytest

from storage.embedded.private_directory import PrivateDirectory, remove_dead_directories
from storage.embedded.process import ServerProcess
from storage.embedded.server import find_servers

LONG_AGO = 1_000_000_000.0


@pytest.fixture(autouse=True)
def place(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files go; a short path, for a socket must fit in."""
    path = tmp_path_factory.mktemp("t")
    monkeypatch.setattr(tempfile, "tempdir", str(path))
    monkeypatch.setattr("storage.embedded.private_directory._SHORT_PLACE", str(path))
    return path


def old(path: Path) -> Path:
    os.utime(path, (LONG_AGO, LONG_AGO))
    return path


def left_by_a_killed_one() -> Path:
    directory = PrivateDirectory()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(directory.socket_path))
    os.close(directory.lock_fd)
    return old(directory.path)


def test_what_nobody_holds_is_removed() -> None:
    dead = left_by_a_killed_one()
    assert remove_dead_directories() == 1
    assert not dead.exists()
    assert remove_dead_directories() == 0


def test_what_somebody_holds_stays() -> None:
    directory = PrivateDirectory()
    old(directory.path)
    assert remove_dead_directories() == 0
    assert directory.path.exists()
    directory.remove()
    assert not directory.path.exists()


def test_what_has_just_begun_stays() -> None:
    dead = left_by_a_killed_one()
    os.utime(dead)
    assert remove_dead_directories() == 0
    assert dead.exists()


def test_where_somebody_answers_all_stays() -> None:
    """A server whose lock went with a scheduler that did not hand it down."""
    directory = PrivateDirectory()
    os.close(directory.lock_fd)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(directory.socket_path))
        server.listen()
        old(directory.path)
        assert remove_dead_directories() == 0
    assert directory.path.exists()


def test_what_only_looks_like_one_stays(place: Path) -> None:
    target = left_by_a_killed_one().rename(place / "mine")
    old(target)
    (place / "lingua-store-link").symlink_to(target)
    (place / "lingua-store-file").touch()
    old(place / "lingua-store-file")
    assert remove_dead_directories() == 0
    assert target.exists()


def test_a_server_that_starts_clears_up_and_keeps_its_own_locked() -> None:
    if not find_servers():
        pytest.skip("NO REAL STORE: no valkey or redis server runs on this machine")
    dead = left_by_a_killed_one()
    server = ServerProcess(find_servers()[0], None)
    server.start()
    try:
        assert not dead.exists()
        own = server.socket_path.parent
        os.close(server._directory.lock_fd)  # as if the scheduler had been killed
        server._directory.lock_fd = os.open(own, os.O_RDONLY)
        server.socket_path.rename(own / "elsewhere")  # nobody answers, the lock alone counts
        old(own)
        assert remove_dead_directories() == 0
    finally:
        server.close()
