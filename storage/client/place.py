"""StorePlace: what a store URL says of where the store is. Pure.

    redis://…, rediss://…, unix://…                            one server
    redis+cluster://[user:password@]host:port,host:port/       some nodes of a cluster
    redis+sentinel://[user:password@]host:port,…/name[/db]     sentinels, and the master they watch

`rediss+…` speaks TLS to the servers. User, password and options (`?…`) are for the servers.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Self
from urllib.parse import urlsplit

DEFAULT_PORT = 6379
SENTINEL_PORT = 26379
_SCHEMES = ("redis", "rediss", "unix")
_MANY = ("redis", "rediss")


class Kind(StrEnum):
    """What stands at the other end."""

    SERVER = "server"
    CLUSTER = "cluster"
    SENTINEL = "sentinel"


@dataclass(frozen=True, slots=True)
class StorePlace:
    """A store URL, taken apart."""

    kind: Kind
    scheme: str
    """`redis`, `rediss` or `unix`: how one server of it is reached."""
    seeds: tuple[tuple[str, int], ...]
    """Hosts and ports to ask first; of a single server none, its URL says it."""
    credentials: str
    """`user:password@` as given, or empty."""
    master_name: str = ""
    database: str = ""
    options: str = ""
    """What stands behind the question mark."""

    @classmethod
    def from_url(cls, url: str) -> Self:
        """Return what the URL says.

        Raises:
            ValueError: It is none of the kinds above.
        """
        parts = urlsplit(url)
        scheme, _, kind = parts.scheme.partition("+")
        if not kind:
            place = parts.path if scheme == "unix" else parts.hostname
            if scheme not in _SCHEMES or not place or parts.port == 0:
                raise ValueError("a store URL needs a scheme that is known, and a place")
            return cls(Kind.SERVER, scheme, (), "")
        if scheme not in _MANY or kind not in (Kind.CLUSTER, Kind.SENTINEL):
            raise ValueError("the scheme of a store URL is not known")
        credentials, at, hosts = parts.netloc.rpartition("@")
        port = DEFAULT_PORT if kind == Kind.CLUSTER else SENTINEL_PORT
        seeds = tuple(_host_and_port(text, port) for text in hosts.split(","))
        name, _, database = parts.path.strip("/").partition("/")
        if (kind == Kind.SENTINEL) != bool(name) or (database and not database.isdecimal()):
            raise ValueError("sentinels need the name of a master, a cluster has no path")
        return cls(Kind(kind), scheme, seeds, credentials + at, name, database, parts.query)

    def server_url(self, host: str, port: int) -> str:
        """Return the URL of one server of the cluster or set."""
        bracketed = f"[{host}]" if ":" in host else host
        options = f"?{self.options}" if self.options else ""
        return f"{self.scheme}://{self.credentials}{bracketed}:{port}/{self.database}{options}"


def _host_and_port(text: str, default_port: int) -> tuple[str, int]:
    parts = urlsplit(f"//{text.strip()}")
    if not parts.hostname or parts.port == 0:
        raise ValueError("a host is missing")
    return parts.hostname, parts.port or default_port
