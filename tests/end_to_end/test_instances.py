"""Two schedulers on one store: a session on one, its node on the other."""

import asyncio
import base64
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from tests.end_to_end.support.encoded_audio import encodings_of
from tests.end_to_end.support.processes.instances import Instances, running_instances
from tests.end_to_end.support.processes.redis_tap import RedisTap
from tests.support.peers.raw_client import noise, raw_client, recorded_chunks, tone
from tests.support.peers.raw_node import Ability, RawNode, audio_of, raw_node
from tests.support.peers.raw_wire import Pair, over_sockets

pytestmark = pytest.mark.takes(12)

CROWD = 200


@pytest.fixture(scope="module")
def instances() -> Iterator[Instances]:
    """Instances a and b; every test has languages of its own."""
    flags = ("--close-flush-ms", "300", "--session-grace-seconds", "0.5")
    with running_instances(2, *flags, "--max-queued-per-session", "100") as running:
        yield running
        for process in running.processes:
            process.wait_until_idle()


# ---- what crosses --------------------------------------------------------------------------------


@over_sockets
async def test_a_session_on_one_instance_is_served_by_a_node_on_another(
    instances: Instances, pair: Pair
) -> None:
    async with (
        raw_node(instances[1].node_url, Ability.of(pair)) as node,
        raw_client(instances[0].session_url, *pair) as client,
    ):
        spoken = [tone(400) + noise(number, 3200) for number in range(3)]
        for audio in spoken:
            await client.speak(audio)
        jobs = [await node.job() for _ in spoken]
        assert [audio_of(job) for job in jobs] == spoken
        assert {job["speaker_key"] for job in jobs} == {client.known_as}
        for job in reversed(jobs):  # the last is ready first
            await node.answer(job, f"words {job['nth']}")
        results = [await client.result() for _ in spoken]
        assert [result["utterance_index"] for result in results] == [0, 1, 2]
        assert results[0]["text_translated"] == f"words 0 [{pair[1]}]"
        assert results[0]["tts_audio"]


@over_sockets
async def test_opus_crosses_byte_for_byte(instances: Instances, pair: Pair) -> None:
    chunks = recorded_chunks()
    async with (
        raw_node(instances[1].node_url, Ability.of(pair)) as node,
        raw_client(instances[0].session_url, *pair) as client,
    ):
        for chunk in chunks:
            await client.binary_chunk(chunk)
        await client.binary_final()
        job = await node.job()
        assert audio_of(job) == b"".join(chunks)
        assert job["audio_format"] == "opus"
        await node.answer(job)
        await client.result()


@over_sockets
async def test_words_so_far_and_progress_cross(instances: Instances, pair: Pair) -> None:
    async with (
        raw_node(instances[1].node_url, Ability.of(pair)) as node,
        raw_client(instances[0].session_url, *pair) as client,
    ):
        await client.speak(tone(400))
        job = await node.job()
        await node.say({"type": "job_ack", **_named(job, node)})
        await client.hear("ui_event", event="NODE_ACCEPTED")
        text = {"text": "so far", "is_final": False}
        partial = {"type": "asr_partial", **_named(job, node), **text}
        await node.say({**partial, "utterance_index": 0})
        assert (await client.hear("asr_partial"))["text"] == "so far"
        await node.answer(job)
        await client.result()


def _named(job: dict[str, object], node: RawNode) -> dict[str, object]:
    fields = {name: job[name] for name in ("job_id", "attempt_id", "session_id", "trace_id")}
    return {**fields, "node_id": node.node_id}


@over_sockets
async def test_a_cancel_crosses_and_frees_the_slot(instances: Instances, pair: Pair) -> None:
    async with (
        raw_node(instances[1].node_url, Ability.of(pair, capacity=1)) as node,
        raw_client(instances[0].session_url, *pair) as client,
    ):
        await client.speak(tone(400))
        job = await node.job()
        await client.say(client.own("session_close", reason="done"))
        assert (await node.hear("job_cancel"))["job_id"] == job["job_id"]
        assert (await client.missing())["reason"] == "session_closed"
        await client.hear("session_close_ack")
        await client.init(*pair)
        await client.speak(tone(400))
        await node.answer(await node.job())
        await client.result()


@over_sockets
async def test_a_refusal_crosses_and_the_job_comes_home(instances: Instances, pair: Pair) -> None:
    """The node on the other instance lacks the model; the one here is busy at first."""
    async with (
        raw_node(instances[1].node_url, Ability.of(pair, capacity=1)) as far,
        raw_client(instances[0].session_url, *pair) as client,
    ):
        await client.speak(tone(400))
        job = await far.job()
        async with raw_node(instances[0].node_url, Ability.of(pair, capacity=1)) as near:
            await far.refuse(job, "MODEL_NOT_AVAILABLE")
            again = await near.job()
            assert again["job_id"] == f"{job['job_id']}~2"
            assert audio_of(again) == audio_of(job)
            await near.answer(again)
            await client.result()


