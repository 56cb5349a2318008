"""What an operator finds out and does from the command line, as a user would type it."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.support.peers.raw_client import raw_client, tone
from tests.support.peers.raw_node import Ability, RawNode, raw_node
from tests.support.peers.raw_wire import Pair, over_sockets
from tests.support.processes.scheduler_process import ROOT, SchedulerProcess, running_scheduler

pytestmark = pytest.mark.takes(15)


@pytest.fixture(scope="module")
def guarded() -> Iterator[SchedulerProcess]:
    """A scheduler whose operators need a token."""
    with running_scheduler(env={"LINGUA_ADMIN_TOKEN": "admin-sesame"}) as process:
        yield process


def run(*argv: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    outside = {name: text for name, text in os.environ.items() if not name.startswith("LINGUA_")}
    return subprocess.run(
        [sys.executable, "run.py", *argv],
        cwd=ROOT,
        env=outside | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


async def typed(scheduler: SchedulerProcess, *argv: str) -> str:
    """Run a command that must succeed; the address is written as people write it."""
    address = f"localhost:{scheduler.port}"
    done = await asyncio.to_thread(run, *argv, "--url", address)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@over_sockets
async def test_an_operator_finds_out_why_somebody_waits(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    source, target = pair
    async with (
        raw_node(scheduler.node_url, Ability.of(pair, capacity=1)) as node,
        raw_client(scheduler.session_url, *pair) as client,
    ):
        await client.speak(tone(300))
        job = await node.job()
        await client.speak(tone(400))
        await client.hear("ui_event", event="QUEUED")
        status = await typed(scheduler, "status")
        assert "store      answers" in status
        assert any(f"{source} > {target}" in line for line in status.splitlines())
        route = await typed(scheduler, "route", *pair)
        assert f"{source} > {target}: none of the 1 nodes that serve this pair" in route
        assert "1 utterance waiting, the first for " in route
        assert f"{node.node_id}  online  0 of 1" in route
        assert node.node_id in await typed(scheduler, "nodes")
        listed = json.loads(await typed(scheduler, "jobs", "--state", "queued", "--json"))
        [waiting] = [one for one in listed["jobs"] if one["src_lang"] == source]
        life = await typed(scheduler, "job", waiting["job_id"])
        assert f"{waiting['job_id']}: queued, attempt 1, into {target}" in life
        sessions = await typed(scheduler, "sessions")
        assert client.ack["session_ref"] in sessions
        assert client.session_id not in sessions
        assert f"{source} > {target}" in await typed(scheduler, "top", "--once")
        await node.answer(job)
        await node.answer(await node.job())
        for _ in range(2):
            await client.result()


@over_sockets
async def test_an_operator_drains_a_node_and_ends_a_session(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with (
        raw_node(scheduler.node_url, Ability.of(pair)) as node,
        raw_client(scheduler.session_url, *pair) as client,
    ):
        assert await typed(scheduler, "drain", node.node_id) == f"drain: {node.node_id}\n"
        assert "drained by an operator" in await typed(scheduler, "route", *pair)
        await typed(scheduler, "undrain", node.node_id)
        assert "chosen next" in await typed(scheduler, "route", *pair)
        await typed(scheduler, "close", client.ack["session_ref"])
        await client.hear("session_close_ack")


def test_what_is_not_done_is_one_line_and_status_1(scheduler: SchedulerProcess) -> None:
    address = f"localhost:{scheduler.port}"
    for argv, line in (
        (("job", "none"), "lingua: no such job, or not any more\n"),
        (("drain", "none"), "lingua: no such node, or not any more\n"),
        (("close", "none"), "lingua: no such session, or not any more\n"),
    ):
        done = run(*argv, "--url", address)
        assert (done.returncode, done.stderr, done.stdout) == (1, line, "")


def test_a_server_that_is_down_is_named_with_what_helps() -> None:
    for command in (["status"], ["nodes"], ["drain", "n"]):
        done = run(*command, "--url", "localhost:1")
        assert done.returncode == 1
        assert done.stderr == (
            "lingua: no scheduler answers at http://localhost:1 (Connection refused): "
            "start one, or name another with --url HOST:PORT\n"
        )


@pytest.mark.parametrize("address", ["ftp://host", "localhost:"])
def test_a_wrong_address_is_status_2(address: str) -> None:
    done = run("status", "--url", address)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "is no address of a scheduler; say HOST:PORT" in done.stderr


def test_the_token_comes_from_the_environment_or_a_file(
    guarded: SchedulerProcess, tmp_path: Path
) -> None:
    address = f"127.0.0.1:{guarded.port}"
    for command in ("status", "nodes"):
        refused = run(command, "--url", address)
        assert refused.returncode == 1
        assert "wants an operator's token: set LINGUA_ADMIN_TOKEN" in refused.stderr
        assert run(command, "--url", address, LINGUA_ADMIN_TOKEN="admin-sesame").returncode == 0
        file = tmp_path / "token"
        file.write_text("admin-sesame\n")
        assert run(command, "--url", address, "--token-file", str(file)).returncode == 0
        named = run(command, "--url", address, LINGUA_ADMIN_TOKEN_FILE=str(file))
        assert named.returncode == 0
        wrong = run(command, "--url", address, LINGUA_ADMIN_TOKEN="other")
        assert wrong.returncode == 1
        assert "other" not in wrong.stderr.replace("another", "")


_COMMANDS = (
    *("status", "nodes", "sessions", "jobs", "job", "route", "usage"),
    *("drain", "undrain", "close", "forget", "top"),
)


def test_every_command_has_help_of_one_style() -> None:
    shown = run("--help").stdout
    for name in _COMMANDS:
        assert f"  {name:<9}" in shown
        usage = run(name, "--help").stdout
        assert "--json" in usage
        assert "--url HOST:PORT" in usage


@over_sockets
async def test_the_slow_one_of_three_nodes_is_found_in_every_way(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        ability = Ability.of(pair, capacity=2)
        nodes = [
            await stack.enter_async_context(raw_node(scheduler.node_url, ability)) for _ in range(3)
        ]
        clients = [
            await stack.enter_async_context(raw_client(scheduler.session_url, *pair))
            for _ in range(6)
        ]

        async def serve(node: RawNode, seconds: float) -> None:
            while True:
                job = await node.job()
                await asyncio.sleep(seconds)
                await node.answer(job)

        delays = zip(nodes, (0.01, 0.02, 0.4), strict=True)
        serving = [group.create_task(serve(node, seconds)) for node, seconds in delays]
        for _ in range(5):
            for client in clients:
                await client.speak(tone(400))
            for client in clients:
                await client.result()
        slow = nodes[2].node_id
        listed = json.loads(await typed(scheduler, "nodes", "--json"))["nodes"]
        speeds = {one["node_id"]: one["ms_per_second"] for one in listed}
        others = [speeds[node.node_id] for node in nodes[:2]]
        assert speeds[slow] > 3 * max(others)
        shown = (await typed(scheduler, "nodes")).splitlines()
        assert shown[1].startswith(f"{slow}  online")
        figures = await asyncio.to_thread(scheduler.metrics)
        name = "lingua_node_seconds_per_speech_second"
        ratios = {node.node_id: figures[f'{name}{{node="{node.node_id}"}}'] for node in nodes}
        assert max(ratios, key=lambda node: ratios[node]) == slow
        report = await asyncio.to_thread(scheduler.get, f"/api/v1/nodes/{slow}")
        assert report.json["ms_per_second"] == speeds[slow]
        labels = f'{{outcome="completed",src_lang="{pair[0]}",tgt_lang="{pair[1]}"}}'
        assert figures[f"lingua_pair_jobs_total{labels}"] == 30
        assert figures['lingua_stage_seconds_count{stage="node"}'] >= 30
        for task in serving:
            task.cancel()


@over_sockets
async def test_how_long_people_wait_is_in_the_figures_while_they_wait(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    labels = f'{{src_lang="{pair[0]}",tgt_lang="{pair[1]}"}}'
    async with raw_client(scheduler.session_url, *pair) as client:
        await client.speak(tone(400))
        await client.hear("ui_event", event="QUEUED")
        await asyncio.sleep(0.2)
        figures = await asyncio.to_thread(scheduler.metrics)
        assert figures[f"lingua_queue_length{labels}"] == 1
        assert figures[f"lingua_queue_oldest_wait_seconds{labels}"] >= 0.2
        assert figures[f"lingua_slots_desired{labels}"] == 2
        async with raw_node(scheduler.node_url, Ability.of(pair, capacity=3)) as node:
            job = await node.job()
            await asyncio.sleep(1.1)
            figures = await asyncio.to_thread(scheduler.metrics)
            assert figures[f"lingua_queue_length{labels}"] == 0
            assert figures[f"lingua_slots_used{labels}"] == 1
            assert figures[f"lingua_slots_free{labels}"] == 2
            assert figures['lingua_nodes_by_state{state="online"}'] >= 1
            assert figures["lingua_store_up"] == 1
            await node.answer(job)
            await client.result()
