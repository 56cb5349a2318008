"""The id of a session is its client's secret: nobody else ever hears it, or what leads to it."""

import asyncio
import hashlib
import json
from collections.abc import Iterator

import pytest

from tests.end_to_end.support.peers.room_page import guest, room_of
from tests.support.peers.raw_client import raw_client, tone
from tests.support.peers.raw_node import Ability, raw_node
from tests.support.peers.raw_wire import RawWire, over_sockets
from tests.support.processes.scheduler_process import SchedulerProcess, running_scheduler


@pytest.fixture(scope="module")
def talkative() -> Iterator[SchedulerProcess]:
    """A scheduler that logs all it can."""
    flags = ("--log-level", "TRACE", "--session-grace-seconds", "0.3", "--hangover-manual-ms", "5")
    with running_scheduler(*flags) as process:
        yield process


def has_heard(wire: RawWire, secret: str) -> bool:
    """Tell whether a session's random digits came in any message."""
    return secret.removeprefix("s-") in json.dumps(wire.heard)


@over_sockets
async def test_nodes_and_other_members_never_hear_a_sessions_id(
    talkative: SchedulerProcess,
) -> None:
    languages = ("a", "b")
    async with (
        raw_node(talkative.node_url, Ability(asr=languages, semantic=languages)) as node,
        room_of(talkative.session_url, guest("a", "b"), guest("b", "a")) as (ann, bob),
    ):
        await ann.signal("offer", bob, sdp={"type": "offer", "sdp": "v=0"})
        await bob.hear("webrtc_offer")
        await bob.prefer(ann, raw_voice=False)
        await ann.hear("room_members")
        await ann.say_something()
        await node.answer(await node.job(), "words")
        heard = await bob.result()
        assert heard["session_id"] == heard["speaker_session_id"] == ann.alias
        assert [member["participant_id"] for member in (await ann_sees(bob))] == [
            ann.alias,
            bob.session_id,
        ]
        assert has_heard(bob, bob.session_id)
        assert not has_heard(bob, ann.session_id)
        assert not has_heard(ann, bob.session_id)
        for session in (ann, bob):
            assert not has_heard(node, session.session_id)


async def ann_sees(page: RawWire) -> list[dict[str, str]]:
    return list(page.all_heard("room_members")[-1]["members"])


@over_sockets
async def test_logs_and_reports_name_sessions_by_their_reference(
    talkative: SchedulerProcess,
) -> None:
    async with (
        raw_node(talkative.node_url, Ability(asr=("c",), semantic=("d",))) as node,
        raw_client(talkative.session_url, "c", "d") as client,
    ):
        reference = hashlib.sha256(client.session_id.encode()).hexdigest()[:16]
        assert client.ack["session_ref"] == reference
        await client.speak(tone(300))
        job = await node.job()
        await node.answer(job)
        await client.result()
        report = await asyncio.to_thread(
            talkative.get, f"/api/v1/jobs/{job['job_id'].split('~')[0]}"
        )
        assert report.json["session_ref"] == reference
        for path in (
            "/api/v1/stats",
            "/api/v1/cluster",
            "/metrics",
            f"/api/v1/nodes/{node.node_id}",
        ):
            body = (await asyncio.to_thread(talkative.get, path)).body
            assert client.session_id.removeprefix("s-") not in body
        assert client.session_id.removeprefix("s-") not in report.body
    await asyncio.to_thread(talkative.wait_for_log, "session closed")
    log = talkative.log()
    assert reference in log
    assert client.session_id.removeprefix("s-") not in log


@over_sockets
async def test_no_id_of_ours_is_made_of_another(talkative: SchedulerProcess) -> None:
    """What a client sees of its own utterances says nothing about those of others."""
    async with (
        raw_node(talkative.node_url, Ability(asr=("e",), semantic=("f",))) as node,
        raw_client(talkative.session_url, "e", "f") as client,
    ):
        ids = []
        for _ in range(5):
            await client.speak(tone(300))
            job = await node.job()
            await node.answer(job)
            result = await client.result()
            ids += [result["job_id"][8:], result["group_id"], job["turn_id"]]
        digits = {one.rpartition("-")[2] for one in ids}
        assert all(len(one) >= 32 for one in digits)
        assert len(digits) >= 11
        assert client.session_id.removeprefix("s-") not in json.dumps([ids, node.heard])
