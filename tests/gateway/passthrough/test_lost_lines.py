"""Sockets that are passed through when one of the two instances or the line is gone."""

import asyncio
import json

from actors.messages.session import (
    ClientBeat,
)
from actors.messages.takeover import SessionLocated, SocketDraining
from protocol.errors import CloseCode
from protocol.instances.passthrough import (
    Leaving,
)
from tests.gateway.support.raw_peer import CLOSE, TEXT, Peer
from tests.gateway.support.two_gateways import (
    NAME,
    THERE,
    Two,
    beat,
    between,
)
from tests.support.waiting import PATIENCE_S, until


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


@between
async def test_an_instance_that_breaks_the_protocol_is_cut_off(two: Two) -> None:
    peer, _ = await two.attached()
    passthroughs = two.here.gateway.passthroughs
    assert passthroughs is not None
    [passthrough] = passthroughs._open
    passthrough.wire.send_binary(b"\x07 nonsense")
    assert await peer.hear_close() == CloseCode.POLICY_VIOLATION
