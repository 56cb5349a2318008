"""A room whose members, and their node, are on three schedulers of their own."""

import asyncio
import base64
from collections.abc import Iterator

import pytest

from tests.end_to_end.support.peers.room_page import RoomPage
from tests.end_to_end.support.processes.instances import Instances, running_instances
from tests.support.peers.raw_client import recorded_packets
from tests.support.peers.raw_node import Ability, raw_node
from tests.support.peers.raw_wire import Pair, over_sockets


@pytest.fixture(scope="module")
def instances() -> Iterator[Instances]:
    flags = ("--close-flush-ms", "300", "--session-grace-seconds", "0.5")
    with running_instances(3, *flags) as running:
        yield running
        for process in running.processes:
            process.wait_until_idle()


@over_sockets
async def test_members_on_different_instances_hear_each_other_in_order(
    instances: Instances, pair: Pair
) -> None:
    voice = base64.b64encode(b"".join(recorded_packets()[:25])).decode()
    able = Ability(asr=pair, semantic=pair, capacity=9)
    async with (
        raw_node(instances[2].node_url, able) as node,
        RoomPage(instances[0].session_url) as ann,
        RoomPage(instances[1].session_url) as bob,
    ):
        await ann.init(*pair)
        await bob.init(pair[1], pair[0])
        await bob.join(await ann.create())
        await ann.meets(2)
        for number in range(4):
            speaker, listener = (ann, bob) if number % 2 else (bob, ann)
            await speaker.say_something()
            await node.answer(await node.job(), f"words {number}", tts_audio=voice)
            heard = await listener.result()
            assert heard["text_asr"] == f"words {number}"
            assert heard["speaker_session_id"] == speaker.alias
            assert heard["delivery_seq"] == number // 2 + 1
            assert heard["tts_format"] == "pcm16"
        assert ann.pick("translation_result") is None
        assert bob.pick("translation_result") is None
        await ann.leave()
        await bob.meets(1)
        await asyncio.gather(ann.end(), bob.end())


@over_sockets
async def test_a_voice_link_is_relayed_between_instances(instances: Instances, pair: Pair) -> None:
    async with (
        RoomPage(instances[0].session_url) as ann,
        RoomPage(instances[1].session_url) as bob,
    ):
        await ann.init(*pair)
        await bob.init(pair[1], pair[0])
        await bob.join(await ann.create())
        await ann.meets(2)
        sdp = {"type": "offer", "sdp": "v=0"}
        await ann.signal("offer", bob, sdp=sdp)
        offer = await bob.hear("webrtc_offer")
        assert (offer["to"], offer["sdp"]) == (ann.alias, sdp)
        await bob.signal("answer", ann, sdp={"type": "answer", "sdp": "v=0"})
        assert (await ann.hear("webrtc_answer"))["to"] == bob.alias
        await asyncio.gather(ann.end(), bob.end())
