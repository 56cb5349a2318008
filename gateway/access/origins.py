"""Which web pages may connect, and by which names we may be called. Pure.

A browser sends `Origin` with each WebSocket handshake and `Host` with each request, and a page can
change neither. A page of a stranger names its own origin; a page that has had its name pointed at
us (DNS rebinding) names that name as host.
"""

import ipaddress
from collections.abc import Iterable
from urllib.parse import urlsplit

_DEFAULT_PORTS = {"http": 80, "https": 443}
_LOOPBACK_NAMES = ("localhost", "ip6-localhost")

Place = tuple[str, int | None]
"""A host in lower case without brackets, and a port; None: the scheme's."""


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach the address; a name could mean anything."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_origin(text: str) -> bool:
    """Tell whether the text is an origin as browsers send it, `null` apart."""
    return origin_of(text) is not None


def origin_of(text: str) -> tuple[str, str, int] | None:
    """Return scheme, host and port of an origin (RFC 6454); None for anything else."""
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    has_more = parts.path or parts.query or parts.fragment or "@" in parts.netloc
    if parts.scheme not in _DEFAULT_PORTS or not host or has_more:
        return None
    return parts.scheme, host, port or _DEFAULT_PORTS[parts.scheme]


def is_own_page(origin: str, host: str) -> bool:
    """Tell whether a page of this origin came from where the request went (`Host`).

    Its scheme does not count: in front of us a proxy may speak TLS.
    """
    page, place = origin_of(origin), place_of(host)
    if page is None or place is None:
        return False
    scheme, name, port = page
    return (name, port) == (place[0], place[1] or _DEFAULT_PORTS[scheme])


def place_of(host: str) -> Place | None:
    """Return name and port of a `Host` header (RFC 9110 section 7.2); None for anything else."""
    try:
        parts = urlsplit(f"//{host}")
        name, port = parts.hostname, parts.port
    except ValueError:
        return None
    if not name or parts.netloc != host or "@" in host:
        return None
    return name.rstrip("."), port


class KnownHosts:
    """The names by which whoever needs no credential may call us."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._names = frozenset(name.lower().rstrip(".") for name in names)

    def has(self, host: str) -> bool:
        """Tell whether it is an address, a name of this machine, or one of the given names."""
        place = place_of(host)
        if place is None:
            return False
        name = place[0]
        if name in self._names or name in _LOOPBACK_NAMES or name.endswith(".localhost"):
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True


class KnownOrigins:
    """The pages of others that may open sessions."""

    def __init__(self, origins: Iterable[str] = ()) -> None:
        self._origins = frozenset(filter(None, map(origin_of, origins)))

    def has(self, origin: str) -> bool:
        """Tell whether it is one of them."""
        return origin_of(origin) in self._origins
