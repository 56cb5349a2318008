"""A socket ends with the credential it came in with, over real sockets."""

import time
from datetime import timedelta
from pathlib import Path

from gateway.access.jwt_verifier import JwtRules, mint
from tests.support.peers.raw_client import session_init
from tests.support.peers.raw_wire import RawWire, over_sockets
from tests.support.processes.scheduler_process import running_scheduler

SECRET = "a secret that is long enough for HS256"


@over_sockets
async def test_who_is_taken_from_the_file_is_sent_away_and_the_others_stay(tmp_path: Path) -> None:
    path = tmp_path / "nodes"
    path.write_text("gone:one\nkept:two\n", encoding="utf-8")
    with running_scheduler("--node-tokens-file", str(path)) as scheduler:
        async with (
            RawWire(f"{scheduler.node_url}?token=one") as gone,
            RawWire(f"{scheduler.node_url}?token=two") as kept,
        ):
            path.write_text("kept:two\nnew:three\n", encoding="utf-8")
            assert await gone.close_code() == 1008
            assert kept.is_open


@over_sockets
async def test_a_jwt_counts_until_its_end_and_its_session_may_be_resumed_with_another() -> None:
    env = {"LINGUA_JWT_SECRET": SECRET, "LINGUA_JWT_LEEWAY_SECONDS": "0"}

    def token(seconds: float) -> str:
        return mint(SECRET, "acme", timedelta(seconds=seconds), JwtRules())

    with running_scheduler(env=env) as scheduler:
        began_s = time.time()
        async with RawWire(f"{scheduler.session_url}?token={token(3)}") as wire:
            await wire.say({**session_init("en", "es"), "resume": True})
            ack = await wire.hear("session_init_ack")
            assert await wire.close_code() == 1008
            assert time.time() - began_s >= 2
        async with RawWire(f"{scheduler.session_url}?token={token(60)}") as wire:
            again = {"session_id": ack["session_id"], "resume_token": ack["resume_token"]}
            await wire.say({**session_init("en", "es"), "resume": True, **again})
            assert (await wire.hear("session_init_ack"))["resumed"] is True
