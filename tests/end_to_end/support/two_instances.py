"""Two whole instances in one process, on one store, with a link between them that only carries.

What crosses is turned into JSON and read back, as on a link between machines: a message that could
not cross one fails here.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from pydantic import TypeAdapter

from actors.directory import Directory
from actors.messages.room import (
    HeardAcknowledged,
    HeardCorrection,
    HeardCut,
    HeardOutcome,
    HeardPartial,
    RoomChanged,
    SignalRelayed,
)
from actors.ports import Mailbox
from cli.serve.scheduler import Scheduler
from cli.settings.settings import Settings
from gateway.options import GatewayOptions
from protocol.ids import InstanceId, NodeId, SessionId

_CROSSING = (
    RoomChanged,
    HeardCut,
    HeardOutcome,
    HeardCorrection,
    HeardAcknowledged,
    HeardPartial,
    SignalRelayed,
)
_ADAPTERS: dict[type, TypeAdapter[Any]] = {kind: TypeAdapter(kind) for kind in _CROSSING}


@dataclass
class Link:
    """The way to the other instance; `is_cut` makes all that is told to it disappear."""

    other: Directory
    is_cut: bool = False
    crossed: int = 0

    def session(self, instance_id: InstanceId, session_id: SessionId) -> Mailbox | None:
        """Return the way to a session there."""
        if instance_id != self.other.instance_id:
            return None
        return _Way(self, session_id)

    def node(self, _instance_id: InstanceId, _node_id: NodeId) -> Mailbox | None:
        """Return nothing: jobs stay at home here."""
        return None

    def dispatcher(self, _instance_id: InstanceId) -> Mailbox | None:
        """Return nothing: jobs stay at home here."""
        return None

    def flush(self, _asker: Mailbox) -> int:
        """Return that nothing is under way."""
        return 0


@dataclass
class _Way:
    link: Link
    session_id: SessionId

    def tell(self, message: Any) -> None:
        """Carry a message over, unless the link is cut."""
        adapter = _ADAPTERS[type(message)]
        carried = adapter.validate_json(adapter.dump_json(message))
        assert carried == message, "it is another one on the other side"
        asyncio.get_running_loop().call_soon(self._arrive, carried)

    def _arrive(self, message: Any) -> None:
        session = self.link.other.sessions.get(self.session_id)
        if session is not None and not self.link.is_cut:
            self.link.crossed += 1
            session.tell(message)


@dataclass(frozen=True)
class Instance:
    """One of the two."""

    scheduler: Scheduler
    link: Link
    """From here to the other one."""

    @property
    def session_url(self) -> str:
        """Where clients connect."""
        return f"ws://127.0.0.1:{self.scheduler.gateway.port}/ws/session"

    @property
    def node_url(self) -> str:
        """Where nodes connect."""
        return f"ws://127.0.0.1:{self.scheduler.gateway.port}/ws/node"


@asynccontextmanager
async def two_instances(store_url: str, settings: Settings) -> AsyncIterator[list[Instance]]:
    """Start both, let a test use them, end them in order."""
    settings = replace(settings, gateway=GatewayOptions(port=0))
    pair = [
        Scheduler(settings, InstanceId(name), store_url, lambda _failure: None)
        for name in ("i-1", "i-2")
    ]
    links = [Link(pair[1]._directory), Link(pair[0]._directory)]
    for scheduler, link in zip(pair, links, strict=True):
        scheduler._directory.remotes = link
        await scheduler.start()
    try:
        yield [Instance(*both) for both in zip(pair, links, strict=True)]
    finally:
        for scheduler in pair:
            await scheduler.drain()
            await scheduler.stop()
