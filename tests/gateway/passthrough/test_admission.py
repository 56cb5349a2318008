"""Whom the instance that has the session lets in, and who stays where it is."""

import asyncio

import pytest

from actors.messages.session import (
    ClientBeat,
)
from actors.messages.takeover import SessionFreed, SessionLocated
from gateway.passthrough.passthrough import PassthroughWire
from protocol.errors import CloseCode
from protocol.ids import InstanceId, SessionId
from protocol.instances.link import calling_headers
from protocol.instances.passthrough import (
    PassedClient,
)
from tests.gateway.support.two_gateways import (
    HERE,
    NAME,
    SECRET,
    THERE,
    Two,
    beat,
    between,
)
from tests.support.waiting import until


@between
async def test_a_socket_that_only_names_a_session_ends_where_it_is_refused(two: Two) -> None:
    peer = await two.named()
    assert (await peer.hear())["code"] == "INVALID_SESSION"
    assert await peer.hear_close() == 1011


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
    assert first == ClientBeat(1)
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
    assert await other.hear_close() == 1011
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
