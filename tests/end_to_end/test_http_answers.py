"""What an operator can ask by HTTP."""

import asyncio
import re
import time
import urllib.request
from typing import Any

import pytest

from tests.support.peers.raw_client import raw_client, tone
from tests.support.peers.raw_node import Ability, raw_node
from tests.support.peers.raw_wire import Pair, over_sockets
from tests.support.processes.scheduler_process import SchedulerProcess


def test_it_is_ready_in_time_and_says_where(scheduler: SchedulerProcess) -> None:
    assert scheduler.start_seconds < 5
    assert f"ws://127.0.0.1:{scheduler.port}/ws/node" in scheduler.output
    assert "store" in scheduler.output


def test_health_is_the_word_ok(scheduler: SchedulerProcess) -> None:
    answer = scheduler.get("/health")
    assert (answer.status, answer.body) == (200, "OK")


def test_ready_says_why(scheduler: SchedulerProcess) -> None:
    answer = scheduler.get("/ready")
    assert answer.status == 200
    assert answer.content_type.startswith("application/json")
    assert answer.json["ready"] is True


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/api/v1/jobs/",
        "/api/v1/jobs/job-none",
        "/api/v1/jobs/%00%ff",
        "/api/v1/jobs/job-none/more",
        "/api/v1/nodes/node-none",
        "/api/v2/stats",
        "/metrics/",
        "//health",
    ],
)
def test_what_is_not_there_is_404_in_json(scheduler: SchedulerProcess, path: str) -> None:
    answer = scheduler.get(path)
    assert answer.status == 404
    assert answer.json["error"]


@pytest.mark.parametrize("path", ["/api/v1/stats", "/api/v1/cluster"])
def test_the_api_speaks_json(scheduler: SchedulerProcess, path: str) -> None:
    answer = scheduler.get(path)
    assert answer.status == 200
    assert isinstance(answer.json, dict)


def test_metrics_are_prometheus_text_with_every_figure(scheduler: SchedulerProcess) -> None:
    answer = scheduler.get("/metrics")
    assert answer.content_type.startswith("text/plain")
    labels = r'\{(\w+="([^"\\]|\\.)*",?)*\}'  # whatever a tenant calls itself
    figure = rf"\w+({labels})? ([-+]?[\d.eE+-]+|NaN|\+Inf)"
    line = re.compile(rf"^(# (HELP|TYPE) \S+ .+|{figure})$")
    wrong = [text for text in answer.body.splitlines() if not line.match(text)]
    assert not wrong
    figures = scheduler.metrics()
    for name in (
        "lingua_sessions",
        "lingua_nodes",
        "lingua_open_slots",
        "lingua_audio_bytes_held",
        "lingua_loop_lag_seconds",
        "lingua_store_round_trips_total",
        "lingua_store_seconds_count",
    ):
        assert name in figures, name
    assert any(name.startswith("lingua_mailbox_depth{") for name in figures)
    assert any(name.startswith("lingua_scripts_total{") for name in figures)


@over_sockets
async def test_figures_follow_what_happens(scheduler: SchedulerProcess, pair: Pair) -> None:
    def figures() -> dict[str, float]:
        return scheduler.metrics()

    before = await asyncio.to_thread(figures)
    async with (
        raw_node(scheduler.node_url, Ability.of(pair)) as node,
        raw_client(scheduler.session_url, *pair) as client,
    ):
        await client.speak(tone(500))
        job = await node.job()
        during = await asyncio.to_thread(figures)
        assert during["lingua_sessions"] == before["lingua_sessions"] + 1
        assert during["lingua_nodes"] == before["lingua_nodes"] + 1
        assert during["lingua_open_slots"] == 1
        assert during["lingua_audio_bytes_held"] == len(tone(500))
        await node.answer(job)
        await client.result()
        after = await asyncio.to_thread(figures)
        assert after["lingua_open_slots"] == 0
        assert after["lingua_audio_bytes_held"] == 0
        done = 'lingua_jobs_total{outcome="completed"}'
        assert after[done] == before.get(done, 0) + 1
        for script in ("dispatch_task", "complete_task"):
            name = f'lingua_scripts_total{{script="{script}"}}'
            assert after[name] == before.get(name, 0) + 1


