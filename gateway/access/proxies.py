"""From which address a request comes, also behind proxies. Pure.

`X-Forwarded-For` is read from its right end, where the proxy next to us has written whom it serves,
and only as far as proxies that are trusted have written it: what stands left of that anybody could
have sent. An address of IPv6 counts by its /64, which one customer has for itself.
"""

import ipaddress
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

_MOST_HOPS = 32
_LOOPBACK = (ipaddress.ip_address("127.0.0.1"), ipaddress.ip_address("::1"))
_CUSTOMER_BITS = 64

Address = IPv4Address | IPv6Address


class TrustedProxies:
    """The proxies whose word counts for whom they serve."""

    def __init__(self, networks: Iterable[str] = ()) -> None:
        """`networks`: addresses, or ranges such as `10.0.0.0/8`; see `is_network`."""
        self._networks: tuple[IPv4Network | IPv6Network, ...] = tuple(
            ipaddress.ip_network(text, strict=False) for text in networks
        )

    def __repr__(self) -> str:
        return f"<TrustedProxies {len(self._networks)} networks>"

    def client_of(self, peer: str, forwarded: Sequence[str]) -> str:
        """Return whom a connection counts for; empty: for nobody, so that no bound holds.

        Args:
            peer: The address of the other end; empty for this machine.
            forwarded: The lines of `X-Forwarded-For`, in their order.
        """
        address = _read(peer)
        if not self._trusts(address):
            return "" if address is None else _counted(address)
        hops = [hop for line in forwarded for hop in line.split(",")][-_MOST_HOPS:]
        for hop in reversed(hops):
            before = _read(_without_port(hop.strip()))
            if before is None:
                return ""  # the proxy does not know either
            if not self._trusts(before):
                return _counted(before)
        return ""

    def has(self, peer: str) -> bool:
        """Tell whether this is a proxy's address: one of those, or this machine's if none is named.

        Args:
            peer: The address of the other end; empty for this machine.
        """
        return self._trusts(_read(peer)) if self._networks else not peer

    def _trusts(self, address: Address | None) -> bool:
        """Tell whether a proxy is trusted; None stands for this machine."""
        candidates = _LOOPBACK if address is None or address.is_loopback else (address,)
        return any(one in network for network in self._networks for one in candidates)


def is_network(text: str) -> bool:
    """Tell whether the text is an address or a range of addresses."""
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def _read(text: str) -> Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _counted(address: Address) -> str:
    if address.is_loopback:
        return ""
    if isinstance(address, IPv4Address):
        return str(address)
    return str(ipaddress.ip_network((int(address), _CUSTOMER_BITS), strict=False))


def _without_port(hop: str) -> str:
    """Return the address of `1.2.3.4:5`, `[2001:db8::1]:5` or either without a port."""
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop
