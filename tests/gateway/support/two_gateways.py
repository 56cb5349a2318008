"""A client at one gateway whose session is at another one."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from actors.messages.session import (
    SocketAttached,
)
from actors.messages.takeover import SessionLocated
from gateway.link.options import PeerOptions
from gateway.link.server import PeerInside, PeerServer
from gateway.options import GatewayOptions
from gateway.passthrough.registry import PeerIdentity
from protocol.ids import InstanceId, SessionId
from tests.gateway.support.raw_peer import Peer
from tests.gateway.support.running_gateway import (
    Recorder,
    RunningGateway,
    open_gateway,
)
from tests.support.null_metrics import NullMetrics
from tests.support.waiting import until

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


def beat(at: int) -> dict[str, Any]:
    return {"type": "client_heartbeat", "session_id": NAME, "timestamp": 0, "last_delivery_seq": at}


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