@over_sockets
async def test_a_job_can_be_followed_by_its_timeline(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    began_ms = time.time() * 1000
    async with raw_client(scheduler.session_url, *pair) as client:
        await client.speak(tone(300))
        event = await client.hear("ui_event", event="QUEUED")
        path = f"/api/v1/jobs/{event['job_id']}"
        waiting = (await asyncio.to_thread(scheduler.get, path)).json
        assert (waiting["state"], waiting["attempt"]) == ("queued", 1)
        ability = Ability.of(pair)
        async with raw_node(scheduler.node_url, ability) as node:
            job = await node.job()
            running = (await asyncio.to_thread(scheduler.get, path)).json
            assert (running["state"], running["node"]) == ("assigned", node.node_id)
            await node.answer(job)
            await client.result()
        record = (await asyncio.to_thread(scheduler.get, path)).json
        assert record["state"] == "done"
        assert record["session_ref"] == client.ack["session_ref"]
        assert record["index"] == 0
        assert record["language"] == pair[1]
        moments = [moment["at_ms"] for moment in record["timeline"]]
        assert moments == sorted(moments)
        assert began_ms - 5000 < moments[0] <= moments[-1] < time.time() * 1000 + 5000
        assert len(moments) >= 4


@over_sockets
async def test_a_node_says_why_it_is_not_chosen(scheduler: SchedulerProcess, pair: Pair) -> None:
    ability = Ability.of(pair, capacity=1)
    async with (
        raw_node(scheduler.node_url, ability) as node,
        raw_client(scheduler.session_url, *pair) as client,
    ):
        path = f"/api/v1/nodes/{node.node_id}"
        free = (await asyncio.to_thread(scheduler.get, path)).json
        assert free["state"] == "online"
        assert (free["load"], free["speed"]) == (0, None)
        assert free["errors"] == {"recent": 0, "of": 0}
        assert free["languages"] == {"asr": [pair[0]], "semantic": [pair[1]], "tts": []}
        assert free["why_not_chosen"] == []
        await client.speak(tone(300))
        job = await node.job()
        full = (await asyncio.to_thread(scheduler.get, path)).json
        assert full["slots"] == {"used": 1, "max": 1}
        assert len(full["why_not_chosen"]) == 1
        await node.answer(job)
        await client.result()


def test_head_is_get_without_a_body(scheduler: SchedulerProcess) -> None:
    request = urllib.request.Request(f"http://127.0.0.1:{scheduler.port}/health", method="HEAD")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=5) as reply:
        assert reply.status == 200
        assert reply.headers["Content-Length"] == "2"
        assert reply.read() == b""


@over_sockets
async def test_jobs_are_listed_by_state_in_pages(scheduler: SchedulerProcess, pair: Pair) -> None:
    async def page(query: str) -> dict[str, Any]:
        answer = await asyncio.to_thread(scheduler.get, f"/api/v1/jobs?{query}")
        assert answer.status == 200
        found: dict[str, Any] = answer.json
        return found

    async with raw_client(scheduler.session_url, *pair) as client:
        for number in range(3):
            await client.speak(tone(300 + number))
            await client.hear("ui_event", event="QUEUED")
        first = await page("state=queued&limit=2")
        assert len(first["jobs"]) == 2
        assert first["next_offset"] == 2
        rest = await page("state=queued&limit=100&offset=2")
        assert rest["next_offset"] is None
        listed = [*first["jobs"], *rest["jobs"]]
        own = [one for one in listed if one["src_lang"] == pair[0]]
        assert [one["index"] for one in own] == [2, 1, 0]
        assert {one["session_ref"] for one in own} == {client.ack["session_ref"]}
        assert client.session_id not in str(listed)
        assert [one["job_id"] for one in (await page("limit=3"))["jobs"]] == [
            one["job_id"] for one in listed[:3]
        ]
        answer = await asyncio.to_thread(
            scheduler.get, f"/api/v1/route?src={pair[0]}&tgt={pair[1]}"
        )
        route = answer.json
        assert route["waiting"]["jobs"] == 3
        assert route["waiting"]["oldest_wait_ms"] > 0
        assert route["summary"] == "no node that is connected serves this pair"
        async with raw_node(scheduler.node_url, Ability.of(pair)) as node:
            for _ in range(3):
                await node.answer(await node.job())
                await client.result()
