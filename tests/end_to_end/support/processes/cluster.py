"""Several schedulers on one store: `with instances(3) as cluster:` starts them, and the store."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from tests.support.processes.redis_server import real_server
from tests.support.processes.scheduler_process import SchedulerProcess


@dataclass
class Cluster:
    """The processes by their place; a place may be taken by a successor."""

    url: str
    flags: tuple[str, ...]
    members: list[SchedulerProcess] = field(default_factory=list)
    expect_errors: bool = False
    _stack: ExitStack = field(default_factory=ExitStack)

    def start(self, *flags: str) -> SchedulerProcess:
        """Start one more instance."""
        all_flags = ("--port", "0", "--redis-url", self.url, *self.flags, *flags)
        member = SchedulerProcess(*all_flags)
        self._stack.callback(member.close)
        self._stack.callback(member.kill)
        assert member.port, f"it ended at once: {member.output}{member.log()}"
        self.members.append(member)
        return member

    def replace(self, place: int, seconds: float = 40.0) -> SchedulerProcess:
        """Shut an instance down in order and start its successor."""
        member = self.members[place]
        member.terminate()
        status = member.wait(seconds)
        assert status == 0, f"it ended with status {status}: {member.log()[-4000:]}"
        successor = self.start()
        self.members.remove(successor)
        self.members[place] = successor
        return successor

    def crash(self, member: SchedulerProcess) -> None:
        """End a process as a power cut would."""
        member.kill()
        self.members.remove(member)

    def close(self) -> None:
        """End those that run; none may have logged an error."""
        for member in self.members:
            if member.process.poll() is None:
                member.terminate()
        for member in self.members:
            member.wait()
        complaints = [line for member in self.members for line in member.complaints()]
        assert not complaints, "\n".join(complaints)


@contextmanager
def instances(count: int, *flags: str) -> Iterator[Cluster]:
    """Start a store and so many instances on it; they end in order and have logged no error."""
    with real_server() as url, instances_on(url, count, *flags) as cluster:
        yield cluster


@contextmanager
def instances_on(url: str, count: int, *flags: str) -> Iterator[Cluster]:
    """Start so many instances on this store; they end in order and have logged no error."""
    cluster = Cluster(url, flags)
    with cluster._stack:
        for _ in range(count):
            cluster.start()
        yield cluster
        cluster.close()
