"""What an operator may set about the sockets. Must not: decide anything."""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Le


@dataclass(frozen=True, slots=True)
class GatewayOptions:
    """Where the gateway listens, and what it takes from a socket before it closes it."""

    host: str = "127.0.0.1"
    """Address to listen on."""
    port: Annotated[int, Ge(0), Le(65_535)] = 5010
    """TCP port to listen on; 0 takes any free one."""
    ping_interval_ms: Annotated[int, Ge(1)] = 20_000
    """Milliseconds between pings to a client; nodes are not pinged."""
    ping_timeout_ms: Annotated[int, Ge(1)] = 20_000
    """Milliseconds after which a client that does not answer a ping is gone."""
    session_max_message_bytes: Annotated[int, Ge(1024)] = 1024 * 1024
    """Longest message of a client, in bytes."""
    node_max_message_bytes: Annotated[int, Ge(1024)] = 16 * 1024 * 1024
    """Longest message of a node, in bytes."""
    max_bad_messages: int = 20
    """Messages in a row that a socket may get wrong; one more closes it with 1008."""
    max_outbox_bytes: Annotated[int, Ge(1024)] = 8 * 1024 * 1024
    """Bytes that may wait for a receiver that does not read; beyond, it is closed with 4008."""
    drain_seconds: float = 30.0
    """Seconds that running jobs get to finish on shutdown."""
    allow_anonymous: str = ""
    """Who needs no token on a public address: `clients`, `nodes` or `clients,nodes`."""