@over_sockets
async def test_no_audio_passes_through_the_store_when_it_crosses(
    instances: Instances, pair: Pair, tmp_path: Path
) -> None:
    pattern, voice = noise(20, 64), noise(21, 64)
    async with (
        RedisTap(instances.store_url, tmp_path) as tap,
        raw_node(instances[1].node_url, Ability.of(pair)) as node,
        raw_client(instances[0].session_url, *pair) as client,
    ):
        for _ in range(3):
            await client.speak(pattern * 300)
            job = await node.job()
            assert pattern in audio_of(job)
            await node.answer(job, tts_audio=base64.b64encode(voice * 50).decode())
            await client.result()
        await tap.settle()
        assert len(tap.lines()) > 10
        seen = b"\n".join(argument for command in tap.commands() for argument in command)
        for whose in (pattern, voice):
            assert not [form for form, text in encodings_of(whose).items() if text in seen]


# ---- capacity and choice -------------------------------------------------------------------------


@over_sockets
async def test_two_hundred_utterances_on_two_instances_never_open_more_than_four(
    instances: Instances, pair: Pair
) -> None:
    async with AsyncExitStack() as stack:
        node = await stack.enter_async_context(raw_node(instances[1].node_url, Ability.of(pair)))
        node.answers(after_seconds=0.02)
        clients = [
            await stack.enter_async_context(raw_client(instances[number % 2].session_url, *pair))
            for number in range(CROWD)
        ]
        for client in clients:
            await client.chunk(tone(300))
        await asyncio.gather(*(client.fence() for client in clients[-2:]))
        await asyncio.gather(*(client.final() for client in clients))
        await asyncio.gather(*(client.result(seconds=20) for client in clients))
        assert node.peak == node.peak_jobs == 4
        assert len(node.jobs) == CROWD


@over_sockets
async def test_a_slot_freed_by_one_instance_goes_to_a_job_of_the_other(
    instances: Instances, pair: Pair
) -> None:
    async with (
        raw_node(instances[1].node_url, Ability.of(pair, capacity=1)) as node,
        raw_client(instances[1].session_url, *pair) as near,
        raw_client(instances[0].session_url, *pair) as far,
    ):
        await near.speak(tone(400))
        job = await node.job()
        await far.speak(tone(400))
        await far.hear("ui_event", event="QUEUED")
        await node.answer(job)
        await near.result()
        waited = await node.job()
        assert waited["speaker_key"] == far.known_as
        await node.answer(waited)
        await far.result()


@over_sockets
async def test_of_equal_nodes_the_one_on_the_own_instance_is_used(
    instances: Instances, pair: Pair
) -> None:
    async with (
        raw_node(instances[0].node_url, Ability.of(pair), answering=True) as here,
        raw_node(instances[1].node_url, Ability.of(pair), answering=True) as there,
        raw_client(instances[0].session_url, *pair) as one,
        raw_client(instances[1].session_url, *pair) as two,
    ):
        for client in (one, two, one, two):
            await client.speak(tone(400))
            await client.result()
        assert {job["speaker_key"] for job in here.jobs} == {one.known_as}
        assert {job["speaker_key"] for job in there.jobs} == {two.known_as}


# ---- nodes that go and come ----------------------------------------------------------------------


@over_sockets
async def test_a_node_that_is_lost_elsewhere_costs_no_words(
    instances: Instances, pair: Pair
) -> None:
    async with (
        raw_client(instances[0].session_url, *pair) as client,
        raw_node(instances[1].node_url, Ability.of(pair)) as doomed,
    ):
        spoken = [tone(400) + noise(number, 3200) for number in range(3)]
        for audio in spoken:
            await client.speak(audio)
        for _ in spoken:
            await doomed.job()
        async with raw_node(instances[0].node_url, Ability.of(pair)) as other:
            doomed.abort()
            jobs = [await other.job() for _ in spoken]
            assert [audio_of(job) for job in jobs] == spoken
            assert all(job["job_id"].endswith("~2") for job in jobs)
            for job in jobs:
                await other.answer(job)
            for _ in spoken:
                await client.result()


@over_sockets
async def test_a_node_may_answer_on_another_instance(instances: Instances, pair: Pair) -> None:
    """Its line is cut; before anybody notices it is connected elsewhere, and goes on."""
    ability = Ability.of(pair, capacity=2)
    async with (
        RawNode(instances[1].node_url, ability) as before,
        raw_client(instances[0].session_url, *pair) as client,
    ):
        await before.register()
        await client.speak(tone(400))
        job = await before.job()
        returning = replace(ability, node_id=before.node_id)
        before.be_deaf()
        async with RawNode(instances[0].node_url, returning) as after:
            after.remember(before)
            await after.register()
            await after.answer(job, "said elsewhere")
            assert (await client.result())["text_asr"] == "said elsewhere"
            await client.speak(tone(400))
            await after.answer(await after.job())
            await client.result()


@over_sockets
async def test_a_node_that_moved_is_still_told_to_stop(instances: Instances, pair: Pair) -> None:
    async with (
        RawNode(instances[1].node_url, Ability.of(pair)) as before,
        raw_client(instances[0].session_url, *pair) as client,
    ):
        await before.register()
        await client.speak(tone(400))
        job = await before.job()
        ability = replace(before.ability, node_id=before.node_id)
        before.be_deaf()
        async with RawNode(instances[0].node_url, ability) as after:
            after.remember(before)
            await after.register()
            before.abort()
            await asyncio.to_thread(
                instances[1].wait_for_log, f"node left node_id={before.node_id}"
            )
            await client.say(client.own("session_close", reason="done"))
            assert (await after.hear("job_cancel"))["job_id"] == job["job_id"]
            await client.missing()
