"""CredentialWatch: closes sockets whose credential has run out or is no longer valid.

It owns which open socket came in with what. It must not judge requests, and keeps no token: of one
from a list its hash, of a JWT its key and its end.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from itertools import count
from math import inf
from typing import Protocol, TypeVar

from loguru import logger

from protocol.errors import CloseCode

_LONGEST_WAIT_S = 3600.0
"""A timer is set anew after this, so that a clock that is set counts."""
_REMOVED = "this credential is no longer valid"
_EXPIRED = "this credential has run out: connect with another"


@dataclass(frozen=True, slots=True)
class Proof:
    """What somebody got in with."""

    name: str
    """Whom it stands for."""
    key: object = field(repr=False)
    """What must still be among what is valid: a token's hash, or the key that signed it."""
    expires_at_s: float = inf
    """Unix time from which it is no longer valid."""


class Closable(Protocol):
    """A socket that can be ended."""

    def close(self, code: CloseCode, reason: str) -> None:
        """Close it; a second time has no effect."""


Socket = TypeVar("Socket", bound=Closable)


class CredentialWatch:
    """Life: that of the gateway. One timer for all; constant work for each socket."""

    def __init__(self, wall_s: Callable[[], float] = time.time) -> None:
        self._wall_s = wall_s
        self._proofs: dict[Closable, Proof] = {}
        self._ends: list[tuple[float, int, Closable]] = []
        """A heap; what is gone stays until its time, or until more is gone than is not."""
        self._numbers = count()
        self._timer: asyncio.TimerHandle | None = None

    def __repr__(self) -> str:
        return f"<CredentialWatch of {len(self._proofs)}>"

    def add(self, socket: Socket, proof: Proof | None) -> Socket:
        """Watch a socket that came in with this; with nothing, it needs nothing. Returns it."""
        if proof is None:
            return socket
        self._proofs[socket] = proof
        if proof.expires_at_s < inf:
            end: tuple[float, int, Closable] = proof.expires_at_s, next(self._numbers), socket
            heappush(self._ends, end)
            if self._ends[0][2] is socket:
                self._set_timer()
        return socket

    def remove(self, socket: Closable) -> None:
        """It is gone."""
        if self._proofs.pop(socket, None) is not None and not self._proofs:
            self.close()
        if len(self._ends) > 2 * len(self._proofs) + 64:
            self._ends = [end for end in self._ends if end[2] in self._proofs]
            heapify(self._ends)

    def renew(self, is_valid: Callable[[Proof], bool]) -> None:
        """Close what came in with something that is valid no more."""
        judged: dict[tuple[str, int], bool] = {}
        for socket, proof in list(self._proofs.items()):
            known = proof.name, id(proof.key)
            if known not in judged:
                judged[known] = is_valid(proof)
            if not judged[known]:
                self._close(socket, _REMOVED)

    def close(self) -> None:
        """Watch no more."""
        self._proofs.clear()
        self._ends.clear()
        self._set_timer()

    def look(self) -> None:
        """Close what has run out."""
        now_s = self._wall_s()
        while self._ends and self._ends[0][0] <= now_s:
            _, _, socket = heappop(self._ends)
            if socket in self._proofs:
                self._close(socket, _EXPIRED)
        self._set_timer()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._ends:
            wait_s = min(_LONGEST_WAIT_S, max(0.0, self._ends[0][0] - self._wall_s()))
            self._timer = asyncio.get_running_loop().call_later(wait_s, self.look)

    def _close(self, socket: Closable, why: str) -> None:
        proof = self._proofs.pop(socket)
        logger.bind(name=proof.name, why=why).info("socket closed with its credential")
        socket.close(CloseCode.POLICY_VIOLATION, why)
