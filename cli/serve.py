"""The command `serve`: one scheduler process from its settings to its last line.

Owns the order in which things start and stop. It must not decide anything about speech or jobs.
"""

import asyncio
import gc
import importlib
import importlib.util
import os
import secrets
import signal
import sys
import time
from collections.abc import Callable, Sequence

from loguru import logger

from actors.runtime import ActorFailed
from cli.arguments import parse, project_version
from cli.banner import Banner
from cli.commands import PROCESS_STARTED_SECONDS, summary
from cli.logs import configure_logs
from cli.scheduler import Scheduler
from cli.settings import Settings
from cli.settings_error import SettingsError
from protocol.ids import InstanceId
from storage.process import StoreUnusable
from storage.server import RunningStore, start_store

_GC_THRESHOLDS = (50_000, 20, 100)
"""A full collection takes a tenth of a second with 10,000 sessions, so it has to be rare."""


def main(argv: Sequence[str]) -> int:
    """Run the scheduler that the arguments, the environment and the TOML file describe."""
    arguments = parse(argv, summary())
    settings = Settings.load(arguments.flags, arguments.config)
    configure_logs(settings.logs)
    return serve(settings)


def serve(settings: Settings) -> int:
    """Run one scheduler until it is told to stop; return the exit status."""
    try:
        store = start_store(settings.store)  # it blocks, so it comes before the loop
    except StoreUnusable as error:
        raise SettingsError(str(error)) from error
    with store, asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(_scheduler(settings, store))


async def _scheduler(settings: Settings, store: RunningStore) -> int:
    """Start the rooms, say so, wait for a signal, drain, stop them; return the exit status."""
    stop = StopSignals(store)
    instance_id = InstanceId(settings.instance.instance_id or f"i-{secrets.token_hex(4)}")
    scheduler = Scheduler(settings, instance_id, store.url, stop.on_escalate)
    try:
        await _open_the_door(scheduler, settings)
        gc.collect()
        gc.freeze()  # what lives as long as the process is not looked at again
        gc.set_threshold(*_GC_THRESHOLDS)
        banner = Banner(
            version=project_version(),
            instance_id=instance_id,
            host=settings.gateway.host,
            port=scheduler.gateway.port,
            store=store.description,
            durability=store.durability,
            ready_seconds=time.monotonic() - PROCESS_STARTED_SECONDS,
        )
        sys.stdout.write(f"{banner}\n")
        sys.stdout.flush()
        await stop.wait()
        await scheduler.drain()
    finally:
        await scheduler.stop()
    return 1 if stop.failed else 0


async def _open_the_door(scheduler: Scheduler, settings: Settings) -> None:
    try:
        await scheduler.start()
    except OSError as error:
        where = f"{settings.gateway.host}:{settings.gateway.port}"
        raise SettingsError(f"cannot listen on {where}: {error.strerror or error}") from error


class StopSignals:
    """SIGTERM and SIGINT: the first asks for an orderly end, a second ends the process at once."""

    def __init__(self, store: RunningStore) -> None:
        self.failed = False
        """True when it was not a signal that asked."""
        self._asked = asyncio.Event()
        self._store = store
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal, number)

    async def wait(self) -> None:
        """Return when an orderly end was asked for."""
        await self._asked.wait()

    def on_escalate(self, failure: ActorFailed) -> None:
        """An actor that the process cannot do without fails again and again: end it in order."""
        logger.critical("giving up", actor=failure.actor_class.__name__)
        self.failed = True
        self._asked.set()

    def _on_signal(self, number: signal.Signals) -> None:
        if self._asked.is_set():
            self._store.close()
            os._exit(128 + number)
        logger.bind(signal=number.name).info("stopping; running jobs may finish")
        self._asked.set()


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    if importlib.util.find_spec("uvloop") is None:
        return asyncio.new_event_loop
    factory: Callable[[], asyncio.AbstractEventLoop]
    factory = importlib.import_module("uvloop").new_event_loop
    return factory
