"""Nodes come, come back, change their minds and fall silent."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest
from websockets.exceptions import ConnectionClosed

from tests.support.peers.raw_client import raw_client, tone
from tests.support.peers.raw_node import Ability, RawNode, raw_node
from tests.support.peers.raw_wire import Message, Pair, over_sockets
from tests.support.processes.scheduler_process import SchedulerProcess, running_scheduler

SILENCE = 1.2
"""Seconds."""


@pytest.fixture(scope="module")
def scheduler() -> Iterator[SchedulerProcess]:
    flags: tuple[str, ...] = ("--node-timeout-ms", str(int(SILENCE * 1000)))
    flags = (*flags, "--close-flush-ms", "500", "--node-probe-ms", "300")
    pings = ("--ping-interval-ms", "200", "--ping-timeout-ms", "200")
    quick = ("--session-grace-seconds=0.5", "--hangover-manual-ms=5")
    with running_scheduler(*quick, *flags, *pings) as process:
        yield process
        process.wait_until_idle()


# ---- registration -------------------------------------------------------------------------------


@over_sockets
async def test_a_node_without_an_id_gets_one_and_keeps_the_one_it_has(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with raw_node(scheduler.node_url, Ability.of(pair)) as node:
        given = node.node_id
        assert given.startswith("node-")
    async with raw_node(scheduler.node_url, Ability.of(pair, node_id=given)) as node:
        assert node.node_id == given


@over_sockets
async def test_a_registration_with_the_bare_minimum_is_accepted(
    scheduler: SchedulerProcess,
) -> None:
    """As an existing node without any service: no languages, nulls, an empty list."""
    async with RawNode(scheduler.node_url, Ability()) as node:
        minimum: Message = {
            "type": "node_register",
            "node_id": None,
            "version": "2.0.0",
            "platform": "linux",
            "hardware": {"cpu_cores": 4, "memory_gb": 8},
            "installed_models": [],
            "capability_by_type": [],
            "features_supported": {},
            "accept_public_jobs": True,
        }
        await node.say(minimum)
        assert (await node.hear("node_register_ack"))["node_id"]


@over_sockets
async def test_a_heartbeat_may_come_before_the_registration(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with (
        RawNode(scheduler.node_url, Ability.of(pair, node_id=f"node-{pair[0]}")) as node,
        raw_client(scheduler.session_url, *pair) as client,
    ):
        await node.beat()
        await node.register()
        assert node.node_id == f"node-{pair[0]}"
        await client.speak(tone(300))
        await node.answer(await node.job())
        await client.result()


@over_sockets
async def test_heartbeats_alone_make_no_node(scheduler: SchedulerProcess, pair: Pair) -> None:
    async with (
        RawNode(scheduler.node_url, Ability.of(pair, node_id=f"node-{pair[0]}")) as node,
        raw_client(scheduler.session_url, *pair) as client,
    ):
        await node.beat()
        await client.speak(tone(300))
        await client.hear("ui_event", event="QUEUED")
        await node.register()
        await node.answer(await node.job())
        await client.result()


@over_sockets
async def test_registering_again_on_the_same_socket_replaces_what_it_can_do(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    other = (f"{pair[0]}x", f"{pair[1]}x")
    async with (
        raw_node(scheduler.node_url, Ability.of(pair)) as node,
        raw_client(scheduler.session_url, *pair) as before,
        raw_client(scheduler.session_url, *other) as after,
    ):
        await before.speak(tone(300))
        job = await node.job()
        node.ability = Ability.of(other, node_id=node.node_id)
        await node.register()
        await after.speak(tone(300))
        await node.answer(await node.job(src_lang=other[0]))
        await after.result()
        await node.answer(job)
        await before.result()
        await before.speak(tone(300))
        await before.hear("ui_event", event="QUEUED")


@over_sockets
async def test_a_socket_has_one_id_for_life(scheduler: SchedulerProcess, pair: Pair) -> None:
    async with (
        raw_node(scheduler.node_url, Ability.of(pair, node_id=f"one-{pair[0]}")) as node,
        raw_client(scheduler.session_url, *pair) as client,
    ):
        node.ability = Ability.of(pair, node_id=f"two-{pair[0]}")
        refused = await node.register()
        assert refused["error"]["code"] == "INVALID_MESSAGE"
        languages = {"src_lang": pair[0], "tgt_lang": pair[1]}
        for index in range(5):
            await client.utterance(index, tone(200), **languages)
        jobs = [await node.job() for _ in range(4)]
        await client.hear("ui_event", event="QUEUED")
        assert node.peak == 4
        node.answers()
        for job in jobs:
            await node.answer(job)
        for _ in range(5):
            await client.result()


# ---- coming back --------------------------------------------------------------------------------


@over_sockets
async def test_a_node_that_comes_back_before_its_loss_was_seen_keeps_its_jobs(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    """It registers its id on a second socket while the first is open, and answers there."""
    async with raw_client(scheduler.session_url, *pair) as client:
        old = await RawNode(scheduler.node_url, Ability.of(pair, capacity=2)).open()
        await old.register()
        await client.speak(tone(300))
        job = await old.job()
        old.be_deaf()
        async with raw_node(scheduler.node_url, Ability.of(pair, 2, old.node_id)) as new:
            assert new.node_id == old.node_id
            await new.answer(job, "on the second socket")
            assert (await client.result())["text_asr"] == "on the second socket"
            await client.speak(tone(300))
            await new.answer(await new.job())
            await client.result()
            assert len(old.jobs) == 1
            await old.aclose()


@over_sockets
async def test_the_late_end_of_a_replaced_socket_removes_nothing(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with raw_client(scheduler.session_url, *pair) as client:
        old = await RawNode(scheduler.node_url, Ability.of(pair)).open()
        await old.register()
        old.be_deaf()
        async with raw_node(scheduler.node_url, Ability.of(pair, node_id=old.node_id)) as new:
            await client.speak(tone(300))
            job = await new.job()
            old.abort()
            await client.speak(tone(300))
            again = await new.job()
            await new.answer(job)
            await new.answer(again)
            await client.result()
            await client.result()
            state = await asyncio.to_thread(scheduler.get, f"/api/v1/nodes/{new.node_id}")
            assert state.json["state"] == "online"
            assert [message["attempt_id"] for message in new.jobs] == [1, 1]


@over_sockets
async def test_what_a_replaced_socket_still_says_of_a_job_is_no_harm(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with raw_client(scheduler.session_url, *pair) as client:
        old = await RawNode(scheduler.node_url, Ability.of(pair)).open()
        await old.register()
        await client.speak(tone(300))
        job = await old.job()
        old.be_deaf()
        async with raw_node(scheduler.node_url, Ability.of(pair, node_id=old.node_id)) as new:
            await old.answer(job, "words")
            await new.answer(job, "words")
            assert (await client.result())["text_asr"] == "words"
            await client.fence()
            assert len(client.outcomes()) == 1
            await old.aclose()


@over_sockets
async def test_a_node_that_comes_back_after_its_loss_gets_its_job_under_another_id(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with raw_client(scheduler.session_url, *pair) as client:
        old = await RawNode(scheduler.node_url, Ability.of(pair)).open()
        await old.register()
        await client.speak(tone(300))
        job = await old.job()
        old.abort()
        await client.hear("ui_event", event="QUEUED")
        async with raw_node(scheduler.node_url, Ability.of(pair, node_id=old.node_id)) as new:
            again = await new.job()
            assert again["job_id"] == f"{job['job_id']}~2"
            await new.answer(again)
            await client.result()


@over_sockets
async def test_a_node_that_comes_and_goes_all_the_time_is_always_acknowledged(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    """Each socket registers while the loss of the one before is still under way."""
    again = Ability.of(pair, node_id=f"node-{pair[0]}")
    for _ in range(25):
        for _ in range(10):
            node = await RawNode(scheduler.node_url, again).open()
            await node.say(again.registration())
            node.abort()
        async with raw_node(scheduler.node_url, again):
            pass


# ---- languages ----------------------------------------------------------------------------------


@over_sockets
async def test_a_change_of_languages_takes_effect_at_once(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    other = (f"{pair[0]}y", f"{pair[1]}y")
    async with (
        raw_node(scheduler.node_url, Ability.of(pair)) as node,
        raw_client(scheduler.session_url, *pair) as before,
        raw_client(scheduler.session_url, *other) as after,
    ):
        await after.speak(tone(300))
        await after.hear("ui_event", event="QUEUED")
        node.ability = Ability.of(other)
        await node.beat()
        await node.answer(await node.job(seconds=1))
        await after.result()
        await before.speak(tone(300))
        await before.hear("ui_event", event="QUEUED")
        node.ability = Ability(asr=(pair[0], other[0]), semantic=(pair[1], other[1]))
        await node.beat()
        await node.answer(await node.job(seconds=1))
        await before.result()


@over_sockets
async def test_a_node_whose_services_still_start_gets_nothing_until_they_run(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with (
        raw_node(scheduler.node_url, Ability(asr=(), semantic=())) as node,
        raw_client(scheduler.session_url, *pair) as client,
    ):
        await client.speak(tone(300))
        await client.hear("ui_event", event="QUEUED")
        node.ability = Ability.of(pair)
        await node.beat()
        await node.answer(await node.job(seconds=1))
        await client.result()
        await node.beat(language_capabilities={"asr_languages": [], "semantic_languages": []})
        await node.fence()
        await client.speak(tone(300))
        await client.hear("ui_event", event="QUEUED")
        await node.beat()
        await node.answer(await node.job())
        await client.result()


@over_sockets
async def test_a_heartbeat_without_languages_keeps_them(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with (
        raw_node(scheduler.node_url, Ability.of(pair)) as node,
        raw_client(scheduler.session_url, *pair) as client,
    ):
        await node.say({"type": "node_heartbeat", "node_id": node.node_id})
        await node.beat(language_capabilities=None)
        await node.fence()
        await client.speak(tone(300))
        await node.answer(await node.job())
        await client.result()


# ---- silence and load ---------------------------------------------------------------------------


@over_sockets
async def test_a_silent_node_loses_its_jobs_but_not_its_socket(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with (
        raw_node(scheduler.node_url, Ability.of(pair)) as silent,
        raw_client(scheduler.session_url, *pair) as client,
    ):
        await client.speak(tone(300))
        job = await silent.job()
        given_at = time.monotonic()
        async with raw_node(scheduler.node_url, Ability.of(pair)) as alive:
            beats = asyncio.create_task(_keep_beating(alive))
            again = await alive.job(seconds=SILENCE + 3)
            assert time.monotonic() - given_at > SILENCE - 0.3
            assert again["attempt_id"] == 2
            await alive.answer(again)
            await client.result()
            await silent.answer(job, "too late")
            await silent.fence()
            assert silent.is_open
            assert len(client.outcomes()) == 1
            beats.cancel()
        await silent.beat()
        await client.speak(tone(300))
        await silent.answer(await silent.job())
        await client.result()


async def _keep_beating(node: RawNode) -> None:
    with suppress(ConnectionClosed):
        while True:
            await node.beat()
            await asyncio.sleep(SILENCE / 4)


@over_sockets
async def test_a_node_that_answers_no_ping_is_not_closed(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    """Clients are pinged here every 0.2 s; a node may be deaf for as long as it beats."""
    async with raw_node(scheduler.node_url, Ability.of(pair)) as node:
        node.socket.transport.pause_reading()
        for _ in range(4):
            await node.beat()
            await asyncio.sleep(SILENCE / 4)
        node.socket.transport.resume_reading()
        await node.fence()
        assert node.is_open


@over_sockets
async def test_a_client_that_answers_no_ping_is_detached(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with raw_client(scheduler.session_url, *pair) as deaf:
        deaf.socket.transport.pause_reading()
        await asyncio.sleep(1.0)
        async with raw_client(scheduler.session_url, *pair) as live:
            await asyncio.sleep(0.6)
            await live.fence()
        deaf.socket.transport.resume_reading()
        async with asyncio.timeout(5):
            await deaf.socket.wait_closed()


@over_sockets
async def test_a_second_connection_of_a_living_node_is_refused(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    ability = Ability.of(pair, node_id=f"twin-{pair[0]}")
    async with (
        raw_node(scheduler.node_url, ability, answering=True) as first,
        raw_client(scheduler.session_url, *pair) as client,
    ):
        async with RawNode(scheduler.node_url, ability) as second:
            ack = await second.register()
            assert (ack["status"], ack["error"]["code"]) == ("refused", "NODE_ID_IN_USE")
            await second.beat()
            await client.speak(tone(300))
            await client.result()
            assert len(first.jobs) == 1
        await client.speak(tone(300))
        await client.result()
        assert len(first.jobs) == 2
