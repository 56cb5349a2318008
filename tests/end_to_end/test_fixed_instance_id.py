"""Processes with one id: the second living one does not start, a successor starts afresh."""

import asyncio
from collections.abc import Iterator

import pytest

from tests.end_to_end.support.processes.redis_tap import RedisEyes
from tests.support.peers.raw_client import RawClient
from tests.support.processes.redis_server import real_server
from tests.support.processes.scheduler_process import SchedulerProcess, running_scheduler
from tests.support.waiting import wait_until

pytestmark = pytest.mark.takes(12)


@pytest.fixture
def flags() -> Iterator[tuple[str, ...]]:
    with real_server() as url:
        yield "--port", "0", "--redis-url", url, "--instance-id", "one"


def test_the_second_living_process_with_an_id_is_refused_in_one_line(
    flags: tuple[str, ...],
) -> None:
    with running_scheduler(*flags) as first:
        second = SchedulerProcess(*flags)
        try:
            assert second.wait() == 2
            lines = second.log().strip().splitlines()
            assert len(lines) == 1, lines
            assert "instance_id: one is in use by another process" in lines[0]
        finally:
            second.close()
        assert first.get("/ready").status == 200


def test_after_a_kill_the_sessions_of_the_former_process_end(flags: tuple[str, ...]) -> None:
    eyes = RedisEyes(flags[3])
    killed = SchedulerProcess(*flags)

    async def open_a_session() -> None:
        client = await RawClient(killed.session_url).open()
        await client.init("en", "es")
        await asyncio.to_thread(wait_until, lambda: eyes.ask("ZCARD", SESSIONS) == 1)
        killed.kill()
        await client.aclose()

    asyncio.run(open_a_session())
    killed.close()
    with running_scheduler(*flags) as successor:
        assert successor.get("/ready").status == 200
        assert eyes.ask("ZCARD", SESSIONS) == 0
    eyes.close()


SESSIONS = "lingua:v1:inst:one:sessions"
