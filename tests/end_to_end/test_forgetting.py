"""What an operator has erased: sessions of any instance, and what dead ones left."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import redis

from tests.end_to_end.support.peers.operator import operator_at
from tests.end_to_end.support.peers.resuming_client import ResumingClient
from tests.end_to_end.support.processes.instances import Instances, running_instances
from tests.support.peers.raw_client import raw_client, tone
from tests.support.peers.raw_node import Ability, raw_node
from tests.support.peers.raw_wire import Pair, over_sockets
from tests.support.processes.scheduler_process import SchedulerProcess
from tests.support.waiting import until

pytestmark = pytest.mark.takes(12)


@pytest.fixture
def instances() -> Iterator[Instances]:
    with running_instances(2) as running:
        yield running


@asynccontextmanager
async def resuming_client(
    at: SchedulerProcess, pair: Pair, **fields: Any
) -> AsyncIterator[ResumingClient]:
    client = await ResumingClient(at.session_url).open()
    await client.init(*pair, **fields)
    yield client
    await client.aclose_all()


def kept(instances: Instances, text: str) -> list[str]:
    """Names of the keys in which a text stands, in whatever form."""
    with redis.Redis.from_url(instances.store_url, decode_responses=True) as store:
        read = {"stream": store.xrange, "hash": store.hgetall, "string": store.get}
        kinds = {name: store.type(name) for name in store.scan_iter()}
        return [
            name
            for name, kind in kinds.items()
            if kind in read and text in json.dumps(read[kind](name))
        ]


@over_sockets
async def test_all_of_a_tenant_is_erased_wherever_it_is(instances: Instances, pair: Pair) -> None:
    async with (
        operator_at(instances[1].port) as operator,
        raw_node(instances[1].node_url, Ability.of(pair, capacity=4)) as node,
        raw_client(instances[1].session_url, *pair, tenant_id="other") as neighbour,
        resuming_client(instances[0], pair, tenant_id="acme", hints=["Xylophon"]) as client,
        resuming_client(instances[1], pair, tenant_id="acme") as away,
    ):
        await away.aclose()
        await client.speak(tone(300))
        await node.answer(await node.job(), "sesamo")
        await client.hear("translation_result")
        assert kept(instances, "sesamo")
        assert kept(instances, "Xylophon")
        await client.speak(tone(400))
        open_job = await node.job()
        done = await operator.do("forget", tenant_id="acme")
        assert done["ok"]
        assert done["data"]["sessions_ended"] == 2
        assert done["data"]["is_complete"]
        assert (await client.hear("missing_result"))["reason"] == "session_closed"
        await client.hear("session_close_ack")
        assert (await node.hear("job_cancel"))["job_id"] == open_job["job_id"]
        await until(lambda: not kept(instances, "sesamo") and not kept(instances, "Xylophon"))
        await away.refused_resume()
        listed = (await operator.do("list_sessions"))["data"]["sessions"]
        assert [row["tenant_id"] for row in listed] == ["other"]
        await neighbour.speak(tone(300))
        await node.answer(await node.job())
        await neighbour.hear("translation_result")


@over_sockets
async def test_what_a_dead_instance_left_is_erased_and_nobody_comes_back(
    instances: Instances, pair: Pair
) -> None:
    async with (
        operator_at(instances[1].port) as operator,
        raw_node(instances[1].node_url, Ability.of(pair)) as node,
        resuming_client(instances[0], pair, tenant_id="acme") as client,
    ):
        await client.speak(tone(300))
        await node.answer(await node.job(), "sesamo")
        await client.hear("translation_result")
        instances[0].kill()
        with redis.Redis.from_url(instances.store_url) as store:
            await until(lambda: store.exists("lingua:v1:orphans"), "the reaper")
        done = await operator.do("forget", session_id=client.ack["session_ref"])
        assert (done["data"]["records_erased"], done["data"]["outcomes_erased"]) == (1, 1)
        assert not kept(instances, "sesamo")
        again = await operator.do("forget", session_id=client.ack["session_ref"])
        assert again["error"] == "no such session, or nothing of it is kept any more"
        client.url = instances[1].session_url
        await client.refused_resume()


@over_sockets
async def test_what_to_forget_is_named_once(instances: Instances, pair: Pair) -> None:
    del pair
    async with operator_at(instances[0].port) as operator:
        for fields in ({}, {"session_id": "0123456789abcdef", "tenant_id": "acme"}):
            done = await operator.do("forget", **fields)
            assert done["error"] == "name a session_id or a tenant_id, and not both"
        nobody = await operator.do("forget", tenant_id="nobody")
        assert (nobody["ok"], nobody["data"]["sessions_ended"]) == (True, 0)
