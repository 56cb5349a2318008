"""A socket on one gateway whose session is behind another: what passes, and how it ends."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from actors.messages.session import (
    ChunkArrived,
    ClientBeat,
    SocketAttached,
    SocketLost,
    UtteranceArrived,
)
from actors.messages.takeover import SessionFreed, SessionLocated, SocketDraining
from gateway.link.options import PeerOptions
from gateway.link.server import PeerInside, PeerServer
from gateway.options import GatewayOptions
from gateway.passthrough.passthrough import PassthroughWire
from gateway.passthrough.registry import PeerIdentity
from protocol.errors import CloseCode
from protocol.ids import InstanceId, SessionId
from protocol.instances.link import PeerProtocolError, calling_headers
from protocol.instances.passthrough import (
    Leaving,
    PassedClient,
    pack_client_message,
    pack_leaving,
    unpack_passed,
)
from protocol.messages.session_outbound import ServerHeartbeat, Translation
from tests.gateway.support.raw_peer import CLOSE, TEXT, Peer
from tests.gateway.support.running_gateway import (
    Recorder,
    RunningGateway,
    chunk,
    open_gateway,
    session_init,
)
from tests.support.null_metrics import NullMetrics
from tests.support.waiting import PATIENCE_S, until

HERE, THERE = InstanceId("here"), InstanceId("there")
NAME = SessionId("s-1")
SECRET = "open sesame"
MAX_OUTBOX = 64 * 1024


@dataclass
class Two:
    """The gateway that clients connect to, and the one that has their sessions."""

    here: RunningGateway
    there: RunningGateway
    port: PeerServer

    async def named(self, message: dict[str, Any] | None = None) -> Peer:
        """Return a socket that has named the session; it is known by now where that is."""
        peer = await self.here.connect("/ws/session")
        peer.say(message or beat(1))
        reception = self.here.reception
        asked = len(reception.askers)
        await until(lambda: len(reception.askers) > asked)
        asker = reception.askers[-1][0]
        assert asker is not None
        asker.tell(SessionLocated(NAME, THERE, self.port.url))
        return peer

    async def attached(self, message: dict[str, Any] | None = None) -> tuple[Peer, Recorder]:
        """Return a client's socket and the session's actor, which has heard of both."""
        self.there.reception.detached.add(NAME)
        peer = await self.named(message)
        await until(lambda: NAME in self.there.reception.actors)
        actor = self.there.reception.actors[NAME]
        assert isinstance(await actor.next(), SocketAttached)
        return peer, actor


def beat(timestamp: int) -> dict[str, Any]:
    return {"type": "client_heartbeat", "session_id": NAME, "timestamp": timestamp}


@asynccontextmanager
async def two_gateways(secret: str = SECRET, **options: Any) -> AsyncIterator[Two]:
    settings = GatewayOptions(port=0, max_outbox_bytes=MAX_OUTBOX, **options)
    inside = PeerInside(THERE, None, lambda *_: None, NullMetrics(), lambda: SECRET)  # type: ignore[arg-type]  # nothing is delivered
    identity = PeerIdentity(HERE, lambda: secret)
    async with open_gateway(settings, identity=identity) as here, open_gateway(settings) as there:
        port = PeerServer(PeerOptions(), inside)
        await port.start()
        port.accept_passed_clients(there.gateway.passthrough_server)
        here.reception.is_fetching = True
        try:
            yield Two(here, there, port)
        finally:
            await port.close()


def between(test: Callable[[Two], Awaitable[None]], **settings: Any) -> Callable[[], None]:
    """Let pytest run a test with two gateways; nothing of it may be left."""

    def run() -> None:
        async def main() -> None:
            accidents: list[dict[str, Any]] = []
            asyncio.get_running_loop().set_exception_handler(lambda _, what: accidents.append(what))
            async with two_gateways(**settings) as two:
                await test(two)
            left = asyncio.all_tasks() - {asyncio.current_task()}
            assert not left, left
            assert not accidents, accidents

        asyncio.run(main())

    return run


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
    assert [one.timestamp for one in heard[1:]] == list(range(50))
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
    assert [one.timestamp for one in heard[1:]] == list(range(200))


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


# ---- who may ------------------------------------------------------------------------------------


@between
async def test_a_refused_socket_is_as_good_as_before(two: Two) -> None:
    peer = await two.named()
    assert (await peer.hear())["code"] == "INVALID_SESSION"
    two.here.reception.is_fetching = False
    peer.say(session_init())
    assert (await peer.hear())["type"] == "session_init_ack"


class Deaf:
    """Hears what comes over a wire and does nothing about it."""

    def wire_opened(self) -> None: ...
    def wire_sent(self, data: bytes) -> None: ...
    def wire_full(self) -> None: ...
    def wire_has_room(self) -> None: ...
    def wire_ended(self, code: int | None, reason: str) -> None: ...


@pytest.mark.parametrize("tenant", [None, "acme", "Größe"])
def test_the_other_instance_judges_by_the_tenant_of_the_credential(tenant: str | None) -> None:
    async def scenario(two: Two) -> None:
        two.there.reception.detached.add(NAME)
        wire = PassthroughWire(Deaf())
        headers = calling_headers(SECRET, HERE, THERE) | PassedClient(NAME, tenant).headers()
        await wire.call(f"{two.port.url}/session", headers)
        assert two.there.reception.tenants == [tenant]
        wire.abort()
        await until(lambda: not two.port._passed_connections)

    between(scenario)()


def test_a_tenant_crosses_whatever_its_name_is() -> None:
    for tenant in (None, "", "acme", "Größe, 100 %\r\nX: y"):
        headers = PassedClient(NAME, tenant).headers()
        assert all(value.isascii() and value.isprintable() for value in headers.values())
        assert PassedClient.of(
            headers["X-Lingua-Session"], headers.get("X-Lingua-Tenant")
        ) == PassedClient(NAME, tenant)


@between
async def test_a_session_that_was_given_away_meanwhile_is_refused(two: Two) -> None:
    two.there.reception.is_fetching = True  # it is here, and has a socket
    two.there.reception.detached.add(NAME)
    peer = await two.named()
    await until(lambda: two.there.reception.askers)
    asker = two.there.reception.askers[0][0]
    assert asker is not None
    two.there.reception.detached.clear()
    asker.tell(SessionFreed(NAME))  # another one was faster
    assert (await peer.hear())["code"] == "INVALID_SESSION"
    assert two.there.reception.stopped == [(NAME, asker)]


@between
async def test_a_session_is_waited_for_and_then_had(two: Two) -> None:
    two.there.reception.is_fetching = True
    two.there.reception.detached.add(NAME)
    peer = await two.named()
    await until(lambda: two.there.reception.askers)
    asker = two.there.reception.askers[0][0]
    assert asker is not None
    asker.tell(SessionFreed(NAME))
    await until(lambda: NAME in two.there.reception.actors)
    [_, first] = await two.there.reception.actors[NAME].count(2)
    assert first == ClientBeat(1, None)
    peer.abort()


@between
async def test_a_session_whose_socket_stays_is_not_waited_for_for_ever(two: Two) -> None:
    """Nor does anything that is sent meanwhile get lost."""
    peer, _ = await two.attached()
    two.there.reception.is_fetching = True
    other = await two.there.connect("/ws/session")
    for timestamp in (1, 2):
        other.say(beat(timestamp))
    begun = asyncio.get_running_loop().time()
    two.there.reception.detached.clear()
    assert (await other.hear())["code"] == "INVALID_SESSION"
    assert 0.9 < asyncio.get_running_loop().time() - begun < 3
    [(_, asker)] = two.there.reception.stopped
    assert asker is two.there.reception.askers[0][0]
    assert (await other.hear())["code"] == "INVALID_SESSION"
    peer.abort()


@between
async def test_a_passed_socket_is_not_passed_on_to_a_third_instance(two: Two) -> None:
    peer, actor = await two.attached()
    await actor.next()
    two.there.reception.is_fetching = True
    peer.say({"type": "session_close", "session_id": NAME, "reason": "done"})
    peer.say({**beat(1), "session_id": "s-2"})
    await until(lambda: two.there.reception.askers)
    asker = two.there.reception.askers[0][0]
    assert asker is not None
    asker.tell(SessionLocated(SessionId("s-2"), InstanceId("third"), "ws://127.0.0.1:1/ws/peer"))
    assert (await peer.hear())["code"] == "INVALID_SESSION"
    assert await peer.hear_close() == CloseCode.TRY_AGAIN_LATER


# ---- instances that do not answer ---------------------------------------------------------------


async def _is_sent_away(peer: Peer) -> None:
    assert (await peer.hear())["code"] == "SCHEDULER_DEPENDENCY_DOWN"
    assert await peer.hear_close() == CloseCode.TRY_AGAIN_LATER


@between
async def test_an_instance_that_cannot_be_reached_sends_the_client_away(two: Two) -> None:
    await two.port.close()
    await _is_sent_away(await two.named())


@between
async def test_a_store_that_does_not_answer_sends_the_client_away(two: Two) -> None:
    peer = await two.here.connect("/ws/session")
    peer.say(beat(1))
    await until(lambda: two.here.reception.askers)
    asker = two.here.reception.askers[0][0]
    assert asker is not None
    asker.tell(SessionLocated(NAME, is_store_away=True))
    await _is_sent_away(peer)


def test_who_does_not_know_the_secret_brings_nobody() -> None:
    async def scenario(two: Two) -> None:
        two.there.reception.detached.add(NAME)
        await _is_sent_away(await two.named())
        assert two.there.reception.tenants == []

    between(scenario, secret="guessed")()


@between
async def test_a_client_that_leaves_while_its_session_is_called_leaves_nothing(two: Two) -> None:
    two.there.reception.detached.add(NAME)
    peer = await two.here.connect("/ws/session")
    peer.say(beat(1))
    await until(lambda: two.here.reception.askers)
    asker = two.here.reception.askers[0][0]
    assert asker is not None
    asker.tell(SessionLocated(NAME, THERE, two.port.url))
    for connection in list(two.here.gateway._connections):
        connection.abort()
    await peer.hear_end()
    await until(lambda: not two.port._passed_connections)
    asker.tell(SessionLocated(NAME, THERE, two.port.url))
    assert two.here.gateway.passthroughs is not None
    assert len(two.here.gateway.passthroughs) == 0


@between
async def test_a_line_that_breaks_sends_the_client_away(two: Two) -> None:
    peer, _ = await two.attached()
    for connection in list(two.port._passed_connections):
        connection.abort()
    assert await peer.hear_close() == CloseCode.GOING_AWAY


def test_an_instance_that_falls_silent_is_noticed() -> None:
    async def scenario(two: Two) -> None:
        peer, _ = await two.attached()
        for connection in list(two.port._passed_connections):
            connection.pause()  # it reads no ping, so it answers none
            two.there.gateway._keepalive.remove(connection)  # type: ignore[union-attr]
        while True:
            opcode, data = await peer.hear_frame()
            if opcode == CLOSE:
                break
            peer.frame(data, 10)
        assert int.from_bytes(data[:2], "big") == CloseCode.GOING_AWAY

    between(scenario, ping_interval_ms=100, ping_timeout_ms=200)()


# ---- instances that go --------------------------------------------------------------------------


@between
async def test_sessions_hear_when_their_clients_instance_goes(two: Two) -> None:
    peer, actor = await two.attached()
    await actor.next()
    passthroughs = two.here.gateway.passthroughs
    assert passthroughs is not None
    leaving = asyncio.create_task(passthroughs.leave(Leaving(700, "shutdown"), PATIENCE_S))
    draining = await actor.next()
    assert isinstance(draining, SocketDraining)
    assert (draining.reason, draining.reconnect_after_ms) == ("shutdown", 700)
    assert not leaving.done()
    draining.outbox.close(CloseCode.GOING_AWAY, "bye")
    assert await peer.hear_close() == CloseCode.GOING_AWAY
    await leaving


@between
async def test_a_client_without_a_session_there_is_sent_away_at_once(two: Two) -> None:
    peer, actor = await two.attached()
    await actor.next()
    peer.say({"type": "session_close", "session_id": NAME, "reason": "done"})
    await peer.is_heard()
    await actor.next()
    passthroughs = two.here.gateway.passthroughs
    assert passthroughs is not None
    await passthroughs.leave(Leaving(700, "shutdown"), PATIENCE_S)
    opcode, data = await peer.hear_frame()
    assert (opcode, json.loads(data)["type"]) == (TEXT, "reconnect")
    assert await peer.hear_close() == CloseCode.GOING_AWAY


@between
async def test_who_comes_while_the_instance_goes_hears_it_after_its_messages(two: Two) -> None:
    passthroughs = two.here.gateway.passthroughs
    assert passthroughs is not None
    await passthroughs.leave(Leaving(700, "shutdown"), PATIENCE_S)
    _, actor = await two.attached()
    assert isinstance(await actor.next(), ClientBeat)
    assert isinstance(await actor.next(), SocketDraining)


@between
async def test_clients_are_sent_away_when_the_instance_of_their_sessions_goes(two: Two) -> None:
    peer, _ = await two.attached()
    await two.port.close()
    assert await peer.hear_close() == CloseCode.GOING_AWAY


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


@between
async def test_an_instance_that_breaks_the_protocol_is_cut_off(two: Two) -> None:
    peer, _ = await two.attached()
    passthroughs = two.here.gateway.passthroughs
    assert passthroughs is not None
    [passthrough] = passthroughs._open
    passthrough.wire.send_binary(b"\x07 nonsense")
    assert await peer.hear_close() == CloseCode.POLICY_VIOLATION
