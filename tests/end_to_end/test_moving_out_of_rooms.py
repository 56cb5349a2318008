"""A session that is in a room goes on at another instance: without its seat, and without a loss.

It may enter again. Nobody waits in vain: what it said for others ends as `instance_lost` for each
of them, and its own outcomes go on being numbered where they were.
"""

from collections.abc import Iterator

import pytest

from tests.support.cluster import Cluster, instances
from tests.support.raw_node import Ability, raw_node
from tests.support.raw_wire import over_sockets
from tests.support.room_page import RoomPage, guest, room_of

Pair = tuple[str, str]


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with instances(2, "--session-grace-seconds=8", "--audio-ack-interval-ms=50") as made:
        yield made


@over_sockets
async def test_a_session_leaves_its_room_behind_and_may_enter_again(
    cluster: Cluster, pair: Pair
) -> None:
    own, other = pair
    first, second = cluster.members
    people = (guest(own, other), guest(other, own, resume=True))
    polyglot = Ability(asr=pair, semantic=pair, capacity=9)
    async with (
        raw_node(second.node_url, polyglot) as node,
        room_of(first.session_url, *people) as (ann, bob),
        RoomPage(second.session_url) as back,
    ):
        await ann.say_something()
        await node.answer(await node.job(), "first")
        assert (await bob.result())["delivery_seq"] == 1
        await bob.say_something()
        left = await node.job()
        token = {"session_id": bob.session_id, "resume_token": bob.ack["resume_token"]}
        back.session_id, back.seq, back._deliveries = bob.session_id, bob.seq, {bob.session_id: 1}
        ack = await back.init(other, own, resume=True, last_delivery_seq=1, **token)
        assert ack["next_seq"] == bob.seq, "what only others hear is not asked for again"
        missing = await ann.missing()
        assert missing["reason"] == "instance_lost"
        assert missing["speaker_session_id"] == bob.session_id
        await ann.meets(1)
        await node.answer(left, "too late")
        await back.join(str(ann.room_code))
        await ann.meets(2)
        await ann.say_something()
        await node.answer(await node.job(tgt_lang=other), "again")
        heard = await back.result()
        assert (heard["text_asr"], heard["delivery_seq"]) == ("again", 2)
        await back.say_something()
        await node.answer(await node.job(tgt_lang=own), "here I am")
        assert (await ann.result())["text_asr"] == "here I am"
        await back.end()
