"""TLS on the port: sockets and answers as ever, and a certificate that is replaced in use."""

import asyncio
from pathlib import Path

from tests.end_to_end.support.asking import ask, handshake
from tests.support.certificates import write_certificate
from tests.support.peers.raw_wire import over_sockets
from tests.support.processes.scheduler_process import running_scheduler
from tests.support.waiting import until


def replace(folder: Path, other: Path) -> None:
    """Put a new certificate in place, key first, as a renewal does."""
    for name in ("key.pem", "cert.pem"):
        (other / name).replace(folder / name)


@over_sockets
async def test_the_certificate_is_replaced_while_clients_come_and_go(tmp_path: Path) -> None:
    folder, fresh = tmp_path / "live", tmp_path / "fresh"
    for made in (folder, fresh):
        made.mkdir()
        write_certificate(made)
    former = tmp_path / "former.pem"
    former.write_bytes((folder / "cert.pem").read_bytes())
    newer = tmp_path / "newer.pem"
    newer.write_bytes((fresh / "cert.pem").read_bytes())
    flags = ("--tls-cert", str(folder / "cert.pem"), "--tls-key", str(folder / "key.pem"))
    with running_scheduler(*flags) as scheduler:
        assert "wss://127.0.0.1" in scheduler.output
        assert "https://127.0.0.1" in scheduler.output
        session = f"wss://127.0.0.1:{scheduler.port}/ws/session"
        assert await handshake(session, trusted=former) is None
        assert (await asyncio.to_thread(ask, scheduler, "/health", trusted=former)).body == "OK"
        replace(folder, fresh)

        async def is_replaced() -> bool:
            try:
                return await handshake(session, trusted=newer) is None
            except OSError:  # the former one still
                return False

        await until(is_replaced, "the new certificate")
        assert (await asyncio.to_thread(ask, scheduler, "/ready", trusted=newer)).status == 200
        assert not scheduler.complaints()
