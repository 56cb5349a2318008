"""A web page of a stranger, in a real browser beside the scheduler: what it may and may not do."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.end_to_end.support.asking import ask
from tests.end_to_end.support.peers.chromium import Chromium, Page, chromium, program, served
from tests.support.peers.raw_wire import over_sockets
from tests.support.processes.scheduler_process import SchedulerProcess, running_scheduler

PAGE = b"""<!doctype html><title>a stranger</title><script>
function open_socket(url, protocols) {
  return new Promise(resolve => {
    const socket = new WebSocket(url, protocols || []);
    socket.onopen = () => { resolve('open ' + socket.protocol); socket.close(); };
    socket.onerror = () => resolve('refused');
  });
}
function read(url) {
  return fetch(url).then(answer => answer.text()).then(text => 'read ' + text, () => 'refused');
}
function include(url) {
  return new Promise(resolve => {
    const script = document.createElement('script');
    script.onload = () => resolve('loaded');
    script.onerror = () => resolve('refused');
    script.src = url;
    document.head.append(script);
  });
}
</script>"""
REBOUND = ("--host-resolver-rules=MAP rebound.example 127.0.0.1",)
"""What an attacker's name server does: the name of the page points at this machine."""


@pytest.fixture(scope="module")
def guarded() -> Iterator[SchedulerProcess]:
    tokens = {"LINGUA_CLIENT_TOKENS": "acme:sesame", "LINGUA_ADMIN_TOKEN": "admin"}
    with running_scheduler(env=tokens) as process:
        yield process


async def run(page: Page, function: str, *arguments: Any) -> str:
    return str(await page.run(f"{function}({', '.join(map(json.dumps, arguments))})"))


async def text_of(browser: Chromium, url: str) -> str:
    page = await browser.open(url)
    return str(await page.run("document.body.innerText"))


@over_sockets
async def test_a_strangers_page_is_no_node_and_sees_nothing(scheduler: SchedulerProcess) -> None:
    base = f"http://127.0.0.1:{scheduler.port}"
    async with served(PAGE) as url, chromium(program()) as browser:
        page = await browser.open(url)
        assert await run(page, "open_socket", scheduler.node_url) == "refused"
        for path in ("/metrics", "/api/v1/stats", "/api/v1/cluster", "/health"):
            assert await run(page, "read", base + path) == "refused"
            assert await run(page, "include", base + path) == "refused"
        assert await run(page, "open_socket", scheduler.session_url) == "open "
    figures = (await asyncio.to_thread(ask, scheduler, "/metrics")).body
    assert 'lingua_access_denied_total{door="node",reason="origin"} 1.0' in figures
    assert 'lingua_access_denied_total{door="operator",reason="origin"}' in figures


@over_sockets
async def test_a_name_that_was_pointed_at_this_machine_opens_nothing(
    scheduler: SchedulerProcess,
) -> None:
    place = f"rebound.example:{scheduler.port}"
    async with served(PAGE) as url, chromium(program(), *REBOUND) as browser:
        for path in ("/metrics", "/api/v1/stats", "/api/v1/cluster"):
            shown = await text_of(browser, f"http://{place}{path}")
            assert "this service is not called so" in shown
        page = await browser.open(url.replace("127.0.0.1", "rebound.example"))
        assert await run(page, "open_socket", f"ws://{place}/ws/session") == "refused"
        assert await run(page, "open_socket", f"ws://{place}/ws/node") == "refused"


@over_sockets
async def test_with_its_token_a_page_of_any_site_opens_a_session(guarded: SchedulerProcess) -> None:
    async with served(PAGE) as url, chromium(program()) as browser:
        page = await browser.open(url)
        socket = guarded.session_url
        assert await run(page, "open_socket", socket) == "refused"
        assert await run(page, "open_socket", socket, ["bearer.wrong"]) == "refused"
        assert await run(page, "open_socket", socket, ["bearer.sesame"]) == "open bearer.sesame"
        both = ["lingua", "bearer.sesame"]
        assert await run(page, "open_socket", socket, both) == "open bearer.sesame"
        assert await run(page, "open_socket", f"{socket}?token=sesame") == "open "
