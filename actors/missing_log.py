"""One log line for each utterance that ends without a translation. Never what was spoken."""

from typing import TYPE_CHECKING

from actors.messages.job import JobEnded
from protocol.errors import MissingReason
from protocol.value import value
from storage.job import JobSpec

if TYPE_CHECKING:
    from loguru import Logger


@value
class Waited:
    """How long it took until an utterance ended so. In ms."""

    waited_ms: int
    """From its cut to its first node; to its end if it had none."""
    total_ms: int
    """From its cut to its end."""

    @classmethod
    def of(cls, cut_at_ms: float, first_sent_at_ms: float | None, now_ms: float) -> "Waited":
        """Return it from when things happened."""
        till_ms = now_ms if first_sent_at_ms is None else first_sent_at_ms
        return cls(max(0, round(till_ms - cut_at_ms)), max(0, round(now_ms - cut_at_ms)))


def log_missing(
    log: "Logger", ended: JobEnded, spec: JobSpec, waited: Waited | None = None, note: str = ""
) -> None:
    """Log an outcome that brings no translation; `merged` is none of them.

    Its session does, when it closes the utterance; the dispatcher where there is no session.
    """
    if ended.reason is None or ended.reason is MissingReason.MERGED:
        return
    times = {} if waited is None else {"waited_ms": waited.waited_ms, "total_ms": waited.total_ms}
    log.info(
        "utterance ends without a translation",
        job_id=ended.job_id,
        node_id=ended.node_id,
        attempt=ended.attempt,
        reason=ended.reason.value,
        waited_for=spec.requirement,
        **times,
        note=note,
    )
