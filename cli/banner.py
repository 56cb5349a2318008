"""What the operator reads when the scheduler is up. Must not know the rooms, only what to say."""

import ipaddress
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Banner:
    """Facts for one readable block on standard output. No secrets."""

    version: str
    instance_id: str
    host: str
    """Address that is listened on, as configured."""
    port: int
    """Port that is listened on, as the system gave it."""
    store: str
    """Which store is used."""
    durability: str
    """What survives a restart."""
    ready_seconds: float
    """From the start of the process until it serves."""

    def __str__(self) -> str:
        place = f"{_reachable(self.host)}:{self.port}"
        rows = [
            ("clients", f"ws://{place}/ws/session"),
            ("nodes", f"ws://{place}/ws/node"),
            ("health", f"http://{place}/health  (also /ready and /metrics)"),
            ("store", self.store),
            ("", self.durability),
            ("a node", f"python run.py node --url ws://{place}/ws/node"),
            ("a client", f"python run.py client FILE.wav --to es --url ws://{place}/ws/session"),
            ("stop", "Ctrl-C: running jobs finish first; a second one ends at once"),
        ]
        head = (
            f"lingua-scheduler {self.version}, instance {self.instance_id}, "
            f"ready in {self.ready_seconds:.2f} s"
        )
        return "\n".join([head, *(f"  {name:<9}{text}" for name, text in rows)])


def _reachable(host: str) -> str:
    """Return an address that one can connect to on this machine, bracketed where URLs need it."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if address.is_unspecified:
        return "127.0.0.1" if address.version == 4 else "[::1]"  # noqa: PLR2004 - IP version
    return host if address.version == 4 else f"[{host}]"  # noqa: PLR2004 - IP version
