"""What the operator reads when the scheduler is up. Must not know the parts, only what to print."""

import ipaddress
import time
from dataclasses import dataclass

from cli.commands import PROCESS_STARTED_SECONDS
from cli.program import PROGRAM
from cli.settings.access_rules import shuts_operators_out
from cli.settings.arguments import project_version
from cli.settings.settings import Settings
from storage.embedded.server import RunningStore

_SHUT = "shut out: set LINGUA_ADMIN_TOKEN for /metrics, /api/v1 and /dashboard"


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
    has_tls: bool = False
    """The port speaks TLS only."""
    shuts_operators_out: bool = False
    """Nobody may see figures and reports: there is no token for it."""
    workers: int = 1
    """Processes behind the port."""

    def __str__(self) -> str:
        ws, http = ("wss", "https") if self.has_tls else ("ws", "http")
        place = f"{_reachable(self.host)}:{self.port}"
        rows = [
            ("clients", f"{ws}://{place}/ws/session"),
            ("nodes", f"{ws}://{place}/ws/node"),
            ("health", f"{http}://{place}/health  (also /ready and /metrics)"),
            ("store", self.store),
            ("", self.durability),
            ("a node", f"{PROGRAM} node --url {ws}://{place}/ws/node"),
            ("a client", f"{PROGRAM} client FILE.wav --to es --url {ws}://{place}/ws/session"),
            *([("operators", _SHUT)] if self.shuts_operators_out else []),
            ("stop", "Ctrl-C: running jobs finish first; a second one ends at once"),
        ]
        many = f" with {self.workers} workers" if self.workers > 1 else ""
        head = (
            f"lingua-scheduler {self.version}, instance {self.instance_id}{many}, "
            f"ready in {self.ready_seconds:.2f} s"
        )
        return "\n".join([head, *(f"  {name:<10}{text}" for name, text in rows)])


def banner_of(settings: Settings, instance_id: str, port: int, store: RunningStore) -> Banner:
    """Return what is to be said now that this process serves."""
    return Banner(
        version=project_version(),
        instance_id=instance_id,
        host=settings.gateway.host,
        port=port,
        has_tls=settings.access.tls_cert is not None,
        shuts_operators_out=shuts_operators_out(settings.access, settings.gateway),
        store=store.description,
        durability=store.durability,
        ready_seconds=time.monotonic() - PROCESS_STARTED_SECONDS,
    )


def _reachable(host: str) -> str:
    """Return an address that one can connect to on this machine, bracketed where URLs need it."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if address.is_unspecified:
        return "127.0.0.1" if address.version == 4 else "[::1]"  # noqa: PLR2004 - IP version
    return host if address.version == 4 else f"[{host}]"  # noqa: PLR2004 - IP version
