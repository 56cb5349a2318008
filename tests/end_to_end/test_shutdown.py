"""How it ends: in order when asked once, at once when asked twice, and never leaving anything."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.support.peers.raw_client import RawClient, raw_client, tone
from tests.support.peers.raw_node import Ability, RawNode, raw_node
from tests.support.peers.raw_wire import over_sockets
from tests.support.processes.scheduler_process import SchedulerProcess, running_scheduler
from tests.support.waiting import wait_until

pytestmark = pytest.mark.takes(12)


@asynccontextmanager
async def at_work(scheduler: SchedulerProcess) -> AsyncIterator[tuple[RawClient, RawNode]]:
    """Yield a client and a node, connected; nobody says good-bye."""
    node = await RawNode(scheduler.node_url, Ability()).open()
    await node.register()
    client = await RawClient(scheduler.session_url).open()
    await client.init("en", "es")
    yield client, node
    await client.aclose()
    await node.aclose()
    assert client.failure is None, client.failure


@over_sockets
async def test_sigterm_lets_open_work_finish_and_closes_in_order() -> None:
    with running_scheduler() as scheduler:
        async with at_work(scheduler) as (client, node):
            idle = await RawClient(scheduler.session_url).open()
            await idle.init("en", "es")
            await client.speak(tone(300))
            job = await node.job()
            await client.chunk(tone(400))  # said, not yet cut
            await client.fence()
            scheduler.terminate()
            for one in (client, idle):
                notice = await one.hear("reconnect")
                assert notice["after_ms"] > 0
            rest = await node.job()
            ready = await asyncio.to_thread(scheduler.get, "/ready")
            assert ready.status == 503
            assert ready.json["draining"] is True
            assert (await asyncio.to_thread(scheduler.get, "/health")).status == 200
            await node.answer(job, "finished")
            assert (await client.result())["text_asr"] == "finished"
            await node.answer(rest, "the rest")
            assert (await client.result())["text_asr"] == "the rest"
            assert await client.close_code() == 1001
            assert await idle.close_code() == 1001
            assert await node.close_code() == 1012
            assert await asyncio.to_thread(scheduler.wait) == 0


@over_sockets
async def test_nobody_new_comes_in_while_it_drains() -> None:
    with running_scheduler() as scheduler:
        async with at_work(scheduler) as (client, node):
            waiting = await RawClient(scheduler.session_url).open()
            await client.speak(tone(300))
            job = await node.job()
            scheduler.terminate()
            await client.hear("reconnect")
            await waiting.say({**_init(), "type": "session_init"})
            assert await waiting.close_code() in {1001, 1013}
            assert not waiting.all_heard("session_init_ack")
            await node.answer(job)
            await client.result()
            assert await asyncio.to_thread(scheduler.wait) == 0


def _init() -> dict[str, str]:
    return {"client_version": "1", "platform": "web", "src_lang": "en", "tgt_lang": "es"}


@over_sockets
async def test_work_that_does_not_finish_ends_with_an_outcome() -> None:
    with running_scheduler("--drain-seconds", "0.7") as scheduler:
        async with at_work(scheduler) as (client, node):
            await client.speak(tone(300))
            job = await node.job()
            began = time.monotonic()
            scheduler.terminate()
            await client.hear("reconnect")
            outcome = await client.missing()
            assert outcome["reason"] == "session_closed"
            assert (await node.hear("job_cancel"))["job_id"] == job["job_id"]
            assert await client.close_code() == 1001
            assert await asyncio.to_thread(scheduler.wait) == 0
            assert 0.6 < time.monotonic() - began < 5


@over_sockets
async def test_a_second_signal_ends_it_at_once() -> None:
    with running_scheduler() as scheduler:
        async with at_work(scheduler) as (client, node):
            await client.speak(tone(300))
            await node.job()
            store = children_of(scheduler.process.pid)
            assert store
            scheduler.terminate()
            await client.hear("reconnect")
            began = time.monotonic()
            scheduler.terminate()
            status = await asyncio.to_thread(scheduler.wait)
            assert time.monotonic() - began < 2
            assert status == 128 + signal.SIGTERM
            assert not [pid for pid in store if is_alive(pid)]


@over_sockets
async def test_an_idle_scheduler_ends_quickly() -> None:
    with running_scheduler() as scheduler:
        async with (
            raw_node(scheduler.node_url) as node,
            raw_client(scheduler.session_url) as client,
        ):
            began = time.monotonic()
            scheduler.terminate()
            assert await client.close_code() == 1001
            assert await node.close_code() == 1012
            assert await asyncio.to_thread(scheduler.wait) == 0
            assert time.monotonic() - began < 2


def test_ctrl_c_is_an_orderly_end_too() -> None:
    with running_scheduler() as scheduler:
        scheduler.process.send_signal(signal.SIGINT)
        assert scheduler.wait() == 0


def test_its_store_dies_with_it_however_it_dies() -> None:
    with running_scheduler() as scheduler:
        store = children_of(scheduler.process.pid)
        assert store
        os.kill(scheduler.process.pid, signal.SIGKILL)
        scheduler.wait()
        wait_until(lambda: not any(is_alive(pid) for pid in store), "its store is gone")


def test_a_port_in_use_is_one_line_and_status_two() -> None:
    with running_scheduler() as first:
        second = SchedulerProcess("--port", str(first.port))
        assert second.wait() == 2
        lines = second.log().strip().splitlines()
        assert len(lines) == 1, lines
        assert str(first.port) in lines[0]
        assert second.output == ""
        second.close()
        assert first.get("/health").status == 200


def children_of(pid: int) -> list[int]:
    """Return the children of a process that are no threads of it."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found.append(int(path.parent.name))
    return found


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
