"""One log line for each utterance that ends without a translation. Never what was spoken."""

from loguru import logger

from actors.messages.job import JobEnded
from protocol.errors import MissingReason
from storage.job import JobSpec


def log_missing(ended: JobEnded, spec: JobSpec, note: str) -> None:
    """Log an outcome that brings no translation; `merged` is none of them.

    Its session does, when it closes the utterance; the dispatcher where there is no session.
    """
    if ended.reason is None or ended.reason is MissingReason.MERGED:
        return
    logger.info(
        "utterance ends without a translation",
        job_id=ended.job_id,
        node_id=ended.node_id,
        attempt=ended.attempt,
        reason=ended.reason.value,
        waited_for=spec.requirement,
        note=note,
    )
