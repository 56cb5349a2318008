"""nginx and HAProxy as docs/proxies.md sets them up, on loopback ports of their own."""

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.docs.support.documents import ROOT, blocks
from tests.end_to_end.support.processes.instances import free_port
from tests.support.waiting import wait_until

DOCUMENT = ROOT / "docs" / "proxies.md"
_NGINX = """
daemon off;
worker_processes 1;
pid {directory}/nginx.pid;
error_log stderr warn;
events {{}}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    {servers}
}}
"""


class ProxyProcess:
    """One proxy; `restart` ends it with all its connections, `reload` reads its file again."""

    def __init__(self, argv: list[str], port: int) -> None:
        self.port = port
        self._argv = argv
        self._start()

    def _start(self) -> None:
        self.process = subprocess.Popen(self._argv, stdin=subprocess.DEVNULL)
        wait_until(self._listens, "the proxy does not listen")

    def _listens(self) -> bool:
        assert self.process.poll() is None, "the proxy ended at once"
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def url(self, path: str) -> str:
        """Return the address of a socket through the proxy."""
        return f"ws://127.0.0.1:{self.port}{path}"

    def reload(self) -> None:
        """Have nginx read its file again."""
        self.process.send_signal(signal.SIGHUP)

    def restart(self) -> None:
        """End the proxy and all its connections, and start another."""
        self.close()
        self._start()

    def close(self) -> None:
        """End it at once."""
        self.process.terminate()
        self.process.wait(20)


def _program(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None:
        text = f"{name} is not installed"
        if os.environ.get("CI"):
            pytest.fail(text)
        pytest.skip(text)
    return found


def _configured(language: str, ports: dict[str, int]) -> str:
    [text] = blocks(DOCUMENT, language)
    for written, port in ports.items():
        assert written in text
        text = text.replace(written, f"127.0.0.1:{port}")
    return text


@contextmanager
def nginx(directory: Path, scheduler_port: int) -> Iterator[ProxyProcess]:
    """Start nginx in front of a scheduler with the prefix `/lingua`."""
    program, port = _program("nginx"), free_port()
    servers = _configured("nginx", {"127.0.0.1:5010": scheduler_port, "127.0.0.1:8080": port})
    file = directory / "nginx.conf"
    file.write_text(_NGINX.format(directory=directory, servers=servers))
    proxy = ProxyProcess([program, "-c", str(file), "-e", "stderr", "-p", str(directory)], port)
    try:
        yield proxy
    finally:
        proxy.close()


@contextmanager
def haproxy(directory: Path, first_port: int, second_port: int) -> Iterator[ProxyProcess]:
    """Start HAProxy in front of two instances that hear PROXY headers."""
    program, port = _program("haproxy"), free_port()
    ports = {
        "127.0.0.1:8080": port, "127.0.0.1:5010": first_port, "127.0.0.1:5011": second_port,
    }  # fmt: skip
    file = directory / "haproxy.cfg"
    file.write_text(_configured("haproxy", ports))
    proxy = ProxyProcess([program, "-db", "-f", str(file)], port)
    try:
        yield proxy
    finally:
        proxy.close()
