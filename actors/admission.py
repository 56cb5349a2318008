"""Who may come in.

Pure. Must not: close sockets; it counts and decides.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from annotated_types import Ge, Gt


@dataclass(frozen=True, slots=True)
class AdmissionOptions:
    """Bounds of one process on what its clients may bring."""

    max_sessions: Annotated[int, Ge(1)] = 10_000
    """Attached sessions of this process; further ones are turned away (close code 1013)."""
    max_detached_sessions: Annotated[int, Ge(0)] = 0
    """Sessions of this process that wait for their clients, beyond which those end that matter
    least; 0: as many as `max_sessions`."""
    tenants: str = ""
    """What tenants may have, `name:weight=2,sessions=100,slots=20;…`; any of the three may be left
    out. Where several wait, nodes are shared by weight (1)."""
    tenant_max_sessions: Annotated[int, Ge(0)] = 0
    """Attached sessions of one tenant in this process, unless `tenants` names another number;
    further ones are turned away (close code 1013); 0: any number."""
    max_held_audio_bytes: Annotated[int, Ge(1)] = 256 * 1024 * 1024
    """Bytes of uplink audio held by all sessions together; beyond it utterances are refused."""
    max_held_audio_per_session: Annotated[int, Ge(1)] = 16 * 1024 * 1024
    """Bytes of uplink audio held by one session; beyond it its utterances are refused."""
    max_open_utterances: Annotated[int, Ge(1)] = 50_000
    """Utterances without an outcome, of all sessions together; beyond it they are refused."""
    max_open_per_session: Annotated[int, Ge(1)] = 200
    """The same of one session; beyond it its utterances are refused."""
    ingest_rate: Annotated[float, Gt(0)] = 4.0
    """Audio that a session may send, as a multiple of real time."""
    ingest_burst_ms: Annotated[int, Ge(0)] = 20_000
    """Milliseconds of audio that a session may send at once beyond `ingest_rate`."""
    overload_lag_ms: Annotated[int, Ge(1)] = 250
    """Lag of the event loop, in milliseconds, that is too much if it lasts."""
    overload_after_ms: Annotated[int, Ge(0)] = 2_000
    """Milliseconds of such lag after which sessions are turned away (close code 1013), and after
    as many more, sessions are read more slowly; twice as long without it undoes each step."""

    @property
    def most_detached(self) -> int:
        """How many sessions may wait for their clients."""
        return self.max_detached_sessions or self.max_sessions


class Refusal(StrEnum):
    """Why a session may not open now."""

    DRAINING = "draining"
    """The process is shutting down."""
    MAX_SESSIONS = "max_sessions"
    """As many sessions are open as `max_sessions` allows."""
    TENANT_MAX_SESSIONS = "tenant_max_sessions"
    """The tenant has as many open as it may."""
    OVERLOADED = "overloaded"
    """The process cannot keep up with the sessions that it has."""


def admit_session(
    open_sessions: int,
    options: AdmissionOptions,
    *,
    draining: bool = False,
    tenant_is_full: bool = False,
    overloaded: bool = False,
) -> Refusal | None:
    """Return why a further session is refused; None lets it in.

    `open_sessions` counts attached sessions: detached ones take no place from others, and where
    too many wait for their clients, some of those end.
    """
    if draining:
        return Refusal.DRAINING
    if open_sessions >= options.max_sessions:
        return Refusal.MAX_SESSIONS
    if tenant_is_full:
        return Refusal.TENANT_MAX_SESSIONS
    return Refusal.OVERLOADED if overloaded else None


_MINUTE_MS = 60_000.0


class JoinAttempts:
    """The attempts of one socket within the last minute. All times are monotonic ms."""

    __slots__ = ("_at_ms", "_most")

    def __init__(self, per_minute: int) -> None:
        self._most = per_minute
        self._at_ms: list[float] = []

    def take(self, now_ms: float) -> bool:
        """Count an attempt; False: there were too many, and this one is none."""
        while self._at_ms and self._at_ms[0] <= now_ms - _MINUTE_MS:
            self._at_ms.pop(0)
        if len(self._at_ms) >= self._most:
            return False
        self._at_ms.append(now_ms)
        return True

    def forgive(self) -> None:
        """The latest attempt was no guess: the room was there, or nobody could say."""
        if self._at_ms:
            self._at_ms.pop()
