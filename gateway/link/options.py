"""What an operator may set about links between instances. Must not: decide anything."""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Le


@dataclass(frozen=True, slots=True)
class PeerOptions:
    """Where other instances on the same store reach this one, and how they prove themselves."""

    peer_host: str = "127.0.0.1"
    """Address to listen on for other instances."""
    peer_port: Annotated[int, Ge(0), Le(65_535)] = 0
    """TCP port to listen on for other instances; 0 takes any free one."""
    peer_url: str | None = None
    """Where other instances reach this one (ws:// or wss://); absent: peer_host and the port."""
    cluster_secret: str | None = None
    """What instances show each other, the same on all; absent: one that the store keeps."""
