"""`run.py --workers N`: N schedulers behind one port, kept running, with one set of metrics.

Owns the processes: it starts them, starts again what ends by itself, stops them. Each is a whole
instance with a lease of its own in the shared store; what one leaves behind the others clear up.
It must not know anything about speech, jobs or sockets.
"""

import asyncio
import contextlib
import os
import secrets
import signal
import time
from dataclasses import dataclass, field, replace

from loguru import logger

from cli.output import OutputClosedError, print_text
from cli.serve.banner import banner_of
from cli.serve.live_access import has_files
from cli.serve.service_manager import ServiceManager
from cli.serve.worker_messages import (
    LONGEST_LINE_BYTES,
    FromWorker,
    MetricsAsked,
    MetricsShown,
    MetricsSummed,
    Ready,
    Reload,
    ShowMetrics,
    Stop,
    ToWorker,
    WorkOrder,
    encode,
    read_from_worker,
)
from cli.settings.error import SettingsError, cannot_listen
from cli.settings.settings import Settings
from gateway.edge.shared_port import SharedPort
from gateway.http.metrics_sum import sum_metrics
from peers.child_module import module_command, module_environment
from storage.embedded.server import RunningStore

_SHORTEST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 5.0
_SOUND_AFTER_S = 30.0
"""A worker that lived so long is started again at once when it ends."""
_ANSWER_SECONDS = 2.0
"""A worker that does not say its figures in this time is left out."""
_STOP_SLACK_SECONDS = 15.0
"""Beyond `drain_seconds`: sockets have to close, too."""


def run_workers(settings: Settings, store: RunningStore, manager: ServiceManager) -> int:
    """Run them until a signal; return the exit status.

    Raises:
        SettingsError: The port is in use, or nobody reads where it is.
    """
    host, port = settings.gateway.host, settings.gateway.port
    try:
        shared = SharedPort(host, port)
    except OSError as error:
        raise cannot_listen(host, port, error) from error
    with shared:
        return asyncio.run(_Workers(settings, store, shared.port, manager).run())


@dataclass(slots=True)
class _Worker:
    """One process, and what it has reported."""

    number: int
    process: asyncio.subprocess.Process
    started_s: float
    is_ready: bool = False
    figures: dict[int, str] = field(default_factory=dict)
    """Its answers to questions that are still open."""

    def tell(self, message: ToWorker) -> None:
        """Write a line; one that has ended does not hear it."""
        if self.process.stdin is not None and not self.process.stdin.is_closing():
            self.process.stdin.write(encode(message))


