"""What an operator finds out and does from the command line, as a user would type it."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.peers.raw_client import raw_client, tone
from tests.support.peers.raw_node import Ability, raw_node
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


def test_a_wrong_address_is_status_2() -> None:
    done = run("status", "--url", "ftp://host")
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


def test_every_command_has_help_of_one_style() -> None:
    shown = run("--help").stdout
    for name in ("status", "nodes", "sessions", "jobs", "job", "route", "drain", "undrain", "top"):
        assert f"  {name:<9}" in shown
        usage = run(name, "--help").stdout
        assert "--json" in usage
        assert "--url HOST:PORT" in usage
