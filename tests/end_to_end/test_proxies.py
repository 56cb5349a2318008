"""People speak through nginx and through HAProxy, which are reloaded and restarted meanwhile."""

import asyncio
import socket
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.end_to_end.support.moving import FLAGS
from tests.end_to_end.support.peers.resuming_client import ResumingClient
from tests.end_to_end.support.processes.cluster import Cluster, instances
from tests.end_to_end.support.processes.proxy_process import ProxyProcess, haproxy, nginx
from tests.support.peers.raw_client import tone
from tests.support.peers.raw_node import Ability, RawNode, audio_of, raw_node
from tests.support.peers.raw_wire import Pair, over_sockets
from tests.support.processes.scheduler_process import SchedulerProcess, running_scheduler
from tests.support.waiting import wait_until

pytestmark = pytest.mark.takes(30)


@pytest.fixture(scope="module")
def below_a_path() -> Iterator[SchedulerProcess]:
    flags = "--path-prefix=/lingua", "--trusted-proxies=127.0.0.1", "--max-sockets-per-address=1"
    with running_scheduler(*flags) as scheduler:
        yield scheduler


@pytest.fixture
def through_nginx(below_a_path: SchedulerProcess, tmp_path: Path) -> Iterator[ProxyProcess]:
    with nginx(tmp_path, below_a_path.port) as proxy:
        yield proxy


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with instances(2, *FLAGS, "--proxy-protocol=on") as made:
        yield made


def raw_answer(port: int, request: bytes) -> bytes:
    """Return all that comes for some bytes."""
    with socket.create_connection(("127.0.0.1", port), 20) as connection:
        connection.sendall(request)
        return b"".join(iter(lambda: connection.recv(4096), b""))


def status_of(port: int, path: str, version: str = "1.1") -> int:
    """Ask by HTTP."""
    head = f"GET {path} HTTP/{version}\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    return int(raw_answer(port, head.encode()).split()[1])


def test_pages_and_answers_lie_below_the_path(through_nginx: ProxyProcess) -> None:
    port = through_nginx.port
    for path in ("/", "/theme.css", "/lingua-client.js", "/dashboard", "/ready"):
        assert status_of(port, f"/lingua{path}") == HTTPStatus.OK, path
    for path in ("/lingua/nothing", "/linguax/ready"):
        assert status_of(port, path) == HTTPStatus.NOT_FOUND, path


def test_the_prefix_alone_leads_to_the_page_below_it(below_a_path: SchedulerProcess) -> None:
    head = raw_answer(
        below_a_path.port, b"GET /lingua HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    )
    assert head.startswith(b"HTTP/1.1 308 ")
    assert b"\r\nlocation: /lingua/\r\n" in head.lower()


def test_an_old_probe_is_answered(below_a_path: SchedulerProcess) -> None:
    for path in ("/ready", "/lingua/ready", "/health"):
        assert status_of(below_a_path.port, path, "1.0") == HTTPStatus.OK


@over_sockets
async def test_a_reload_of_nginx_is_not_noticed_and_a_restart_costs_no_words(
    below_a_path: SchedulerProcess, through_nginx: ProxyProcess, pair: Pair
) -> None:
    proxy = through_nginx
    async with raw_node(below_a_path.node_url, Ability.of(pair, 20)) as node:
        client = ResumingClient(proxy.url("/lingua/ws/session"))
        await client.open()
        await client.init(*pair)
        await client.chunk(tone(300))
        await client.fence()
        proxy.reload()
        await asyncio.sleep(0.5)  # nginx says nowhere when its new process is there
        await client.speak(tone(300))
        first = await node.job()
        assert audio_of(first) == tone(300) + tone(300)
        await client.chunk(tone(200))
        await client.fence()
        proxy.restart()
        await node.answer(first, "while the line was cut")
        assert await client.close_code() == 1006
        client = await client.resume_at(below_a_path)
        assert (await client.result())["text_asr"] == "while the line was cut"
        await client.final()
        second = await node.job()
        assert audio_of(second) == tone(200)
        await node.answer(second)
        await client.result()
        await client.leave()


@over_sockets
async def test_a_bound_per_address_holds_for_people_and_not_for_the_proxy(
    through_nginx: ProxyProcess,
) -> None:
    url = through_nginx.url("/lingua/ws/session")

    def comes(address: str) -> connect:
        return connect(url, additional_headers={"X-Forwarded-For": address})

    async with comes("198.51.100.7"), comes("198.51.100.8, 198.51.100.9"):
        with pytest.raises(InvalidStatus, match="429"):
            await comes("192.0.2.1, 198.51.100.7")  # what stands before it anybody can write
    async with comes("198.51.100.7"):
        pass


@over_sockets
async def test_a_stopped_instance_gets_nobody_from_haproxy_and_its_sessions_go_on(
    cluster: Cluster, tmp_path: Path, pair: Pair
) -> None:
    first, second = cluster.members
    with haproxy(tmp_path, first.port, second.port) as proxy:
        async with RawNode(proxy.url("/ws/node"), Ability.of(pair, 20)) as node:
            await node.register()
            client = ResumingClient(proxy.url("/ws/session"))
            await client.open()
            await client.init(*pair)
            await client.speak(tone(500))
            job = await node.job()
            assert audio_of(job) == tone(500)
            await node.answer(job, "through HAProxy")
            assert (await client.result())["text_asr"] == "through HAProxy"
            await client.leave()
        first.terminate()
        wait_until(lambda: first.process.poll() is not None, "it does not end")
        for _ in range(4):
            assert status_of(proxy.port, "/ready") == HTTPStatus.OK
    cluster.members.remove(first)


def test_who_must_not_send_a_header_and_who_must(cluster: Cluster) -> None:
    port = cluster.members[0].port
    signature = b"\r\n\r\n\0\r\nQUIT\n"
    request = b"GET /ready HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    ipv4 = bytes([198, 51, 100, 7, 127, 0, 0, 1]) + bytes(4)
    proxied = signature + b"\x21\x11" + len(ipv4).to_bytes(2) + ipv4
    local = signature + b"\x20\x00\0\0"
    assert b" 200 " in raw_answer(port, proxied + request)
    assert b" 200 " in raw_answer(port, local + request)
    for wrong in (
        request,
        b"PROXY TCP4 198.51.100.7 127.0.0.1 1 2\r\n" + request,
        signature + b"\x31\x11" + len(ipv4).to_bytes(2) + ipv4 + request,
        signature + b"\x21\x11\xff\xff" + request,
        signature + b"\x21\x11\0\x02ab" + request,
    ):
        with pytest.raises(ConnectionError):
            raw_answer(port, wrong)
