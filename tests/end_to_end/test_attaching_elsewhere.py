"""Sockets that name a session of another instance: to their clients it is as if it were here."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack

import pytest

from tests.end_to_end.support.attaching import (
    FLAGS,
    attached,
    detached,
    naming,
    refused,
)
from tests.end_to_end.support.peers.existing_clients import ApiGateway
from tests.end_to_end.support.peers.resuming_client import ResumingClient
from tests.end_to_end.support.processes.cluster import Cluster, instances
from tests.support.peers.raw_client import RawClient, b64, noise, recorded_chunks, tone
from tests.support.peers.raw_node import Ability, audio_of, raw_node
from tests.support.peers.raw_wire import Pair, over_sockets
from tests.support.processes.scheduler_process import running_scheduler

pytestmark = pytest.mark.takes(45)


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with instances(2, *FLAGS) as made:
        yield made


# ---- what is said and heard ---------------------------------------------------------------------


@over_sockets
async def test_a_gateway_speaks_on_an_instance_that_does_not_have_its_session(
    cluster: Cluster, pair: Pair
) -> None:
    first, second = cluster.members
    init = {"platform": "api-gateway", "tenant_id": "tenant-1", "features": None}
    languages = {"src_lang": pair[0], "tgt_lang": pair[1], "manual_cut": False}
    async with raw_node(second.node_url, Ability.of(pair, 20)) as node:
        former = await detached(first, pair, **init)
        client = await naming(second, former)
        await client.utterance(0, tone(600), **languages)
        job = await node.job()
        assert job["is_manual_cut"] is True
        assert audio_of(job) == tone(600)
        await node.answer(job, "gateway words")
        assert (await client.result())["text_asr"] == "gateway words"
        assert not client.all_heard("session_init_ack")
        figures = await asyncio.to_thread(second.metrics)
        assert figures["lingua_sockets_passed_through"] == 1
        await client.utterance(1, tone(300), **languages)
        await node.answer(await node.job())
        assert (await client.result())["utterance_index"] == 1
        await client.end()
        await client.aclose()
    await asyncio.to_thread(second.wait_for, {"lingua_sockets_passed_through": 0.0})
    await asyncio.to_thread(first.wait_until_idle)


@over_sockets
async def test_everything_that_was_said_arrives_once_and_in_order(
    cluster: Cluster, pair: Pair
) -> None:
    """Far more than any buffer on the way holds, as JSON and as binary frames."""
    first, second = cluster.members
    async with raw_node(second.node_url, Ability.of(pair, 20)) as node:
        client = await attached(second, await detached(first, pair))
        said = recorded_chunks()[:20]
        for number, chunk in enumerate(said):
            await (client.chunk(chunk) if number % 2 else client.binary_chunk(chunk))
        await client.binary_final()
        job = await node.job()
        assert audio_of(job) == b"".join(said)
        await node.answer(job)
        await client.result()
        words = [tone(14_000 + 10 * number) for number in range(6)]
        languages = {"src_lang": pair[0], "tgt_lang": pair[1]}
        for number, audio in enumerate(words):
            await client.utterance(number + 5, audio, **languages)
        for audio in words:
            job = await node.job(seconds=60)
            assert audio_of(job) == audio
            await node.answer(job, tts_audio=b64(noise(len(audio), 300_000)))
        heard = [await client.result(seconds=20) for _ in words]
        assert [one["utterance_index"] for one in heard] == list(range(5, 11))
        assert all(len(one["tts_audio"]) == 400_000 for one in heard)
        await client.end()
        await client.aclose()


@over_sockets
async def test_a_client_changes_instances_as_often_as_it_likes(
    cluster: Cluster, pair: Pair
) -> None:
    async with raw_node(cluster.members[0].node_url, Ability.of(pair, 20)) as node:
        client = await detached(cluster.members[0], pair)
        for number in range(8):
            client = await attached(cluster.members[(number + 1) % 2], client)
            await client.speak(tone(300 + 100 * number))
            job = await node.job()
            assert audio_of(job) == tone(300 + 100 * number)
            await node.answer(job)
            assert (await client.result())["utterance_index"] == number
            client.abort()
        last = await attached(cluster.members[1], client)
        await last.end()
        assert (await last.init(*pair))["session_id"] != client.session_id
        await last.end()
        await last.aclose()


@over_sockets
async def test_what_cannot_be_read_is_refused_as_on_any_socket(
    cluster: Cluster, pair: Pair
) -> None:
    first, second = cluster.members
    client = await attached(second, await detached(first, pair))
    await client.say_raw("no json")
    assert (await client.error())["code"] == "INVALID_MESSAGE"
    await client.say_raw(b"\x07 no frame")
    assert (await client.error())["code"] == "INVALID_MESSAGE"
    await client.say({**client.own("client_heartbeat", timestamp=1), "session_id": "another"})
    assert (await client.error())["code"] == "INVALID_SESSION"
    await client.fence()
    await client.aclose()


# ---- who may ------------------------------------------------------------------------------------


@over_sockets
async def test_of_sockets_on_all_instances_that_name_a_session_one_gets_it(
    cluster: Cluster, pair: Pair
) -> None:
    for number in range(4):
        former = await detached(cluster.members[number % 2], pair)
        sockets = [await naming(cluster.members[place % 2], former) for place in range(4)]
        beat = former.own("client_heartbeat", timestamp=1)
        await asyncio.gather(*(socket.say(beat) for socket in sockets))
        heard = [await socket.hear_any(("server_heartbeat", "error")) for socket in sockets]
        assert sorted(one["type"] for one in heard) == ["error"] * 3 + ["server_heartbeat"]
        for socket in sockets:
            await socket.aclose()


@over_sockets
async def test_a_session_that_has_a_socket_is_given_to_no_other(
    cluster: Cluster, pair: Pair
) -> None:
    first, second = cluster.members
    async with RawClient(first.session_url) as owner:
        await owner.init(*pair, platform="api-gateway")
        other = await naming(second, owner)
        assert await refused(other) == "INVALID_SESSION"
        assert await other.close_code() == 1011
        await owner.fence()
        await owner.aclose()
        other = await attached(second, owner)  # once the session waits for a socket
        await other.end()
        await other.aclose()


@over_sockets
async def test_a_session_that_asked_for_resume_cannot_be_had_by_naming_it(
    cluster: Cluster, pair: Pair
) -> None:
    first, second = cluster.members
    owner = await ResumingClient(first.session_url).open()
    await owner.init(*pair)
    owner.abort()
    async with RawClient(second.session_url) as other:
        other.session_id = owner.session_id
        assert await refused(other) == "INVALID_SESSION"
        assert await other.close_code() == 1011


@pytest.mark.parametrize("name", ["s-00000000000000000000000000000000", "", "s:jobs", "*", "ü"])
@over_sockets
async def test_a_session_that_is_nowhere_is_refused(cluster: Cluster, name: str) -> None:
    async with RawClient(cluster.members[1].session_url) as client:
        client.session_id = name
        assert await refused(client) == "INVALID_SESSION"
        assert await client.close_code() == 1011


@over_sockets
async def test_the_name_of_something_else_in_the_store_does_no_harm(
    cluster: Cluster, pair: Pair
) -> None:
    first, second = cluster.members
    async with RawClient(first.session_url) as owner:
        await owner.init(*pair)
        await owner.speak(tone(300))
        await owner.hear("ui_event", event="QUEUED")
        async with RawClient(second.session_url) as other:
            other.session_id = f"{owner.session_id}:jobs"
            assert await refused(other) == "INVALID_SESSION"
        async with RawClient(second.session_url) as other:
            other.session_id = f"{owner.session_id}:jobs"
            resume = {"resume": True, "session_id": other.session_id, "resume_token": "1.1.x"}
            init = {"type": "session_init", "client_version": "1", "platform": "web"}
            await other.say({**init, "src_lang": "a", "tgt_lang": "b", **resume})
            assert (await other.error())["code"] == "INVALID_SESSION"
        await owner.end()


# ---- several processes behind one port ----------------------------------------------------------


@over_sockets
async def test_wherever_the_kernel_puts_a_client_it_finds_its_session(
    fresh_pair: Callable[[], Pair],
) -> None:
    pair = fresh_pair()
    with running_scheduler("--workers", "2", *FLAGS) as scheduler:
        async with raw_node(scheduler.node_url, Ability.of(pair, 20)) as node:
            node.answers()
            passed = 0.0
            clients = [await detached(scheduler, pair) for _ in range(6)]
            for round_ in range(8):
                clients = list(
                    await asyncio.gather(*(attached(scheduler, client) for client in clients))
                )
                passed += (await asyncio.to_thread(scheduler.metrics))[
                    "lingua_sockets_passed_through"
                ]
                for client in clients:
                    await client.speak(tone(300))
                for client in clients:
                    assert (await client.result())["utterance_index"] == round_
                    client.abort()
            assert 0 < passed < 48
            async with AsyncExitStack() as stack:
                for client in clients:
                    last = await attached(scheduler, client)
                    stack.push_async_callback(last.aclose)
                    await last.end()
        await asyncio.to_thread(scheduler.wait_until_idle)


@over_sockets
async def test_callers_of_a_gateway_get_their_words_from_two_processes(
    fresh_pair: Callable[[], Pair],
) -> None:
    pair = fresh_pair()
    with running_scheduler("--workers", "2", *FLAGS) as scheduler:
        async with raw_node(scheduler.node_url, Ability.of(pair, 20)) as node:
            node.answers()
            gateway = ApiGateway(scheduler.session_url, *pair)
            async with asyncio.timeout(20):
                for _ in range(5):
                    calls = (gateway.translate(tone(100 + 10 * number)) for number in range(10))
                    assert all(await asyncio.gather(*calls))
