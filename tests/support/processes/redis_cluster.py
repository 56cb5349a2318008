"""A real Redis Cluster on loopback: three masters, with a replica each if asked for."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot

from tests.support.processes.redis_process import (
    RedisProcess,
    free_ports,
    kill_all,
    server_binary,
)
from tests.support.waiting import wait_until

MASTERS = 3
NODE_TIMEOUT_MS = 1000


class RedisCluster:
    """The servers of one cluster: masters first, then their replicas in the same order."""

    def __init__(self, directory: Path, *, replicas: bool) -> None:
        binary = server_binary()
        count = 2 * MASTERS if replicas else MASTERS
        ports = free_ports(2 * count)
        self.servers = [
            RedisProcess(
                binary, directory / str(number), ports[number],
                "--port", str(ports[number]), "--cluster-port", str(ports[count + number]),
                "--bind", "127.0.0.1", "--cluster-enabled", "yes", "--save", "",
                "--cluster-node-timeout", str(NODE_TIMEOUT_MS), "--repl-diskless-sync-delay", "0",
                "--cluster-require-full-coverage", "no", "--dir", str(directory / str(number)),
            )
            for number in range(count)
        ]  # fmt: skip
        self._buses = ports[count:]
        self.masters, self.replicas = self.servers[:MASTERS], self.servers[MASTERS:]

    @property
    def url(self) -> str:
        """For a client that knows two of the masters."""
        places = ",".join(f"127.0.0.1:{server.port}" for server in self.masters[:2])
        return f"redis+cluster://{places}/"

    def start(self) -> None:
        """Start the servers, make a cluster of them, and return when it is well."""
        for server in self.servers:
            server.start()
        for number, master in enumerate(self.masters):
            first = number * REDIS_CLUSTER_HASH_SLOTS // MASTERS
            last = (number + 1) * REDIS_CLUSTER_HASH_SLOTS // MASTERS
            master.must("CLUSTER", "ADDSLOTS", *range(first, last))
            master.must("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        head = self.servers[0]
        for server, bus in zip(self.servers[1:], self._buses[1:], strict=True):
            head.must("CLUSTER", "MEET", "127.0.0.1", server.port, bus)
        wait_until(self._all_met, "the servers know each other")
        for master, replica in zip(self.masters, self.replicas, strict=False):
            replica.must("CLUSTER", "REPLICATE", master.must("CLUSTER", "MYID"))
        wait_until(lambda: all(map(self._is_well, self.servers)), "the cluster is well")
        wait_until(lambda: all(map(_is_linked, self.replicas)), "replicas follow")

    def master_of(self, key: str) -> RedisProcess:
        """Return the server that is the master of a key now."""
        slot = key_slot(key.encode())
        for server in self.servers:
            if server.is_up and "myself,master" in (mine := _myself(server)):
                for part in mine.split()[8:]:
                    first, _, last = part.partition("-")
                    if not part.startswith("[") and int(first) <= slot <= int(last or first):
                        return server
        raise AssertionError(f"slot {slot} has no master")

    def replica_of(self, master: RedisProcess) -> RedisProcess:
        """Return the replica that was started for a master."""
        return self.replicas[self.masters.index(master)]

    def move_slot(self, slot: int, source: RedisProcess, target: RedisProcess) -> None:
        """Begin to move a slot: `finish_move` ends it."""
        target.must("CLUSTER", "SETSLOT", slot, "IMPORTING", source.must("CLUSTER", "MYID"))
        source.must("CLUSTER", "SETSLOT", slot, "MIGRATING", target.must("CLUSTER", "MYID"))

    def finish_move(self, slot: int, source: RedisProcess, target: RedisProcess) -> None:
        """Bring the slot's keys over and tell everybody whose it is."""
        while keys := source.must("CLUSTER", "GETKEYSINSLOT", slot, 100):
            source.must("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", *keys)
        for server in (target, source, *self.masters):
            server.must("CLUSTER", "SETSLOT", slot, "NODE", target.must("CLUSTER", "MYID"))

    def close(self) -> None:
        """End all servers."""
        kill_all(self.servers)

    def _all_met(self) -> bool:
        return all(
            len(server.must("CLUSTER", "NODES").splitlines()) == len(self.servers)
            and "handshake" not in server.must("CLUSTER", "NODES")
            for server in self.servers
        )

    def _is_well(self, server: RedisProcess) -> bool:
        nodes = str(server.must("CLUSTER", "NODES"))
        return (
            "cluster_state:ok" in server.must("CLUSTER", "INFO")
            and f"cluster_slots_ok:{REDIS_CLUSTER_HASH_SLOTS}" in server.must("CLUSTER", "INFO")
            and nodes.count("slave") == len(self.replicas)
        )


@contextmanager
def running_cluster(*, replicas: bool = False) -> Iterator[RedisCluster]:
    """Run a cluster on loopback ports of its own."""
    with TemporaryDirectory(prefix="lingua-cluster-", ignore_cleanup_errors=True) as directory:
        cluster = RedisCluster(Path(directory), replicas=replicas)
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.close()


def _myself(server: RedisProcess) -> str:
    lines = str(server.must("CLUSTER", "NODES")).splitlines()
    return next(line for line in lines if "myself" in line)


def _is_linked(replica: RedisProcess) -> bool:
    return "master_link_status:up" in replica.must("INFO", "replication")
