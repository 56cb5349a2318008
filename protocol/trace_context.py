"""W3C Trace Context: the ids of an utterance's spans. Pure.

Any instance works them out from the job's id: so an utterance has one trace, through a takeover,
too, and nothing has to be handed on for it. Where the client sends a `traceparent`, its trace is
gone on with, sampled or not as it says.
"""

import hashlib
from dataclasses import dataclass

_SAMPLED = 1
_SHARES = 2**32


@dataclass(frozen=True, slots=True)
class TraceContext:
    """One utterance's place in a trace."""

    trace_id: int
    """128 bits."""
    parent_id: int | None
    """The client's span, 64 bits; None: the trace begins here."""
    is_sampled: bool


def context_of(job_id: str, traceparent: str | None, ratio: float = 1.0) -> TraceContext:
    """Return the place of a job's utterance; `traceparent` is the client's, checked.

    Of traces that begin here the given share is sampled: on all instances the same.
    """
    if traceparent is not None:
        _, trace, parent, flags = traceparent.split("-")[:4]
        return TraceContext(int(trace, 16), int(parent, 16), bool(int(flags, 16) & _SAMPLED))
    digest = hashlib.blake2b(job_id.encode(errors="surrogatepass"), digest_size=16, person=b"trace")
    trace_id = int.from_bytes(digest.digest()) or 1
    return TraceContext(trace_id, None, trace_id % _SHARES < ratio * _SHARES)


def span_id(job_id: str, what: str) -> int:
    """Return the id of one span of an utterance."""
    text = f"{job_id} {what}".encode(errors="surrogatepass")
    digest = hashlib.blake2b(text, digest_size=8, person=b"span").digest()
    return int.from_bytes(digest) or 1


def node_span(attempt: int) -> str:
    """Name the span of one attempt, as its owner sees it."""
    return f"node {attempt}"


def leg_span(attempt: int) -> str:
    """Name the span of one attempt at its node's instance: the parent of the node's own spans."""
    return f"leg {attempt}"


def traceparent_for_node(job_id: str, attempt: int, context: TraceContext) -> str:
    """Return what the node gets."""
    own = span_id(job_id, leg_span(attempt))
    return f"00-{context.trace_id:032x}-{own:016x}-{int(context.is_sampled):02x}"
