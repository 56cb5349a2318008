"""A real Sentinel set on loopback: a master, its replica, and three sentinels that watch them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support.processes.redis_process import (
    RedisProcess,
    free_ports,
    kill_all,
    server_binary,
)
from tests.support.waiting import wait_until

MASTER_NAME = "lingua"
_SENTINELS = 3


class SentinelSet:
    """Two servers and their sentinels."""

    def __init__(self, directory: Path) -> None:
        binary = server_binary()
        self._directory = directory
        ports = free_ports(2 + _SENTINELS)
        self.servers = [
            RedisProcess(
                binary, directory / str(number), port,
                "--port", str(port), "--bind", "127.0.0.1", "--save", "",
                "--repl-diskless-sync-delay", "0", "--dir", str(directory / str(number)),
            )
            for number, port in enumerate(ports[:2])
        ]  # fmt: skip
        self.sentinels = [
            RedisProcess(
                binary, directory / f"sentinel{number}", port,
                str(directory / f"sentinel{number}.conf"), "--sentinel",
            )
            for number, port in enumerate(ports[2:])
        ]  # fmt: skip

    @property
    def url(self) -> str:
        """For a client that knows all sentinels."""
        places = ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in self.sentinels)
        return f"redis+sentinel://{places}/{MASTER_NAME}"

    @property
    def master(self) -> RedisProcess:
        """The server that says that it is the master; fails when there is none."""
        return next(one for one in self.servers if one.is_up and one.must("ROLE")[0] == "master")

    def start(self) -> None:
        """Start everything and return when the sentinels know the replica and each other."""
        master, replica = self.servers
        master.start()
        replica.start()
        replica.must("REPLICAOF", "127.0.0.1", master.port)
        wait_until(lambda: replica.must("ROLE")[3] == "connected", "the replica follows")
        for number, sentinel in enumerate(self.sentinels):
            settings = (
                f"port {sentinel.port}\nbind 127.0.0.1\n"
                f"sentinel monitor {MASTER_NAME} 127.0.0.1 {master.port} 2\n"
                f"sentinel down-after-milliseconds {MASTER_NAME} 500\n"
                f"sentinel failover-timeout {MASTER_NAME} 3000\n"
            )
            path = self._directory / f"sentinel{number}.conf"
            path.write_text(settings)
            sentinel.start()
        wait_until(self._all_known, "the sentinels know everybody")

    def close(self) -> None:
        """End everything."""
        kill_all([*self.sentinels, *self.servers])

    def _all_known(self) -> bool:
        for sentinel in self.sentinels:
            row = sentinel.must("SENTINEL", "MASTER", MASTER_NAME)
            known = dict(zip(row[::2], row[1::2], strict=True))
            if (known["num-slaves"], known["num-other-sentinels"]) != ("1", str(_SENTINELS - 1)):
                return False
        return True


@contextmanager
def running_sentinels() -> Iterator[SentinelSet]:
    """Run a set on loopback ports of its own."""
    with TemporaryDirectory(prefix="lingua-sentinel-", ignore_cleanup_errors=True) as directory:
        everything = SentinelSet(Path(directory))
        try:
            everything.start()
            yield everything
        finally:
            everything.close()
