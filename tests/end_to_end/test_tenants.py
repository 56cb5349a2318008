"""Tenants that share a node, over real sockets and on two instances."""

import asyncio
from collections import Counter
from contextlib import AsyncExitStack

from tests.end_to_end.support.peers.operator import operator_at
from tests.support.peers.raw_client import raw_client, tone
from tests.support.peers.raw_node import Ability, raw_node
from tests.support.peers.raw_wire import RawWire, over_sockets
from tests.support.processes.redis_server import real_server
from tests.support.processes.scheduler_process import SchedulerProcess, running_scheduler

ENV = {
    "LINGUA_CLIENT_TOKENS": "loud:token-1,calm:token-2,bounded:token-3",
    "LINGUA_TENANTS": "bounded:slots=1,sessions=2",
}
ONE_SLOT = Ability(asr=("en",), semantic=("es",), capacity=1)
TWO_SLOTS = Ability(asr=("en",), semantic=("es",), capacity=2)


@over_sockets
async def test_a_tenant_of_another_instance_is_served_beside_one_that_floods() -> None:
    with (
        real_server() as store,
        running_scheduler("--redis-url", store, env=ENV) as one,
        running_scheduler("--redis-url", store, env=ENV) as two,
    ):
        async with (
            raw_node(one.node_url, ONE_SLOT) as node,
            AsyncExitStack() as flood,
            raw_client(f"{two.session_url}?token=token-2", "en", "es") as calm,
        ):
            for _ in range(6):
                loud = raw_client(f"{one.session_url}?token=token-1", "en", "es")
                await (await flood.enter_async_context(loud)).speak(tone(300))
            first = await node.job()
            await asyncio.sleep(0.3)  # what is not yet in the store cannot be compared
            await calm.speak(tone(300))
            await asyncio.sleep(0.3)
            await node.answer(first)
            for _ in range(2):
                await node.answer(await node.job())
            await calm.result()
            for _ in range(4):
                await node.answer(await node.job())


@over_sockets
async def test_a_tenant_has_no_more_slots_and_sessions_than_it_may() -> None:
    with running_scheduler(env=ENV) as scheduler:
        url = f"{scheduler.session_url}?token=token-3"
        async with (
            raw_node(scheduler.node_url, TWO_SLOTS) as node,
            raw_client(url, "en", "es") as one,
            raw_client(url, "en", "es") as two,
        ):
            await one.speak(tone(300))
            job = await node.job()
            await two.speak(tone(300))
            await two.hear("ui_event", event="QUEUED")
            assert not node.unread("job_assign")
            await node.answer(job)
            await node.answer(await node.job())
            await two.result()
            async with RawWire(url) as third:
                await third.say({"type": "session_init", **_INIT})
                assert await third.close_code() == 1013


@over_sockets
async def test_who_shows_no_credential_does_not_take_the_sessions_of_a_tenant_that_has_one() -> (
    None
):
    """Its own word for its tenant counts only where nobody can prove theirs."""
    strangers = ENV | {"LINGUA_ALLOW_ANONYMOUS": "clients"}
    with running_scheduler(env=strangers) as scheduler:
        async with AsyncExitStack() as stack:
            for _ in range(4):
                claims = raw_client(scheduler.session_url, "en", "es", tenant_id="bounded")
                await stack.enter_async_context(claims)
            for _ in range(2):
                proves = raw_client(f"{scheduler.session_url}?token=token-3", "en", "es")
                await stack.enter_async_context(proves)
            assert await tenants_of(scheduler) == Counter(default=4, bounded=2)
    with running_scheduler(env={"LINGUA_TENANTS": ENV["LINGUA_TENANTS"]}) as scheduler:
        async with raw_client(scheduler.session_url, "en", "es", tenant_id="bounded"):
            assert await tenants_of(scheduler) == Counter(bounded=1)


async def tenants_of(scheduler: SchedulerProcess) -> Counter[str]:
    """Return how many sessions each tenant has, as operators see it."""
    async with operator_at(scheduler.port) as operator:
        listed = (await operator.do("list_sessions"))["data"]
        return Counter(row["tenant_id"] for row in listed["sessions"])


_INIT = {"client_version": "t", "platform": "web", "src_lang": "en", "tgt_lang": "es"}
