"""Several scheduler processes on one real store, as an operator would run them."""

import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from tests.support.processes.redis_server import real_server
from tests.support.processes.scheduler_process import SchedulerProcess, running_scheduler

FLAGS = ("--hangover-manual-ms", "0", "--drain-seconds", "2")


@dataclass(frozen=True, slots=True)
class Instances:
    """The processes, and the store they share."""

    processes: tuple[SchedulerProcess, ...]
    store_url: str

    def __getitem__(self, number: int) -> SchedulerProcess:
        return self.processes[number]

    def __len__(self) -> int:
        return len(self.processes)


@contextmanager
def running_instances(
    count: int, *flags: str, expect_errors: bool = False, own: Sequence[Sequence[str]] = ()
) -> Iterator[Instances]:
    """Run so many schedulers, named a, b, c …, on one store; `own` has flags for each."""
    with ExitStack() as stack:
        url = stack.enter_context(real_server())
        processes = []
        for number in range(count):
            name = "abcdefgh"[number]
            further = own[number] if number < len(own) else ()
            processes.append(
                stack.enter_context(
                    running_scheduler(
                        *("--redis-url", url, "--instance-id", name),
                        *(*FLAGS, *flags, *further),
                        expect_errors=expect_errors,
                    )
                )
            )
        yield Instances(tuple(processes), url)


def free_port() -> int:
    """Return a port nobody listens on at this moment."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port
