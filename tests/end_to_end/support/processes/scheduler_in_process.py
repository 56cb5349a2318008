"""A whole scheduler in the test's own process and on its loop, with real sockets and a real store.

For tests that break one of its collaborators (`monkeypatch`) to make an actor fail in earnest. Its
peers see it over sockets, as they see any other.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from actors.runtime.actor import ActorFailed, ActorRegistry
from cli.serve.scheduler import Scheduler
from cli.settings.settings import Settings
from protocol.ids import InstanceId
from storage.embedded.server import StoreOptions, start_store
from tests.support.waiting import PATIENCE_S

FLAGS = {
    "port": "0",
    "hangover_manual_ms": "0",
    "session_grace_seconds": "0.5",
    "drain_seconds": "1",
}


class SchedulerHere:
    """What tests ask of it."""

    def __init__(self, scheduler: Scheduler, escalated: list[ActorFailed]) -> None:
        self._scheduler = scheduler
        self._has_stopped = False
        self.escalated = escalated
        """Failures that it gave up after."""

    @property
    def session_url(self) -> str:
        """Where clients connect."""
        return f"ws://127.0.0.1:{self._scheduler.gateway.port}/ws/session"

    @property
    def node_url(self) -> str:
        """Where nodes connect."""
        return f"ws://127.0.0.1:{self._scheduler.gateway.port}/ws/node"

    def metrics(self) -> dict[str, float]:
        """Return the figures of `/metrics` by name with labels."""
        lines = self._scheduler.metrics_text().decode().splitlines()
        pairs = (line.rpartition(" ") for line in lines if line and not line.startswith("#"))
        return {name: float(value) for name, _, value in pairs}

    async def wait_for(self, seconds: float = PATIENCE_S, **gauges: float) -> None:
        """Return when these gauges have these values."""
        async with asyncio.timeout(seconds):
            while True:
                now = self.metrics()
                found = {name: now[f"lingua_{name}"] for name in gauges}
                if found == gauges:
                    return
                await asyncio.sleep(0.01)

    async def stop(self) -> None:
        """End it in order, as a signal does. Idempotent."""
        if self._has_stopped:
            return
        self._has_stopped = True
        await self._scheduler.drain()
        await self._scheduler.stop()


@asynccontextmanager
async def scheduler_here(**settings: Any) -> AsyncIterator[SchedulerHere]:
    """Run a scheduler with an embedded store; nothing of it may be left."""
    flags = FLAGS | {name: str(value) for name, value in settings.items()}
    escalated: list[ActorFailed] = []
    store = await asyncio.to_thread(start_store, StoreOptions())
    try:
        scheduler = Scheduler(
            Settings.load(flags, None), InstanceId("i-here"), store.url, escalated.append
        )
        await scheduler.start()
        here = SchedulerHere(scheduler, escalated)
        try:
            yield here
            if not escalated:
                await here.wait_for(sessions=0, nodes=0, open_slots=0, audio_bytes_held=0)
        finally:
            await here.stop()
        assert not ActorRegistry.get_all(), "an actor is left"
    finally:
        await asyncio.to_thread(store.close)
