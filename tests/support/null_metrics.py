"""Metrics for what does not ask for any."""

from collections.abc import Callable

from actors.metrics import Gauge, UtteranceEnded
from actors.ownership import Foreign
from protocol.ids import SessionId


class NullMetrics:
    """Counts nothing."""

    def job_ended(self, outcome: str) -> None:
        """Forget it."""

    def stale_result(self) -> None:
        """Forget it."""

    def cut_made(self, reason: str) -> None:
        """Forget it."""

    def final_to_assign(self, elapsed_ms: float) -> None:
        """Forget it."""

    def utterance_ended(self, ended: UtteranceEnded) -> None:
        """Forget it."""

    def script_run(self, script: str, count: int = 1) -> None:
        """Forget it."""

    def round_trip(self, seconds: float, calls: int = 1) -> None:
        """Forget it."""

    def bad_message(self, socket: str) -> None:
        """Forget it."""

    def limit_reached(self, limit: str) -> None:
        """Forget it."""

    def session_refused(self, reason: str) -> None:
        """Forget it."""

    def access_denied(self, door: str, reason: str) -> None:
        """Forget it."""

    def ownership_refused(self, what: Foreign, session_id: SessionId | None = None) -> None:
        """Forget it."""

    def link_sent(self, size: int, *, again: bool) -> None:
        """Forget it."""

    def link_received(self, size: int, *, again: bool) -> None:
        """Forget it."""

    def link_dropped(self) -> None:
        """Forget it."""

    def watch(self, gauge: Gauge, read: Callable[[], float]) -> None:
        """Forget it."""
