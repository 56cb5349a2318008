"""Who gets in, over real sockets: tokens and JWTs in every form, rotated in use, never shown."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.support.asking import ask, handshake
from tests.end_to_end.support.peers.resuming_client import ResumingClient
from tests.support.peers.raw_client import raw_client, session_init, tone
from tests.support.peers.raw_node import Ability, raw_node
from tests.support.peers.raw_wire import RawWire, over_sockets
from tests.support.processes.redis_server import real_server
from tests.support.processes.scheduler_process import ROOT, SchedulerProcess, running_scheduler
from tests.support.waiting import until

LOOPBACK_BY_ANOTHER_NAME = "127.1"
"""Resolves to 127.0.0.1, but is no loopback address to whoever judges settings."""
SECRET = "a secret that is long enough for HS256"
SECRETS = {
    "LINGUA_CLIENT_TOKENS": "acme:client-sesame,acme:client-second,other:client-other",
    "LINGUA_NODE_TOKENS": "gpu:node-sesame,gpu-2:node-second",
    "LINGUA_ADMIN_TOKEN": "admin-sesame",
    "LINGUA_JWT_SECRET": SECRET,
}


@pytest.fixture(scope="module")
def guarded() -> Iterator[SchedulerProcess]:
    """A scheduler as on a public address; its log holds everything that it could say."""
    flags = ("--host", LOOPBACK_BY_ANOTHER_NAME, "--log-level", "TRACE")
    with running_scheduler(*flags, env=SECRETS) as process:
        yield process


def status_of(scheduler: SchedulerProcess, path: str, token: str | None = None) -> int:
    return ask(scheduler, path, token).status


@over_sockets
async def test_each_form_opens_each_door(guarded: SchedulerProcess) -> None:
    for url, token in (
        (guarded.session_url, "client-sesame"),
        (guarded.session_url, "client-second"),
        (guarded.node_url, "node-sesame"),
    ):
        assert await handshake(url, Authorization=f"Bearer {token}") is None
        assert await handshake(f"{url}?token={token}") is None
        assert await handshake(url, protocol=f"bearer.{token}") == f"bearer.{token}"


@over_sockets
async def test_wrong_missing_and_foreign_tokens_are_401_before_the_upgrade(
    guarded: SchedulerProcess,
) -> None:
    for url, foreign in ((guarded.session_url, "node-sesame"), (guarded.node_url, "client-sesame")):
        assert await handshake(url) == 401
        for token in ("wrong", foreign, "admin-sesame", "x" * 6000):
            assert await handshake(url, Authorization=f"Bearer {token}") == 401
            assert await handshake(f"{url}?token={token}") == 401
            assert await handshake(url, protocol=f"bearer.{token}") == 401


@over_sockets
async def test_with_tokens_a_conversation_goes_as_ever(guarded: SchedulerProcess) -> None:
    async with (
        raw_node(
            f"{guarded.node_url}?token=node-sesame", Ability(asr=("a",), semantic=("b",))
        ) as n,
        raw_client(f"{guarded.session_url}?token=client-sesame", "a", "b") as client,
    ):
        await client.speak(tone(300))
        await n.answer(await n.job(), "words")
        assert (await client.result())["text_asr"] == "words"


@over_sockets
async def test_a_jwt_made_by_the_command_opens_a_session(guarded: SchedulerProcess) -> None:
    command = [sys.executable, "run.py", "token", "--tenant", "acme", "--minutes", "5"]
    made = await asyncio.to_thread(
        subprocess.run, command, cwd=ROOT, env={**os.environ, **SECRETS}, capture_output=True
    )
    token = made.stdout.decode().strip()
    assert (made.returncode, token.count(".")) == (0, 2)
    assert await handshake(guarded.session_url, protocol=f"bearer.{token}") == f"bearer.{token}"
    assert await handshake(f"{guarded.session_url}?token={token}") is None
    assert await handshake(guarded.node_url, Authorization=f"Bearer {token}") == 401
    assert await handshake(guarded.session_url, protocol=f"bearer.{token}x") == 401


@over_sockets
async def test_a_session_belongs_to_the_tenant_of_its_credential(guarded: SchedulerProcess) -> None:
    """What `tenant_id` says does not count: the right resume token is no use to another tenant."""

    def url(token: str) -> str:
        return f"{guarded.session_url}?token={token}"

    async with ResumingClient(url("client-sesame")) as client:
        await client.init("a", "b", tenant_id="other")
        token, session_id = client.ack["resume_token"], client.session_id
    again = {"resume": True, "session_id": session_id, "resume_token": token, "tenant_id": "acme"}
    async with RawWire(url("client-other")) as stranger:
        await stranger.say(session_init("a", "b", **again))
        assert (await stranger.hear("error"))["code"] == "INVALID_SESSION"
    async with RawWire(url("client-second")) as own:
        await own.say(session_init("a", "b", **again))
        assert (await own.hear("session_init_ack"))["resumed"] is True


def test_operators_need_their_token(guarded: SchedulerProcess) -> None:
    for path in ("/metrics", "/api/v1/stats", "/api/v1/cluster", "/%6detrics", "/nothing"):
        assert status_of(guarded, path) == 401
        assert status_of(guarded, path, "client-sesame") == 401
    assert status_of(guarded, "/metrics", "admin-sesame") == 200
    assert status_of(guarded, "/metrics?token=admin-sesame") == 200
    assert status_of(guarded, "/nothing", "admin-sesame") == 404
    assert status_of(guarded, "/health") == status_of(guarded, "/ready") == 200


def test_languages_and_messages_are_for_everybody(guarded: SchedulerProcess) -> None:
    assert status_of(guarded, "/api/v1/languages") == 200
    assert status_of(guarded, "/asyncapi.json") == 200
    assert status_of(guarded, "/api/v1/languages/") != 200


@over_sockets
async def test_a_node_may_see_its_own_report_alone(guarded: SchedulerProcess) -> None:
    ability = Ability(asr=("a",), semantic=("b",))
    async with raw_node(f"{guarded.node_url}?token=node-sesame", ability) as node:
        path = f"/api/v1/nodes/{node.node_id}"
        assert await asyncio.to_thread(status_of, guarded, path, "node-sesame") == 200
        assert await asyncio.to_thread(status_of, guarded, path, "node-second") == 401
        assert await asyncio.to_thread(status_of, guarded, path, "client-sesame") == 401
        assert await asyncio.to_thread(status_of, guarded, "/metrics", "node-sesame") == 401
        others = "/api/v1/nodes/node-other"
        assert await asyncio.to_thread(status_of, guarded, others, "node-sesame") == 401


@over_sockets
async def test_a_node_id_belongs_to_the_credential_that_registered_it(
    guarded: SchedulerProcess,
) -> None:
    ability = Ability(asr=("a",), semantic=("b",))
    async with raw_node(f"{guarded.node_url}?token=node-sesame", ability) as node:
        async with RawWire(f"{guarded.node_url}?token=node-second") as thief:
            await thief.say({**ability.registration(), "node_id": node.node_id})
            ack = await thief.hear("node_register_ack")
            assert ack["error"]["code"] == "NODE_ID_CONFLICT"
        assert node.is_open


def test_every_answer_tells_browsers_to_be_careful(guarded: SchedulerProcess) -> None:
    for path in ("/health", "/metrics", "/nothing", "/ws/session"):
        answer = ask(guarded, path)
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
        assert "unsafe-inline" not in answer.headers["Content-Security-Policy"]


@over_sockets
async def test_no_log_and_no_metric_ever_shows_a_credential(guarded: SchedulerProcess) -> None:
    for url in (guarded.session_url, guarded.node_url):
        for token in ("client-sesame", "node-sesame", "admin-sesame", "client-wrong", "client-a/b"):
            await handshake(url, Authorization=f"Bearer {token}")
            await handshake(f"{url}?token={token}")
            if "/" not in token:
                await handshake(url, protocol=f"bearer.{token}")
    figures = (await asyncio.to_thread(ask, guarded, "/metrics", "admin-sesame")).body
    assert 'lingua_access_denied_total{door="client",reason="wrong_token"}' in figures
    log = guarded.log()
    assert len(log) > 1000
    for secret in ("client-", "node-sesame", "node-second", "admin-sesame", "bearer.", SECRET):
        assert secret not in log
        assert secret not in figures
        assert secret not in guarded.output


# ---- other settings -------------------------------------------------------------------------


def ended(*flags: str, env: dict[str, str] | None = None) -> str:
    """Start a scheduler that cannot; return its only line."""
    process = SchedulerProcess("--port", "0", *flags, env=env)
    try:
        assert process.wait() == 2
        return process.log()
    finally:
        process.kill()
        process.close()


def test_a_public_address_without_credentials_is_refused_at_the_start() -> None:
    line = ended("--host", LOOPBACK_BY_ANOTHER_NAME)
    assert "allow_anonymous must name clients and nodes" in line
    assert len(line.splitlines()) == 1


def test_on_a_public_address_operators_are_shut_out_until_there_is_a_token() -> None:
    flags = ("--host", LOOPBACK_BY_ANOTHER_NAME, "--allow-anonymous", "clients,nodes")
    with running_scheduler(*flags) as scheduler:
        assert "shut out: set LINGUA_ADMIN_TOKEN" in scheduler.output
        assert "/metrics, /api/v1 and /dashboard are shut" in scheduler.log()
        for path in ("/metrics", "/api/v1/stats", "/dashboard"):
            assert status_of(scheduler, path) == status_of(scheduler, path, "any") == 403
        assert status_of(scheduler, "/health") == 200


def test_a_secret_in_a_flag_is_warned_of_and_not_shown() -> None:
    with running_scheduler("--node-tokens", "gpu:node-sesame") as scheduler:
        assert "a secret in a flag is seen in the list of processes" in scheduler.log()
        assert "LINGUA_NODE_TOKENS" in scheduler.log()
        assert "sesame" not in scheduler.log()


@pytest.mark.parametrize("workers", [1, 2])
@over_sockets
async def test_tokens_in_a_file_are_rotated_without_a_restart(tmp_path: Path, workers: int) -> None:
    path = tmp_path / "clients"
    path.write_text("acme:old\n", encoding="utf-8")
    flags = ("--client-tokens-file", str(path), "--workers", str(workers))
    with running_scheduler(*flags) as scheduler:

        async def gets_in(token: str) -> bool:
            """Ask often enough to meet every worker."""
            url = f"{scheduler.session_url}?token={token}"
            found = [await handshake(url) for _ in range(8 * workers)]
            return all(one is None for one in found)

        async def after(text: str, accepted: str) -> None:
            path.write_text(text, encoding="utf-8")
            await until(lambda: gets_in(accepted), "the new token")

        assert await gets_in("old")
        await after("acme:old\nacme:new\n", "new")
        assert await gets_in("old")
        await after("acme:new\nacme:third\n", "third")
        assert await handshake(f"{scheduler.session_url}?token=old") == 401
        scheduler.process.send_signal(signal.SIGHUP)
        await asyncio.to_thread(scheduler.wait_for_log, "read again", 3 * workers)
        assert await gets_in("new")


@over_sockets
async def test_a_node_id_belongs_to_its_credential_on_every_instance() -> None:
    """Who has another token gets neither the id nor the jobs, wherever it connects."""
    ability = Ability(asr=("a",), semantic=("b",), node_id="node-of-gpu")
    url = "/ws/node?token="
    with (
        real_server() as store,
        running_scheduler("--redis-url", store, env=SECRETS) as one,
        running_scheduler("--redis-url", store, env=SECRETS) as two,
    ):

        def at(scheduler: SchedulerProcess, token: str) -> str:
            return f"ws://127.0.0.1:{scheduler.port}{url}{token}"

        async with (
            raw_node(at(one, "node-sesame"), ability) as node,
            RawWire(at(two, "node-second")) as thief,
            raw_client(f"{two.session_url}?token=client-sesame", "a", "b") as client,
        ):
            await thief.say(ability.registration())
            ack = await thief.hear("node_register_ack")
            assert (ack["status"], ack["error"]["code"]) == ("refused", "NODE_ID_IN_USE")
            await client.speak(tone(300))
            await node.answer(await node.job())
            await client.result()
            assert not thief.all_heard("job_assign")
        async with raw_node(at(two, "node-second"), ability) as later:
            assert later.node_id == "node-of-gpu", "an id is free once its node has left"
