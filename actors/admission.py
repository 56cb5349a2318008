"""Who may come in, and how much uplink audio the process may hold.

Pure. Must not: close sockets, end jobs or keep audio; it counts and decides.
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
    max_held_audio_bytes: Annotated[int, Ge(1)] = 256 * 1024 * 1024
    """Bytes of uplink audio held by all sessions together; beyond it utterances are refused."""
    ingest_rate: Annotated[float, Gt(0)] = 4.0
    """Audio that a session may send, as a multiple of real time."""
    ingest_burst_ms: Annotated[int, Ge(0)] = 20_000
    """Milliseconds of audio that a session may send at once beyond `ingest_rate`."""


class Refusal(StrEnum):
    """Why a session may not open now."""

    DRAINING = "draining"
    """The process is shutting down."""
    MAX_SESSIONS = "max_sessions"
    """As many sessions are open as `max_sessions` allows."""


def admit_session(
    open_sessions: int, options: AdmissionOptions, *, draining: bool = False
) -> Refusal | None:
    """Return why a further session is refused; None lets it in.

    `open_sessions` counts attached sessions: detached ones wait for their client and take no
    place from others.
    """
    if draining:
        return Refusal.DRAINING
    if open_sessions >= options.max_sessions:
        return Refusal.MAX_SESSIONS
    return None


class HeldAudio:
    """How many bytes of uplink audio the process holds; zero when nothing is open.

    Every byte taken is given back exactly once, by the session that took it.
    """

    __slots__ = ("_held_bytes", "_max_bytes")

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._held_bytes = 0

    def __repr__(self) -> str:
        return f"<HeldAudio {self._held_bytes} of {self._max_bytes} bytes>"

    @property
    def held_bytes(self) -> int:
        """Bytes held now, over all sessions."""
        return self._held_bytes

    @property
    def is_over(self) -> bool:
        """True when more is held than allowed: what is cut now ends as `queue_full`."""
        return self._held_bytes > self._max_bytes

    def take(self, size_bytes: int) -> bool:
        """Count bytes that arrived (they are here, so always); False when the bound is passed."""
        if size_bytes < 0:
            raise ValueError(f"{size_bytes} bytes cannot be taken")
        self._held_bytes += size_bytes
        return self._held_bytes <= self._max_bytes

    def give_back(self, size_bytes: int) -> None:
        """Count bytes that were let go.

        Raises:
            ValueError: more came back than was taken, which is a bug of the caller.
        """
        if size_bytes < 0 or size_bytes > self._held_bytes:
            raise ValueError(f"{size_bytes} bytes given back while {self._held_bytes} are held")
        self._held_bytes -= size_bytes
