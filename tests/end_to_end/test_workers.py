"""Several processes behind one port, as whoever runs them sees it."""

import asyncio
import os
import signal
import socket
import time
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed

from tests.support.peers.raw_client import RawClient, raw_client, tone
from tests.support.peers.raw_node import Ability, raw_node
from tests.support.peers.raw_wire import over_sockets
from tests.support.processes.scheduler_process import SchedulerProcess, running_scheduler
from tests.support.waiting import PATIENCE_S

pytestmark = pytest.mark.takes(12)

MANY = 24
"""Enough connections for the kernel to give some to each of two processes."""


def workers_of(scheduler: SchedulerProcess) -> list[int]:
    """Return the process ids of the workers."""
    parent = scheduler.process.pid
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text(encoding="ascii").split()
    return [int(pid) for pid in children if b"cli.serve.worker" in _command_line(int(pid))]


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except FileNotFoundError:
        return b""


def wait_for_workers(scheduler: SchedulerProcess, number: int, gone: set[int]) -> list[int]:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        pids = workers_of(scheduler)
        if len(pids) == number and not gone & set(pids):
            return pids
        assert time.monotonic() < deadline, f"workers are {pids}"
        time.sleep(0.02)


@over_sockets
async def test_connections_spread_over_the_workers_and_the_figures_are_those_of_all() -> None:
    with running_scheduler("--workers", "2") as scheduler:
        assert "with 2 workers" in scheduler.output
        assert len(workers_of(scheduler)) == 2
        clients = [await RawClient(scheduler.session_url).open() for _ in range(MANY)]
        for client in clients:
            await client.init("en", "es")
        await asyncio.to_thread(scheduler.wait_for, {"lingua_sessions": float(MANY)})
        answers = [await asyncio.to_thread(scheduler.get, "/api/v1/cluster") for _ in range(MANY)]
        assert len({answer.json["instance_id"] for answer in answers}) == 2
        for client in clients:
            await client.aclose()


def test_sigterm_ends_all_workers_in_order() -> None:
    with running_scheduler("--workers", "3") as scheduler:
        pids = workers_of(scheduler)
        assert len(pids) == 3
        scheduler.terminate()
        assert scheduler.wait() == 0
        assert not any(_command_line(pid) for pid in pids)


@over_sockets
async def test_a_worker_that_dies_is_replaced_and_the_others_go_on() -> None:
    with running_scheduler("--workers", "2", expect_errors=True) as scheduler:
        clients = [await RawClient(scheduler.session_url).open() for _ in range(MANY)]
        for client in clients:
            await client.init("en", "es")
        before = workers_of(scheduler)
        os.kill(before[0], signal.SIGKILL)
        after = await asyncio.to_thread(wait_for_workers, scheduler, 2, {before[0]})
        assert before[1] in after
        alive = 0
        for client in clients:
            try:
                await client.fence()
                alive += 1
            except (AssertionError, ConnectionClosed):
                continue
        assert 0 < alive < MANY
        late = await RawClient(scheduler.session_url).open()
        await late.init("en", "es")
        scheduler.wait_for_log("a worker ended by itself")
        for client in (*clients, late):
            await client.aclose()


def test_workers_do_not_outlive_the_one_who_started_them() -> None:
    scheduler = SchedulerProcess("--port", "0", "--workers", "2", "--drain-seconds", "1")
    try:
        pids = workers_of(scheduler)
        scheduler.process.kill()
        deadline = time.monotonic() + 15
        while any(b"cli.serve.worker" in _command_line(pid) for pid in pids):
            assert time.monotonic() < deadline, "workers are left"
            time.sleep(0.05)
    finally:
        scheduler.kill()
        scheduler.close()


def test_a_port_that_somebody_else_has_is_one_line_and_status_2() -> None:
    with socket.create_server(("127.0.0.1", 0), reuse_port=True) as other:
        port = other.getsockname()[1]
        scheduler = SchedulerProcess("--port", str(port), "--workers", "2")
        try:
            assert scheduler.wait() == 2
            [line] = scheduler.log().splitlines()[-1:]
            assert line.startswith(f"lingua: cannot listen on 127.0.0.1:{port}:")
        finally:
            scheduler.kill()
            scheduler.close()


def test_workers_without_their_store_do_not_start_and_one_line_says_so() -> None:
    flags = ("--workers", "2", "--redis-url", "redis://127.0.0.1:1/0")
    scheduler = SchedulerProcess("--port", "0", *flags)
    try:
        assert scheduler.wait() == 2
        [line] = scheduler.log().splitlines()
        assert line.startswith("lingua: no store answers at redis://127.0.0.1:1/0")
    finally:
        scheduler.kill()
        scheduler.close()


@over_sockets
async def test_every_client_is_served_whichever_worker_it_and_the_nodes_are_on() -> None:
    with running_scheduler("--workers", "2", "--hangover-manual-ms", "0") as scheduler:
        async with AsyncExitStack() as stack:
            for _ in range(3):
                node = await stack.enter_async_context(
                    raw_node(scheduler.node_url, Ability(capacity=8))
                )
                node.answers()
            clients = [
                await stack.enter_async_context(raw_client(scheduler.session_url, "en", "es"))
                for _ in range(MANY)
            ]
            for client in clients:
                for _ in range(3):
                    await client.speak(tone(300))
            for client in clients:
                heard = [await client.result() for _ in range(3)]
                assert [result["utterance_index"] for result in heard] == [0, 1, 2]
            figures = await asyncio.to_thread(scheduler.metrics)
            assert figures['lingua_jobs_total{outcome="completed"}'] == 3 * MANY
        await asyncio.to_thread(scheduler.wait_until_idle)
