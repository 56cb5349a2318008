"""What an operator may set about the sockets. Must not: decide anything."""

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Le


@dataclass(frozen=True, slots=True)
class GatewayOptions:
    """Where the gateway listens, and what it takes from a socket before it closes it."""

    host: str = "127.0.0.1"
    """Address to listen on."""
    port: Annotated[int, Ge(0), Le(65_535)] = 5010
    """TCP port to listen on; 0 takes any free one."""
    path_prefix: str = ""
    """Path (`/lingua`) below which a proxy serves this service, where it sends it along."""
    proxy_protocol: Literal["on", "off"] = "off"
    """`on`: connections from `trusted_proxies` (from this machine, if that is empty) begin with a
    PROXY header of version 2."""
    ping_interval_ms: Annotated[int, Ge(1)] = 20_000
    """Milliseconds between pings to a client; nodes are not pinged."""
    ping_timeout_ms: Annotated[int, Ge(1)] = 20_000
    """Milliseconds after which a client that does not answer a ping is gone."""
    first_message_ms: Annotated[int, Ge(1)] = 10_000
    """Milliseconds after which a client's socket that has sent nothing at all is closed."""
    session_max_message_bytes: Annotated[int, Ge(1024)] = 4 * 1024 * 1024
    """Longest message of a client, in bytes; what is longer is read past and refused."""
    node_max_message_bytes: Annotated[int, Ge(1024)] = 16 * 1024 * 1024
    """Longest message of a node that was given a job in the last 10 minutes, in bytes."""
    idle_node_max_message_bytes: Annotated[int, Ge(1024)] = 64 * 1024
    """Longest message of any other node, in bytes."""
    max_list_items: Annotated[int, Ge(1)] = 2000
    """Items in a list inside a message; a message with a longer list is refused."""
    message_rate: Annotated[int, Ge(1)] = 200
    """Messages that a client may send in a second, or what costs as much work; beyond, its socket
    is read more slowly."""
    message_burst: Annotated[int, Ge(1)] = 400
    """Messages that a client may send at once beyond `message_rate`."""
    read_ahead_bytes: Annotated[int, Ge(0)] = 1024 * 1024
    """Bytes that are read from a client whose messages have to wait, so that its pings do not."""
    max_bad_messages: int = 20
    """Messages in a row that a socket may get wrong; one more closes it with 1008."""
    max_outbox_bytes: Annotated[int, Ge(1024)] = 8 * 1024 * 1024
    """Bytes that may wait for a receiver that does not read; beyond, it is closed with 4008."""
    max_buffered_bytes: Annotated[int, Ge(1024)] = 128 * 1024 * 1024
    """Bytes kept for all sockets together: outboxes, read ahead, unfinished messages; beyond, the
    socket with the most is closed with 4008."""
    max_sockets_per_address: Annotated[int, Ge(0)] = 0
    """Open sockets of clients from one address; 0: any number. Loopback addresses are exempt."""
    metrics_pairs: Annotated[int, Ge(1)] = 50
    """Pairs of languages that have figures of their own in `/metrics`; others count as `other`."""
    metrics_nodes: Annotated[int, Ge(0)] = 50
    """Nodes that `/metrics` names: the slowest, and those that fail most."""
    drain_seconds: float = 30.0
    """Seconds that running jobs get to finish on shutdown."""
    allow_anonymous: str = ""
    """Who needs no token on a public address: `clients`, `nodes` or `clients,nodes`."""
