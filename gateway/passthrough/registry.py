"""The sockets of one gateway whose sessions are on other instances.

It owns the calls under way and the set of open connections, and sees that an instance that fell
silent is noticed. What passes through is the matter of each `Passthrough`.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from gateway.edge.keepalive import Keepalive
from gateway.link.calling_socket import CallFailedError
from gateway.passthrough.passthrough import Passthrough
from protocol.ids import InstanceId
from protocol.instances.link import PEER_PATH, calling_headers
from protocol.instances.passthrough import PASSTHROUGH_PATH, Leaving

CALL_SECONDS = 3.0
"""For so long an instance that has a session may take to answer."""


@dataclass(frozen=True, slots=True)
class PeerIdentity:
    """Who this instance is to the others."""

    instance_id: InstanceId
    secret: Callable[[], str]
    """What a caller shows; empty while it is not known."""


class Passthroughs:
    """Life: that of the gateway. Implements `PassthroughCalls`."""

    def __init__(self, identity: PeerIdentity, keepalive: Keepalive, max_outbox_bytes: int) -> None:
        self.max_outbox_bytes = max_outbox_bytes
        """Bytes that may wait for a client that does not read."""
        self._identity = identity
        self._keepalive = keepalive
        self._calls: set[asyncio.Task[None]] = set()
        self._open: set[Passthrough] = set()
        self._none_left: asyncio.Event | None = None
        self._leaving: Leaving | None = None

    def __repr__(self) -> str:
        return f"<Passthroughs {len(self._open)} calls={len(self._calls)}>"

    def __len__(self) -> int:
        return len(self._open)

    def call(self, passthrough: Passthrough, peer_url: str, owner: InstanceId) -> None:
        """Call the session's owner; `passthrough` hears what comes of it."""
        task = asyncio.get_running_loop().create_task(self._call(passthrough, peer_url, owner))
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)

    async def _call(self, passthrough: Passthrough, peer_url: str, owner: InstanceId) -> None:
        identity = self._identity
        headers = calling_headers(identity.secret(), identity.instance_id, owner)
        try:
            async with asyncio.timeout(CALL_SECONDS):
                await passthrough.wire.call(
                    _passthrough_url(peer_url), headers | passthrough.client.headers()
                )
        except (OSError, TimeoutError, ValueError, CallFailedError) as error:
            if not passthrough.wire.is_open:  # it may have answered in the very last moment
                passthrough.call_failed(error)
        finally:
            if not passthrough.wire.is_open:
                passthrough.wire.abort()

    def opened(self, passthrough: Passthrough) -> None:
        """Watch over one that is open."""
        self._open.add(passthrough)
        self._keepalive.add(passthrough.wire)
        if self._leaving is not None:
            passthrough.leave(self._leaving)

    def ended(self, passthrough: Passthrough) -> None:
        """Forget a passthrough."""
        self._open.discard(passthrough)
        self._keepalive.remove(passthrough.wire)
        if self._none_left is not None and not self._open:
            self._none_left.set()

    async def leave(self, leaving: Leaving, within_seconds: float) -> None:
        """Have the sessions let go of their sockets here; return when all have, or in time."""
        self._leaving, self._none_left = leaving, asyncio.Event()
        for passthrough in list(self._open):
            passthrough.leave(leaving)
        if not self._open:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(within_seconds):
                await self._none_left.wait()

    async def close(self) -> None:
        """Give up the calls under way."""
        for task in self._calls:
            task.cancel()
        await asyncio.gather(*self._calls, return_exceptions=True)


def _passthrough_url(peer_url: str) -> str:
    """Return where an instance takes sockets: below where it takes links, whatever a proxy does."""
    return peer_url.rstrip("/") + PASSTHROUGH_PATH.removeprefix(PEER_PATH)
