"""Clients that name a detached session at another instance."""

from typing import Any

from tests.support.peers.raw_client import RawClient
from tests.support.peers.raw_wire import Pair
from tests.support.processes.scheduler_process import SchedulerProcess

LEASE = 1.0


GRACE = 3.0


FLAGS = (
    f"--session-grace-seconds={int(GRACE)}",
    f"--gateway-grace-seconds={int(GRACE)}",
    "--close-flush-ms=1000",
    "--hangover-manual-ms=5",
    f"--instance-lease-ms={int(LEASE * 1000)}",
    "--drain-seconds=6",
    "--ping-interval-ms=1000",
    "--ping-timeout-ms=2000",
    "--ingest-rate=20",
)


async def detached(at: SchedulerProcess, pair: Pair, **fields: Any) -> RawClient:
    """Return a client that has opened a session and lost its line; others may not only name it."""
    client = await RawClient(at.session_url).open()
    await client.init(*pair, **{"platform": "api-gateway", **fields})
    client.abort()
    return client


async def naming(at: SchedulerProcess, former: RawClient) -> RawClient:
    """Return another line of the same client, on which nothing was said yet."""
    client = RawClient(at.session_url)
    client.session_id, client.seq = former.session_id, former.seq
    client._deliveries = former._deliveries
    return await client.open()


async def attached(at: SchedulerProcess, former: RawClient) -> RawClient:
    """Go on with a detached session at another instance."""
    client = await naming(at, former)
    await client.fence()
    return client


async def refused(client: RawClient) -> str:
    await client.say(client.own("client_heartbeat", timestamp=1))
    return str((await client.error())["code"])
