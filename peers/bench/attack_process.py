"""The attackers of a bench, in a process of their own: so many sockets for each attack.

`python -m peers.bench.attack_process` is led as `load_process` is:

    {"command": "open", ...AttackSpec}  connect all, attack       → {"event": "ready"}
    {"command": "close"}                cut all connections      → {"event": "closed", ...}

Each attacker writes as fast as its socket takes it, and comes again when it was cut off. Each has
a loopback address of its own where the machine has them, so that no limit for one address ends the
attack. It runs at the lowest priority: what it costs is its own, not the neighbour's.
"""

import asyncio
import contextlib
import json
import os
import re
import sys
from asyncio import FIRST_COMPLETED
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, cast

from peers.bench.attacks import WEAPONS, Attack, batch, opening_batch
from peers.event_loop import run

AGAIN_SECONDS: Final = 0.05
"""How soon an attacker comes again that was cut off."""
CONNECT_AT_ONCE: Final = 50
OPEN_SECONDS: Final = 30.0
"""How long the attack may take to be complete."""
BREATH_BYTES: Final = 4 * 1024 * 1024
"""After so much an attacker lets the next one write."""
_SESSION_ID: Final = re.compile(rb'"session_id":"([^"]+)"')
_KEPT_BYTES: Final = 4096
_ADDRESSES: Final = 65_000
_LOWEST_PRIORITY: Final = 19


@dataclass(frozen=True, slots=True)
class AttackSpec:
    """Who attacks what."""

    host: str
    port: int
    attackers: Mapping[Attack, int]
    """Sockets for each attack."""

    def as_json(self) -> dict[str, Any]:
        """Return the spec as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "AttackSpec":
        """Return the spec that `as_json` wrote."""
        attackers = {Attack(name): count for name, count in values["attackers"].items()}
        return cls(**values | {"attackers": attackers})


class Attacker(asyncio.Protocol):
    """One socket: opens a session where the attack needs one, then writes without an end."""

    def __init__(self, attack: Attack, counts: Counter[str]) -> None:
        loop = asyncio.get_running_loop()
        self.opened: asyncio.Future[None] = loop.create_future()
        self.gone: asyncio.Future[None] = loop.create_future()
        self._attack = attack
        self._weapon = WEAPONS[attack]
        self._counts = counts
        self._transport: asyncio.Transport | None = None
        self._batch = b""
        self._is_full = False
        self._heard = b""
        self._is_open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the socket."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(
            f"GET {self._weapon.path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n".encode()
        )

    def connection_lost(self, exc: Exception | None) -> None:
        """Count it."""
        del exc
        self._transport = None
        self._counts["lost"] += 1
        if not self.gone.done():
            self.gone.set_result(None)

    def abort(self) -> None:
        """Cut the connection."""
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Read as far as the session's id, then nothing or everything."""
        if self._batch:
            return
        self._heard = (self._heard + data)[-_KEPT_BYTES:]
        if not self._is_open:
            if b" 101 " not in self._heard or b"\r\n\r\n" not in self._heard:
                return
            self._is_open = True
            self._counts["opened"] += 1
            self.opened.set_result(None)
            if self._transport is not None and self._weapon.languages is not None:
                self._transport.write(self._weapon.opening())
        if self._weapon.languages is None:
            self._attack_now("")
        elif (found := _SESSION_ID.search(self._heard)) is not None:
            self._attack_now(found[1].decode())

    def _attack_now(self, session_id: str) -> None:
        if self._transport is None:
            return
        if not self._weapon.reads:
            self._transport.pause_reading()
        self._counts["attacking"] += 1
        self._batch = batch(self._attack, session_id)
        self._transport.write(opening_batch(self._attack))
        self._write()

    def pause_writing(self) -> None:
        """The socket takes no more."""
        self._is_full = True

    def resume_writing(self) -> None:
        """It does again."""
        self._is_full = False
        self._write()

    def _write(self) -> None:
        written = 0
        while self._transport is not None and not self._is_full and written < BREATH_BYTES:
            self._transport.write(self._batch)
            written += len(self._batch)
            if self._attack is Attack.LOOKUPS:  # it is answered, and the socket is closed
                break
        self._counts["kilobytes"] += written // 1024
        if self._transport is not None and not self._is_full and self._attack is not Attack.LOOKUPS:
            asyncio.get_running_loop().call_soon(self._write)


class Attackers:
    """All of one process."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._all_open = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._numbers = 0

    async def open(self, spec: AttackSpec) -> None:
        """Connect all, some at once; each goes on until `close`."""
        at_once = asyncio.Semaphore(CONNECT_AT_ONCE)
        for attack, count in spec.attackers.items():
            self._tasks += [
                asyncio.create_task(self._go_on(attack, spec, at_once)) for _ in range(count)
            ]
        with contextlib.suppress(TimeoutError):  # some are kept out: they go on trying
            async with asyncio.timeout(OPEN_SECONDS):
                await self._all_open.wait()

    async def close(self) -> None:
        """Cut all connections."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _address(self) -> tuple[str, int] | None:
        """Return a loopback address that no other attacker has; None: there is but one."""
        if not sys.platform.startswith("linux"):
            return None
        self._numbers = (self._numbers + 1) % _ADDRESSES
        return f"127.{1 + self._numbers // 250}.{self._numbers % 250}.1", 0

    async def _go_on(self, attack: Attack, spec: AttackSpec, at_once: asyncio.Semaphore) -> None:
        loop = asyncio.get_running_loop()
        own = self._address()
        while True:
            try:
                async with at_once:
                    _, attacker = await loop.create_connection(
                        lambda: Attacker(attack, self.counts), spec.host, spec.port, local_addr=own
                    )
            except OSError:
                self.counts["refused"] += 1
                await asyncio.sleep(AGAIN_SECONDS)
                continue
            try:
                await asyncio.wait((attacker.opened, attacker.gone), return_when=FIRST_COMPLETED)
                if self.counts["opened"] >= len(self._tasks):
                    self._all_open.set()
                await attacker.gone
            finally:
                attacker.abort()
            await asyncio.sleep(AGAIN_SECONDS)


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    commands = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    attackers = Attackers()
    while line := await commands.readline():
        message = json.loads(line)
        if message.pop("command") == "open":
            await attackers.open(AttackSpec.from_json(message))
            answer: dict[str, Any] = {"event": "ready"}
        else:
            await attackers.close()
            answer = {"event": "closed", "problems": [], **attackers.counts}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    os.nice(_LOWEST_PRIORITY)
    run(_serve())
