"""A socket on one gateway whose session is behind another: what passes, and how it ends."""

import asyncio
import base64

import pytest

from actors.messages.session import (
    ChunkArrived,
    ClientBeat,
    SocketLost,
    UtteranceArrived,
)
from actors.messages.takeover import SessionLocated
from protocol.instances.link import PeerProtocolError
from protocol.instances.passthrough import (
    Leaving,
    pack_client_message,
    pack_leaving,
    unpack_passed,
)
from protocol.messages.session_outbound import ServerHeartbeat, Translation
from tests.gateway.support.raw_peer import CLOSE
from tests.gateway.support.running_gateway import (
    chunk,
)
from tests.gateway.support.two_gateways import (
    NAME,
    THERE,
    Two,
    beat,
    between,
)
from tests.support.waiting import until

# ---- what passes --------------------------------------------------------------------------------


@between
async def test_the_message_that_named_the_session_comes_first_then_all_others(two: Two) -> None:
    two.there.reception.detached.add(NAME)
    peer = await two.here.connect("/ws/session")
    for number in range(50):
        peer.say(beat(number))
    await until(lambda: two.here.reception.askers)
    asker = two.here.reception.askers[0][0]
    assert asker is not None
    asker.tell(SessionLocated(NAME, THERE, two.port.url))
    await until(lambda: NAME in two.there.reception.actors)
    heard = await two.there.reception.actors[NAME].count(51)
    assert [one.last_delivery_seq for one in heard[1:]] == list(range(50))
    assert len(two.here.reception.askers) == 1


@between
async def test_texts_and_frames_arrive_as_they_were_sent(two: Two) -> None:
    audio = base64.b64encode(bytes(range(256)) * 100).decode()
    utterance = {
        "type": "utterance",
        "session_id": NAME,
        "utterance_index": 4,
        "manual_cut": True,
        "src_lang": "en",
        "tgt_lang": "es",
        "audio": audio,
        "audio_format": "pcm16",
        "sample_rate": 16000,
    }
    peer, actor = await two.attached(utterance)
    message = await actor.next()
    assert isinstance(message, UtteranceArrived)
    assert (message.message.audio, message.message.tgt_lang) == (bytes(range(256)) * 100, "es")
    peer.frame(bytes((1, 3)) + bytes(4) + bytes(4) + b"\x01\x00" + NAME.encode() + b"abcd", 2)
    assert await actor.next() == ChunkArrived(b"abcd", 0, is_final=True, opus_ticks=0)
    peer.say(chunk(NAME, 7, audio))
    assert (await actor.next()).seq == 7


@between
async def test_what_the_session_says_arrives_and_so_does_its_end(two: Two) -> None:
    two.there.reception.detached.add(NAME)
    peer = await two.named()
    await until(lambda: NAME in two.there.reception.actors)
    [attached, *_] = await two.there.reception.actors[NAME].count(1)
    attached.outbox.send(ServerHeartbeat(session_id=NAME, timestamp=5))
    assert (await peer.hear())["type"] == "server_heartbeat"
    attached.outbox.close(4321, "as it was closed there")
    opcode, data = await peer.hear_frame()
    assert opcode == CLOSE
    assert data == (4321).to_bytes(2, "big") + b"as it was closed there"
    assert isinstance((await two.there.reception.actors[NAME].count(3))[-1], SocketLost)


@between
async def test_a_session_hears_that_its_client_is_gone_after_all_that_it_sent(two: Two) -> None:
    peer, actor = await two.attached()
    for number in range(5):
        peer.say(beat(number))
    await peer.is_heard()
    peer.abort()
    heard = await actor.count(7)
    assert [type(one) for one in heard] == [ClientBeat] * 6 + [SocketLost]
    assert two.here.gateway.passthroughs is not None
    await until(lambda: not len(two.here.gateway.passthroughs or ()))


@between
async def test_a_client_that_is_ahead_of_its_session_is_not_read(two: Two) -> None:
    """Nothing is dropped, and nothing piles up here."""
    peer, actor = await two.attached()
    actor.block()
    longest = "x" * 200_000
    for number in range(200):
        peer.say({**beat(number), "more": longest})
    await asyncio.sleep(0.5)
    assert len(actor.messages) + len(actor.actor_inbox) < 60
    assert two.here.gateway.passthroughs is not None
    [passthrough] = two.here.gateway.passthroughs._open
    assert passthrough.wire._transport is not None
    assert passthrough.wire._transport.get_write_buffer_size() < 2 * len(longest)
    actor.free()
    heard = await actor.count(201)
    assert [one.last_delivery_seq for one in heard[1:]] == list(range(200))


@between
async def test_a_client_that_does_not_read_is_closed_here_and_its_session_hears_it(
    two: Two,
) -> None:
    two.there.reception.detached.add(NAME)
    await two.named()
    await until(lambda: NAME in two.there.reception.actors)
    actor = two.there.reception.actors[NAME]
    [attached, *_] = await actor.count(1)
    much = Translation(text="x" * 500_000)
    for _ in range(200):
        attached.outbox.send(much)
        await asyncio.sleep(0.002)
        if any(isinstance(one, SocketLost) for one in actor.messages):
            break
    await until(lambda: any(isinstance(one, SocketLost) for one in actor.messages))
    assert two.here.gateway.passthroughs is not None
    assert len(two.here.gateway.passthroughs) == 0


# ---- how messages are packed --------------------------------------------------------------------


def test_what_is_passed_through_reads_back() -> None:
    assert unpack_passed(pack_client_message(b"\x02abc")) == b"\x02abc"
    assert unpack_passed(pack_client_message(b"")) == b""
    leaving = Leaving(1000, "Größe")
    assert unpack_passed(pack_leaving(leaving)) == leaving


@pytest.mark.parametrize("data", [b"", b"\x00", b"\x02\x00", b"\x07abc"])
def test_what_is_not_passed_through_is_refused(data: bytes) -> None:
    with pytest.raises(PeerProtocolError):
        unpack_passed(data)
