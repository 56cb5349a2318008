"""Clocks of clients and nodes are wrong more often than one thinks; no words are lost for that."""

import json
import time

import pytest

from tests.support.peers.raw_client import b64, raw_client, tone
from tests.support.peers.raw_node import Ability, audio_of, raw_node
from tests.support.peers.raw_wire import Message, Pair, over_sockets
from tests.support.processes.scheduler_process import SchedulerProcess

HOUR_MS = 3_600_000


def now_ms() -> int:
    return int(time.time() * 1000)


@pytest.mark.parametrize(
    "clock",
    [
        *("1e300", "-1e300", "NaN", "Infinity", "0", "1970", "-5", "10413792000000"),
        *('"now"', "true", "[1]", "{}", "null", "12345678901234567890123", "1.5"),
    ],
)
@over_sockets
async def test_a_chunk_of_a_client_whose_clock_is_wrong_counts(
    scheduler: SchedulerProcess, pair: Pair, clock: str
) -> None:
    async with (
        raw_node(scheduler.node_url, Ability.of(pair)) as node,
        raw_client(scheduler.session_url, *pair) as client,
    ):
        chunk = client.own("audio_chunk", seq=0, is_final=False, payload=b64(tone(300)))
        await client.say_raw(f'{json.dumps(chunk)[:-1]}, "client_timestamp_ms": {clock}}}')
        beat = json.dumps(client.own("client_heartbeat"))[:-1]
        await client.say_raw(f'{beat}, "timestamp": {clock}}}')
        await client.hear("server_heartbeat")
        for kind, field in (("tts_started", "ts_start_ms"), ("tts_play_ended", "ts_end_ms")):
            played = json.dumps(client.own(kind, trace_id="t", group_id="g"))[:-1]
            await client.say_raw(f'{played}, "{field}": {clock}}}')
        client.seq = 1
        await client.final()
        job = await node.job()
        assert audio_of(job) == tone(300)
        await node.answer(job)
        assert "web_to_scheduler_ms" not in (await client.result())["network_timings"]
        assert not client.all_heard("error")


@pytest.mark.parametrize(("ahead_ms", "shown"), [(HOUR_MS, 0), (-HOUR_MS, 0), (-5, 1)])
@over_sockets
async def test_a_time_on_the_way_that_cannot_be_is_left_out(
    scheduler: SchedulerProcess, pair: Pair, ahead_ms: int, shown: int
) -> None:
    async with (
        raw_node(scheduler.node_url, Ability.of(pair), answering=True),
        raw_client(scheduler.session_url, *pair) as client,
    ):
        said: Message = {"seq": 0, "is_final": True, "payload": b64(tone(300))}
        at_ms = now_ms() + ahead_ms
        await client.say(client.own("audio_chunk", client_timestamp_ms=at_ms, **said))
        timings = (await client.result())["network_timings"]
        assert list(timings) == ["web_to_scheduler_ms"][:shown]


@over_sockets
async def test_stages_of_a_node_that_lasted_less_than_nothing_or_for_hours_are_left_out(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with (
        raw_node(scheduler.node_url, Ability.of(pair)) as node,
        raw_client(scheduler.session_url, *pair) as client,
    ):
        stages = {"asr_ms": -3, "nmt_ms": 40, "tts_ms": 1e12}
        for total_ms, extra, expected in (
            (-1.0, {}, {}),
            (10.0 * HOUR_MS, {}, {}),
            (120, {}, {"total_ms": 120}),
            (-7, {"service_timings": stages}, {"nmt_ms": 40}),
        ):
            await client.speak(tone(300))
            job = await node.job()
            await node.answer(job, processing_time_ms=total_ms, extra=extra)
            assert (await client.result())["service_timings"] == expected