class _Workers:
    """All of them. Life: `run`, once."""

    def __init__(
        self, settings: Settings, store: RunningStore, port: int, manager: ServiceManager
    ) -> None:
        self._manager = manager
        self._settings = settings
        self._store = store
        self._port = port
        self._name = settings.instance.instance_id or f"i-{secrets.token_hex(4)}"
        self._wanted = settings.instance.workers
        self._workers: dict[int, _Worker] = {}
        self._keepers: list[asyncio.Task[int]] = []
        self._stopping = asyncio.Event()
        self._all_ready = asyncio.Event()
        self._answered = asyncio.Condition()
        self._questions = 0
        self._starts = 0
        self._start_fault: SettingsError | None = None
        self._sums: set[asyncio.Task[None]] = set()

    async def run(self) -> int:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal, number)
        if has_files(self._settings):
            loop.add_signal_handler(signal.SIGHUP, self._reload)
        self._keepers = [asyncio.create_task(self._keep(n)) for n in range(self._wanted)]
        announcing = asyncio.create_task(self._announce())
        async with self._manager.watched():
            statuses = await asyncio.gather(*self._keepers)
        announcing.cancel()
        if self._start_fault is not None:
            raise self._start_fault
        for summing in self._sums:
            summing.cancel()
        return max(statuses)

    async def _announce(self) -> None:
        await self._all_ready.wait()
        banner = banner_of(self._settings, self._name, self._port, self._store)
        try:
            print_text(str(replace(banner, workers=self._wanted)))
            self._manager.ready()
        except OutputClosedError as error:
            self._start_fault = SettingsError(str(error))
            self._stop()

    # ---- one worker, again and again --------------------------------------------------------

    async def _keep(self, number: int) -> int:
        """Keep one worker running; return the exit status of the last."""
        pause_s = _SHORTEST_PAUSE_S
        while True:
            worker = await self._start(number)
            status = await self._listen(worker)
            if self._stopping.is_set():
                return status
            if not self._all_ready.is_set():  # what it wrote on stderr is what is wrong
                self._stop()
                return status or 1
            lived_s = time.monotonic() - worker.started_s
            pause_s = _SHORTEST_PAUSE_S if lived_s > _SOUND_AFTER_S else pause_s * 2
            log = logger.bind(worker=number, exit_status=status, lived_seconds=round(lived_s, 1))
            log.log("ERROR" if status else "WARNING", "a worker ended by itself; starting another")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), min(pause_s, _LONGEST_PAUSE_S))
            if self._stopping.is_set():
                return status or 1

    async def _start(self, number: int) -> _Worker:
        """Start a process; it is an instance of its own, never the one that ended."""
        self._starts += 1
        instance_id = f"{self._name}.{self._starts}"
        process = await asyncio.create_subprocess_exec(
            *module_command("cli.serve.worker"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=LONGEST_LINE_BYTES,
            env=module_environment(),
            start_new_session=True,  # Ctrl-C is for us: we tell the workers
        )
        worker = _Worker(number, process, time.monotonic())
        self._workers[number] = worker
        order = WorkOrder(
            settings=self._settings,
            instance_id=instance_id,
            port=self._port,
            store_url=self._store.url,
        )
        worker.tell(order)
        if self._stopping.is_set():
            worker.tell(Stop())
        return worker

    async def _listen(self, worker: _Worker) -> int:
        """Take what the worker sends until it ends; return its exit status."""
        stdout = worker.process.stdout
        while stdout is not None and (line := await stdout.readline()):
            try:
                message = read_from_worker(line)
            except ValueError:
                logger.bind(worker=worker.number).error("a worker sent something unknown")
                continue
            await self._take(worker, message)
        status = await worker.process.wait()
        async with self._answered:  # nobody waits for its figures any more
            if self._workers.get(worker.number) is worker:
                del self._workers[worker.number]
            self._answered.notify_all()
        return status

    async def _take(self, worker: _Worker, message: FromWorker) -> None:
        match message:
            case Ready():
                worker.is_ready = True
                if sum(other.is_ready for other in self._workers.values()) == self._wanted:
                    self._all_ready.set()
            case MetricsAsked():
                summing = asyncio.create_task(self._sum_for(worker, message.number))
                self._sums.add(summing)
                summing.add_done_callback(self._sums.discard)
            case MetricsShown():
                async with self._answered:
                    worker.figures[message.number] = message.text
                    self._answered.notify_all()

    # ---- the figures of all -----------------------------------------------------------------

    async def _sum_for(self, asker: _Worker, asked: int) -> None:
        """Ask everybody, add up, answer."""
        self._questions += 1
        question = self._questions
        for worker in self._workers.values():
            worker.tell(ShowMetrics(question))

        def all_have_answered() -> bool:
            return all(question in worker.figures for worker in self._workers.values())

        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_ANSWER_SECONDS), self._answered:
                await self._answered.wait_for(all_have_answered)
        texts = [
            text.encode()
            for worker in self._workers.values()
            if (text := worker.figures.pop(question, None)) is not None
        ]
        asker.tell(MetricsSummed(asked, sum_metrics(texts).decode()))

    # ---- the end ----------------------------------------------------------------------------

    def _on_signal(self, number: signal.Signals) -> None:
        if self._stopping.is_set():
            self._kill()
            self._store.close()
            os._exit(128 + number)
        logger.bind(signal=number.name).info("stopping; running jobs may finish")
        self._stop()

    def _reload(self) -> None:
        for worker in self._workers.values():
            worker.tell(Reload())

    def _stop(self) -> None:
        self._manager.stopping()
        self._stopping.set()
        for worker in self._workers.values():
            worker.tell(Stop())
        loop = asyncio.get_running_loop()
        loop.call_later(self._settings.gateway.drain_seconds + _STOP_SLACK_SECONDS, self._kill)

    def _kill(self) -> None:
        for worker in self._workers.values():
            with contextlib.suppress(ProcessLookupError):
                worker.process.kill()
