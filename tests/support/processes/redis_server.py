"""Real servers for tests: each kind that this machine has, on a private Unix socket."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from storage.embedded.process import ServerProcess
from storage.embedded.server import find_servers

KINDS = ("valkey", "redis")
"""The wheel's server (or one on the PATH), and Debian's."""


@contextmanager
def real_server(kind: str | None = None) -> Iterator[str]:
    """Start a server of this kind, or of any; yield its URL.

    Without such a server the test is skipped, and says so; where nothing may be skipped (CI) it
    fails.
    """
    binary = _find(kind)
    if binary is None:
        text = f"NO REAL STORE: no {kind or 'valkey or redis'} server runs on this machine"
        if os.environ.get("CI"):
            pytest.fail(text)
        pytest.skip(text)
    server = ServerProcess(binary, None)
    server.start()
    try:
        yield f"unix://{server.socket_path}"
    finally:
        server.close()


def _find(kind: str | None) -> Path | None:
    for binary in find_servers():
        if kind is None or kind in binary.name:
            return binary
    return None
