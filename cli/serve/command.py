"""The command `serve`: one scheduler process from its settings to its last line.

Owns the order in which things start and stop. It must not decide anything about speech or jobs.
"""

import asyncio
import gc
import os
import secrets
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from loguru import logger

from actors.runtime.actor import ActorFailed
from cli.commands import summary
from cli.logs import configure_logs
from cli.output import OutputClosedError, print_text
from cli.serve.banner import banner_of
from cli.serve.live_access import LiveAccess, has_files
from cli.serve.open_files import allow_open_files, report_full
from cli.serve.scheduler import Scheduler
from cli.serve.service_manager import ServiceManager
from cli.serve.store_check import check_store
from cli.settings.arguments import parse
from cli.settings.error import SettingsError, cannot_listen
from cli.settings.settings import Settings, known_settings
from peers.event_loop import run
from protocol.ids import InstanceId
from storage.embedded.process import StoreUnusable
from storage.embedded.server import RunningStore, start_store

_GC_THRESHOLDS = (50_000, 20, 100)
"""A full collection takes a tenth of a second with 10,000 sessions, so it has to be rare."""


def main(argv: Sequence[str]) -> int:
    """Run the scheduler that the arguments, the environment and the TOML file describe."""
    arguments = parse(argv, summary())
    settings = Settings.load(arguments.flags, arguments.config)
    configure_logs(settings.logs)
    _warn_of_secrets(arguments.flags)
    for warning in LiveAccess(settings).warnings():  # read once before anything starts
        logger.warning(warning)
    return serve(settings)


def _warn_of_secrets(flags: Mapping[str, str]) -> None:
    """Every user of the machine can read the flags of every process."""
    for name, text in flags.items():
        setting = known_settings()[name]
        if setting.secret and (not name.endswith("_url") or "@" in text):
            log = logger.bind(flag=setting.flag, instead=setting.variable)
            log.warning("a secret in a flag is seen in the list of processes")


def serve(settings: Settings) -> int:
    """Run one scheduler, or several behind one port, until told to stop; return the status.

    What keeps all of them from starting is found out here, once.
    """
    manager = ServiceManager()
    allow_open_files(settings.admission.max_sessions)
    with _usable_store(settings) as store:
        if settings.instance.workers > 1:
            from cli.serve.workers import run_workers  # noqa: PLC0415 - one process needs none of it

            return run_workers(settings, store, manager)
        return run(_alone(settings, store, manager))


@contextmanager
def _usable_store(settings: Settings) -> Iterator[RunningStore]:
    """Give a store that was tried out. It blocks, so it comes before the loop."""
    try:
        with start_store(settings.store) as store:
            processes = settings.instance.workers
            run(check_store(store.url, settings.store, processes))
            yield store
    except StoreUnusable as error:
        raise SettingsError(str(error)) from error


async def _alone(settings: Settings, store: RunningStore, manager: ServiceManager) -> int:
    """Be the only scheduler of this process."""
    stop = StopSignals(store.close, manager.stopping)
    instance_id = InstanceId(settings.instance.instance_id or f"i-{secrets.token_hex(4)}")
    scheduler = Scheduler(settings, instance_id, store.url, stop.on_escalate)

    def announce() -> None:
        banner = banner_of(settings, instance_id, scheduler.gateway.port, store)
        print_text(str(banner))
        manager.ready()

    async with manager.watched():
        return await run_scheduler(scheduler, settings, stop, announce)


async def run_scheduler(
    scheduler: Scheduler, settings: Settings, stop: "StopSignals", announce: Callable[[], None]
) -> int:
    """Start it, print where it is, wait for a signal, drain, stop; return the exit status."""
    report_full(asyncio.get_running_loop())
    if has_files(settings):
        stop.on_hangup(scheduler.access.reload)
    try:
        await _open(scheduler, settings)
        gc.collect()
        gc.freeze()  # what lives as long as the process is not looked at again
        gc.set_threshold(*_GC_THRESHOLDS)
        try:
            announce()
        except OutputClosedError as error:  # whoever started it cannot read where it is
            raise SettingsError(str(error)) from error
        await stop.wait()
        await scheduler.drain()
    finally:
        await scheduler.stop()
    return 1 if stop.failed else 0


async def _open(scheduler: Scheduler, settings: Settings) -> None:
    try:
        await scheduler.start()
    except StoreUnusable as error:
        raise SettingsError(str(error)) from error
    except OSError as error:
        raise cannot_listen(settings.gateway.host, settings.gateway.port, error) from error


class StopSignals:
    """SIGTERM and SIGINT: the first asks for an orderly end, a second ends the process at once."""

    def __init__(
        self,
        on_second: Callable[[], object] = lambda: None,
        on_first: Callable[[], object] = lambda: None,
    ) -> None:
        """Take signals from now on; `on_second` is what must still be done before a sudden end."""
        self.failed = False
        """True when it was not a signal that asked."""
        self._asked = asyncio.Event()
        self._on_second = on_second
        self._on_first = on_first
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal, number)

    async def wait(self) -> None:
        """Return when an orderly end was asked for."""
        await self._asked.wait()
        self._on_first()

    def on_hangup(self, reload: Callable[[], None]) -> None:
        """Have SIGHUP read files again, from now on."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reload)

    def ask(self) -> None:
        """Ask for an orderly end."""
        self._asked.set()

    def on_escalate(self, failure: ActorFailed) -> None:
        """An actor that the process cannot do without fails again and again: end it in order."""
        logger.critical("giving up", actor=failure.actor_class.__name__)
        self.failed = True
        self._asked.set()

    def _on_signal(self, number: signal.Signals) -> None:
        if self._asked.is_set():
            self._on_second()
            os._exit(128 + number)
        logger.bind(signal=number.name).info("stopping; running jobs may finish")
        self._asked.set()
