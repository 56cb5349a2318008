"""What an operator sees and does on `/ws/admin`: of sessions, nodes and jobs of any instance."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.end_to_end.support.asking import handshake
from tests.end_to_end.support.peers.operator import operator_at
from tests.end_to_end.support.processes.instances import Instances, running_instances
from tests.support.peers.raw_client import raw_client, tone
from tests.support.peers.raw_node import Ability, raw_node
from tests.support.peers.raw_wire import Pair, over_sockets
from tests.support.processes.scheduler_process import SchedulerProcess, running_scheduler
from tests.support.waiting import until

pytestmark = pytest.mark.takes(12)

TOKENS = {
    "LINGUA_ADMIN_TOKEN": "admin-sesame",
    "LINGUA_NODE_TOKENS": "gpu:node-sesame,gpu-2:node-second",
}


@pytest.fixture(scope="module")
def instances() -> Iterator[Instances]:
    """What concerns one of them is asked of the other."""
    with running_instances(2, "--close-flush-ms", "300") as running:
        yield running
        for process in running.processes:
            process.wait_until_idle()


@pytest.fixture(scope="module")
def guarded() -> Iterator[SchedulerProcess]:
    """A scheduler with tokens for operators and nodes."""
    with running_scheduler(env=TOKENS) as process:
        yield process


@over_sockets
async def test_the_live_view_shows_what_waits_and_why(instances: Instances, pair: Pair) -> None:
    async with (
        operator_at(instances[1].port) as operator,
        raw_node(instances[0].node_url, Ability.of(pair, capacity=1)) as node,
        raw_client(instances[0].session_url, *pair) as client,
    ):
        for number in range(2):
            await client.speak(tone(300 + number))
        job = await node.job()
        await client.hear("ui_event", event="QUEUED")
        assert (await operator.do("subscribe"))["ok"]
        update = await operator.update()
        [row] = [one for one in update["stats"]["pairs"] if one["src_lang"] == pair[0]]
        assert (row["nodes"], row["free_slots"], row["waiting_jobs"]) == (1, 0, 1)
        assert row["oldest_wait_ms"] > 0
        [shown] = [one for one in update["cluster"]["nodes"] if one["node_id"] == node.node_id]
        assert shown["why_not_chosen"] == ["no free slot"]
        assert update["cluster"]["online_instances"] == 2
        await node.answer(job)
        await node.answer(await node.job())
        for _ in range(2):
            await client.result()
        later = await operator.update()
        assert later["at_ms"] > update["at_ms"]


@over_sockets
async def test_a_node_of_another_instance_is_drained_and_comes_back(
    instances: Instances, pair: Pair
) -> None:
    ability = Ability.of(pair)
    async with (
        operator_at(instances[1].port) as operator,
        raw_client(instances[0].session_url, *pair) as client,
    ):
        async with raw_node(instances[0].node_url, ability) as node:
            await client.speak(tone(300))
            job = await node.job()
            assert (await operator.do("drain_node", node_id=node.node_id))["ok"]
            assert (await node.hear("node_control"))["command"] == "drain"
            await client.speak(tone(400))
            await client.hear("ui_event", event="QUEUED")
            await node.answer(job, "finished")
            assert (await client.result())["text_asr"] == "finished"
        same = replace(ability, node_id=node.node_id)
        assert (await operator.do("undrain_node", node_id=node.node_id))["ok"], "off-line, too"
        assert (await operator.do("drain_node", node_id=node.node_id))["ok"]
        async with raw_node(instances[1].node_url, same) as again:
            assert (await again.hear("node_control"))["command"] == "drain"
            assert (await operator.do("undrain_node", node_id=node.node_id))["ok"]
            assert (await again.hear("node_control"))["command"] == "undrain"
            await again.answer(await again.job(), "as ever")
            assert (await client.result())["text_asr"] == "as ever"


@over_sockets
async def test_a_job_of_another_instance_is_cancelled(instances: Instances, pair: Pair) -> None:
    async with (
        operator_at(instances[1].port) as operator,
        raw_node(instances[1].node_url, Ability.of(pair)) as node,
        raw_client(instances[0].session_url, *pair) as client,
    ):
        await client.speak(tone(300))
        job = await node.job()
        listed = (await operator.do("list_jobs"))["data"]["jobs"]
        [shown] = [one for one in listed if one["src_lang"] == pair[0]]
        assert (shown["node"], shown["tgt_lang"]) == (node.node_id, pair[1])
        assert shown["session_ref"] == client.ack["session_ref"]
        assert (await operator.do("cancel_job", job_id=shown["job_id"]))["ok"]
        assert (await client.hear("missing_result"))["reason"] == "cancelled"
        assert (await node.hear("job_cancel"))["job_id"] == job["job_id"]
        again = await operator.do("cancel_job", job_id=shown["job_id"])
        assert again["error"] == "the job is over: cancelled"


@over_sockets
async def test_a_session_of_another_instance_is_listed_and_closed(
    instances: Instances, pair: Pair
) -> None:
    async with (
        operator_at(instances[1].port) as operator,
        raw_client(instances[0].session_url, *pair) as client,
    ):
        listed = (await operator.do("list_sessions"))["data"]
        assert listed["is_complete"]
        assert listed["silent_instances"] == []
        [row] = [one for one in listed["sessions"] if one["src_lang"] == pair[0]]
        assert row["session_ref"] == client.ack["session_ref"]
        assert (row["state"], row["instance_id"]) == ("active", "a")
        assert client.session_id not in str(listed)
        assert (await operator.do("close_session", session_id=row["session_ref"]))["ok"]
        await client.hear("session_close_ack")
        answer = await operator.do("close_session", session_id=row["session_ref"])
        assert answer["error"] == "no such session, or not any more"


@over_sockets
async def test_a_nodes_speed_is_known_where_none_of_its_sessions_are(
    instances: Instances, pair: Pair
) -> None:
    async with (
        operator_at(instances[1].port) as operator,
        raw_node(instances[1].node_url, Ability.of(pair)) as node,
        raw_client(instances[0].session_url, *pair) as client,
    ):
        for _ in range(5):
            await client.speak(tone(500))
            await node.answer(await node.job())
            await client.result()

        async def is_known() -> bool:
            listed = (await operator.do("list_nodes"))["data"]["nodes"]
            [shown] = [one for one in listed if one["node_id"] == node.node_id]
            return (shown["recent_jobs"], shown["ms_per_second"] is None) == (5, False)

        await until(is_known, "the speed")


@over_sockets
async def test_a_command_that_is_none_is_answered(instances: Instances) -> None:
    async with operator_at(instances[0].port) as operator:
        assert (await operator.do("drain_node"))["error"] == "drain_node.node_id is missing"
        assert (await operator.do("drain_node", node_id="none"))["ok"] is False
        assert "state is one of" in (await operator.do("list_jobs", state="lost"))["error"]
        assert (await operator.do("dance"))["ok"] is False
        await operator.socket.send("no JSON")
        assert (await operator.hear())["type"] == "error"
        assert (await operator.do("list_jobs", state="failed"))["ok"]


@over_sockets
async def test_a_hundred_dashboards_cost_the_store_what_one_does(instances: Instances) -> None:
    counter = 'lingua_scripts_total{script="list_waiting"}'

    def surveys() -> float:
        return instances[0].metrics().get(counter, 0.0)

    async with asyncio.TaskGroup() as group:

        async def look() -> None:
            async with operator_at(instances[0].port) as operator:
                await operator.do("subscribe")
                for _ in range(3):
                    await operator.update()

        before = surveys()
        for _ in range(100):
            group.create_task(look())
    assert surveys() - before <= 8
    settled = surveys()
    await asyncio.sleep(1.5)
    assert surveys() - settled <= 1


@over_sockets
async def test_only_operators_get_in_and_owners_of_nodes_see_their_own(
    guarded: SchedulerProcess,
) -> None:
    url = f"ws://127.0.0.1:{guarded.port}/ws/admin"
    assert await handshake(url) == 401
    assert await handshake(url, Authorization="Bearer wrong") == 401
    assert await handshake(url, Authorization="Bearer admin-sesame") is None
    assert await handshake(url, protocol="bearer.admin-sesame") == "bearer.admin-sesame"
    for token, status in (("admin-sesame", 403), ("node-sesame", 401)):
        bearer, page = f"Bearer {token}", "http://elsewhere.example"
        assert await handshake(url, Authorization=bearer, Origin=page) == status
    ability = Ability(asr=("a",), semantic=("b",))
    async with (
        raw_node(f"{guarded.node_url}?token=node-sesame", ability) as own,
        raw_node(f"{guarded.node_url}?token=node-second", ability),
        operator_at(guarded.port, "node-sesame") as owner,
    ):
        listed = (await owner.do("list_nodes"))["data"]["nodes"]
        assert [one["node_id"] for one in listed] == [own.node_id]
        await owner.do("subscribe")
        update = await owner.update()
        assert [one["node_id"] for one in update["cluster"]["nodes"]] == [own.node_id]
        for kind, fields in (
            ("drain_node", {"node_id": own.node_id}),
            ("list_sessions", {}),
            ("list_jobs", {}),
        ):
            assert (await owner.do(kind, **fields))["error"] == "only operators may do that"


@over_sockets
async def test_what_a_tenant_uses_is_the_same_on_every_instance(
    instances: Instances, pair: Pair
) -> None:
    tenant = f"tenant-{pair[0]}"
    async with (
        raw_node(instances[0].node_url, Ability.of(pair, capacity=4)) as node,
        raw_client(instances[0].session_url, *pair, tenant_id=tenant) as first,
        raw_client(instances[1].session_url, *pair, tenant_id=tenant) as second,
    ):
        for client in (first, second):
            await client.speak(tone(1500))
            await node.answer(await node.job())
            await client.hear("translation_result")
        expected = {"tenant_id": tenant, "sessions": 2, "audio_seconds": 3.0, "jobs": 2}

        def seen() -> list[list[dict[str, object]]]:
            reports = [process.get("/api/v1/usage").json for process in instances.processes]
            tenants = [report["tenants"] for report in reports]
            return [[row for row in rows if row["tenant_id"] == tenant] for rows in tenants]

        await until(lambda: seen() == [[expected]] * 2, "the usage of both instances")
        wrong = instances[0].get("/api/v1/usage?month=2026-13")
        assert (wrong.status, "month is" in wrong.json["message"]) == (400, True)
        label = f'{{tenant="{tenant}"}}'
        assert instances[0].metrics()[f"lingua_usage_audio_seconds_total{label}"] == 1.5
