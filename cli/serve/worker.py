"""One of several schedulers behind one port; `cli/serve/workers.py` starts it, and nobody else.

Owns the two pipes to the supervisor. Everything else is as in a scheduler that runs alone.
"""

import asyncio
import sys
from itertools import count

from loguru import logger

from cli.logs import configure_logs
from cli.serve.command import StopSignals, run_scheduler
from cli.serve.scheduler import NodePlacement, Scheduler
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
    WorkOrder,
    encode,
    read_to_worker,
)
from cli.settings.error import SettingsError
from peers.event_loop import run
from protocol.ids import InstanceId

_SUM_SECONDS = 4.0
"""Longer than the supervisor waits for the slowest worker."""


def main() -> int:
    """Run one worker to its end; return the exit status."""
    try:
        return run(_Worker().run())
    except SettingsError as error:
        sys.stderr.write(f"lingua: {error}\n")
        return 2


class _Worker:
    """A scheduler and its pipes."""

    def __init__(self) -> None:
        self._up: asyncio.StreamWriter | None = None
        self._scheduler: Scheduler | None = None
        self._numbers = count(1)
        self._asked: dict[int, asyncio.Future[str]] = {}

    async def run(self) -> int:
        """Serve until the supervisor says stop, or is gone."""
        stop = StopSignals()
        down = await self._open_pipes()
        order = read_to_worker(await down.readline())
        if not isinstance(order, WorkOrder):
            raise TypeError("the first line must be the order")
        configure_logs(order.settings.logs)
        self._scheduler = Scheduler(
            order.settings,
            InstanceId(order.instance_id),
            order.store_url,
            stop.on_escalate,
            NodePlacement(order.port, self._all_metrics, shares_port=True),
        )
        listening = asyncio.create_task(self._listen(down, stop))
        try:
            return await run_scheduler(
                self._scheduler, order.settings, stop, lambda: self._send(Ready())
            )
        finally:
            listening.cancel()

    async def _open_pipes(self) -> asyncio.StreamReader:
        loop = asyncio.get_running_loop()
        down = asyncio.StreamReader(limit=LONGEST_LINE_BYTES)
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(down), sys.stdin.buffer)
        transport, protocol = await loop.connect_write_pipe(
            lambda: asyncio.StreamReaderProtocol(asyncio.StreamReader()), sys.stdout.buffer
        )
        self._up = asyncio.StreamWriter(transport, protocol, None, loop)
        return down

    async def _listen(self, down: asyncio.StreamReader, stop: StopSignals) -> None:
        while line := await down.readline():
            try:
                message = read_to_worker(line)
            except ValueError:
                logger.error("the supervisor sent something unknown")
                continue
            match message:
                case Stop():
                    stop.ask()
                case Reload() if self._scheduler is not None:
                    self._scheduler.access.reload()
                case ShowMetrics(number) if self._scheduler is not None:
                    own = (await self._scheduler.renewed_metrics_text()).decode()
                    self._send(MetricsShown(number, own))
                case MetricsSummed(number, text):
                    waiting = self._asked.pop(number, None)
                    if waiting is not None and not waiting.done():
                        waiting.set_result(text)
                case other:
                    logger.bind(kind=type(other).__name__).error("not for a worker")
        stop.ask()  # the supervisor is gone

    def _send(self, message: FromWorker) -> None:
        if self._up is not None:
            self._up.write(encode(message))

    async def _all_metrics(self) -> bytes:
        """Return the figures of all workers; its own where the supervisor does not answer."""
        number = next(self._numbers)
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._asked[number] = answer
        self._send(MetricsAsked(number))
        try:
            async with asyncio.timeout(_SUM_SECONDS):
                return (await answer).encode()
        except TimeoutError:
            logger.warning("the figures of the other workers did not come")
            return b"" if self._scheduler is None else await self._scheduler.renewed_metrics_text()
        finally:
            self._asked.pop(number, None)


if __name__ == "__main__":
    sys.exit(main())
