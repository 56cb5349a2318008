"""Who names what is another's is refused and counted, and nothing of the other's changes."""

import asyncio
import re
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.end_to_end.support.peers.room_page import guest, room_of
from tests.support.peers.raw_client import RawClient, raw_client, tone
from tests.support.peers.raw_node import Ability, RawNode, raw_node
from tests.support.peers.raw_wire import over_sockets
from tests.support.processes.scheduler_process import SchedulerProcess, running_scheduler

_COUNT = re.compile(r'lingua_ownership_refused_total\{what="(\w+)"\} (\d+)')
NODE_TOKENS = {"LINGUA_NODE_TOKENS": "one:token-of-one,two:token-of-two"}


@pytest.fixture(scope="module")
def scheduler() -> Iterator[SchedulerProcess]:
    with running_scheduler("--hangover-manual-ms", "5", env=NODE_TOKENS) as process:
        yield process


async def refusals(scheduler: SchedulerProcess) -> Counter[str]:
    """Return how often somebody was refused so far, by what was named."""
    text = (await asyncio.to_thread(scheduler.get, "/metrics")).body
    return Counter({what: int(float(count)) for what, count in _COUNT.findall(text)})


def node_url(scheduler: SchedulerProcess, name: str) -> str:
    return f"{scheduler.node_url}?token=token-of-{name}"


@over_sockets
async def test_a_session_of_another_hears_nothing_of_who_names_it(
    scheduler: SchedulerProcess,
) -> None:
    before = await refusals(scheduler)
    async with (
        raw_node(node_url(scheduler, "one"), Ability(asr=("a",), semantic=("b",))) as node,
        raw_client(scheduler.session_url, "a", "b") as victim,
        raw_client(scheduler.session_url, "a", "b") as thief,
    ):
        await victim.chunk(tone(300))
        await victim.fence()
        for kind, fields in (
            ("client_heartbeat", {"timestamp": 1}),
            ("session_close", {}),
            ("audio_chunk", {"seq": 1, "is_final": True, "payload": ""}),
            ("utterance_cancel", {}),
            ("session_update", {"src_lang": "b"}),
        ):
            await thief.say({"type": kind, "session_id": victim.session_id, **fields})
            assert (await thief.error())["code"] == "INVALID_SESSION", kind
        await thief.end()
        await victim.final()
        job = await node.job()
        await node.answer(job)
        assert (await victim.result())["tgt_lang"] == "b"
    stranger = RawClient(scheduler.session_url)
    async with raw_client(scheduler.session_url, "a", "b") as victim:
        await stranger.open()
        await stranger.say(
            {"type": "session_init", "client_version": "x", "platform": "web", "src_lang": "a",
             "tgt_lang": "b", "dialect": None, "features": None, "pairing_code": None,
             "resume": True, "session_id": victim.session_id, "resume_token": "guess"}
        )  # fmt: skip
        assert (await stranger.error())["code"] == "INVALID_SESSION"
        await stranger.aclose()
    after = await refusals(scheduler)
    assert after - before == {"session": 5, "resume": 1}
    refused = [line for line in scheduler.log().splitlines() if "belongs to another" in line]
    assert len(refused) >= 6
    assert all(victim.session_id not in line for line in refused)


@over_sockets
async def test_a_node_keeps_its_id_and_its_jobs(scheduler: SchedulerProcess) -> None:
    before = await refusals(scheduler)
    ability = Ability(asr=("c",), semantic=("d",), node_id="node-kept")
    async with (
        raw_node(node_url(scheduler, "one"), ability) as node,
        raw_node(node_url(scheduler, "two"), Ability(asr=("e",), semantic=("f",))) as thief,
        raw_client(scheduler.session_url, "c", "d") as client,
    ):
        await client.speak(tone(300))
        job = await node.job()
        await thief.say(thief.result(job, "not mine"))
        await thief.beat()
        pretender = RawNode(node_url(scheduler, "two"), ability)
        await pretender.open()
        await pretender.say(ability.registration())
        refused = await pretender.hear("node_register_ack")
        assert refused["error"]["code"] == "NODE_ID_CONFLICT"
        await pretender.aclose()
        await node.answer(job, "mine")
        assert (await client.result())["text_asr"] == "mine"
    assert (await refusals(scheduler)) - before == {"job": 1, "node_id": 1}


@over_sockets
async def test_a_room_hears_nothing_from_outside(scheduler: SchedulerProcess) -> None:
    before = await refusals(scheduler)
    async with (
        raw_client(scheduler.session_url, "a", "b") as stranger,
        room_of(scheduler.session_url, guest("a", "b"), guest("b", "a")) as (ann, bob),
    ):
        code, heard = ann.room_code, len(bob.heard)
        offer = {
            "type": "webrtc_offer",
            "room_code": code,
            "to": ann.alias,
            "sdp": {"type": "offer", "sdp": "v=0"},
        }
        await stranger.say(offer)
        assert (await stranger.hear("room_error"))["code"] == "ROOM_NOT_FOUND"
        await stranger.say(
            {"type": "room_raw_voice_preference", "room_code": code,
             "target_session_id": ann.alias, "receive_raw_voice": False}
        )  # fmt: skip
        assert (await stranger.hear("room_error"))["code"] == "ROOM_NOT_FOUND"
        await bob.say({**offer, "to": stranger.session_id})
        assert (await bob.hear("room_error"))["code"] == "INVALID_SESSION"
        assert len(bob.heard) <= heard + 1
    assert (await refusals(scheduler)) - before == {"room": 2, "member": 1}
