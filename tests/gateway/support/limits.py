"""Small limits, and how the tests see that one was reached."""

from typing import Any

from actors.messages.session import ChunkArrived
from gateway.options import GatewayOptions
from tests.gateway.support.raw_peer import (
    Peer,
)
from tests.gateway.support.running_gateway import RunningGateway, chunk


def options(**changes: Any) -> GatewayOptions:
    return GatewayOptions(port=0, **changes)


def reached(running: RunningGateway, limit: str) -> bool:
    return f'lingua_limits_reached_total{{limit="{limit}"}}' in running.metrics.text().decode()


async def lives(peer: Peer, actor: Any) -> None:
    """See that a session's socket goes on as if nothing had been."""
    peer.say(chunk("s-1", 99))
    assert await actor.next() == ChunkArrived(b"", 99, is_final=False)
