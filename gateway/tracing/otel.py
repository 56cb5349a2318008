"""OtelTraces: an utterance as one trace, sent to a collector by OpenTelemetry.

Spans are made when an utterance has its outcome, from times that are known anyway. Here they are
only put into a queue (2048; beyond it they are dropped); a thread of the library sends them. It
must not hold anything that was said.

    utterance            from the first audio to the outcome; the client's span is its parent
      speech             from the first audio to the cut
      wait               from the cut to the first node
      node N             from the last assignment to the answer, as the job's owner sees it
        at the node      the same as the node's instance sees it: parent of the node's own spans
        asr, nmt, tts    as the node reports them, one after the other
"""

import time
from collections import OrderedDict
from collections.abc import Mapping

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from actors.metrics import COMPLETED, UtteranceEnded
from gateway.http.utterance_metrics import reported_stages
from protocol.ids import InstanceId, JobId, NodeId, session_ref
from protocol.trace_context import (
    TraceContext,
    context_of,
    leg_span,
    node_span,
    span_id,
    traceparent_for_node,
)

_MOST_OPEN = 20_000
_NS = 1_000_000
_SCOPE = InstrumentationScope("lingua")
_UTTERANCE = "utterance"

Attributes = Mapping[str, str | int | float | bool]


class OtelTraces:
    """Implements `Traces`. Life: that of the process; `close` waits for what is on its way."""

    def __init__(
        self, exporter: SpanExporter, instance_id: InstanceId, version: str, ratio: float
    ) -> None:
        self._ratio = ratio
        self._processor = BatchSpanProcessor(exporter)
        self._resource = Resource.create(
            {
                "service.name": "lingua",
                "service.version": version,
                "service.instance.id": instance_id,
            }
        )
        self._offset_ns = 0
        """From monotonic to Unix time; one for all spans of an utterance."""
        self._open: OrderedDict[tuple[JobId, int], tuple[float, NodeId, str]] = OrderedDict()

    # ---- what is told -----------------------------------------------------------------------

    def for_node(self, job_id: JobId, attempt: int, traceparent: str | None) -> str:
        """Return the `traceparent` that a node gets with this attempt."""
        return traceparent_for_node(job_id, attempt, context_of(job_id, traceparent, self._ratio))

    def given(self, job_id: JobId, attempt: int, node_id: NodeId, traceparent: str | None) -> None:
        """A node that is connected here got the attempt."""
        if traceparent is None or not context_of(job_id, traceparent).is_sampled:
            return
        self._open[job_id, attempt] = time.monotonic() * 1000, node_id, traceparent
        if len(self._open) > _MOST_OPEN:
            self._open.popitem(last=False)

    def answered(self, job_id: JobId, attempt: int) -> None:
        """It has answered: its leg is over."""
        known = self._open.pop((job_id, attempt), None)
        if known is None:
            return
        began_ms, node_id, traceparent = known
        self._offset_ns = time.time_ns() - time.monotonic_ns()
        context = context_of(job_id, traceparent)
        leg = _Span(job_id, context, leg_span(attempt), node_span(attempt))
        about: Attributes = {"lingua.node_id": node_id, "lingua.attempt": attempt}
        times = (began_ms, time.monotonic() * 1000)
        self._emit(leg, "at the node", times, about, kind=SpanKind.CLIENT)

    def ended(self, ended: UtteranceEnded) -> None:
        """The utterance has its outcome: its spans are over."""
        spec = ended.spec
        if spec is None:
            return
        job_id = spec.job_id
        context = context_of(job_id, ended.traceparent, self._ratio)
        if not context.is_sampled:
            return
        self._offset_ns = time.time_ns() - time.monotonic_ns()
        about: Attributes = {
            "lingua.session_ref": session_ref(spec.session_id),
            "lingua.job_id": job_id,
            "lingua.utterance_index": spec.utterance_index,
            "lingua.src_lang": ended.source,
            "lingua.tgt_lang": ended.target,
            "lingua.outcome": ended.outcome,
            "lingua.cut_reason": ended.cut_reason,
            "lingua.speech_ms": ended.speech_ms,
            "lingua.tenant": spec.tenant_id,
        }
        is_well = ended.outcome == COMPLETED or ended.outcome in _NO_FAILURES
        status = Status(StatusCode.OK) if is_well else Status(StatusCode.ERROR, ended.outcome)
        whole = _Span(job_id, context, _UTTERANCE, None)
        began_ms = min(ended.begun_at_ms, ended.cut_at_ms)
        times = (began_ms, ended.ended_at_ms)
        self._emit(whole, _UTTERANCE, times, about, kind=SpanKind.SERVER, status=status)
        self._emit(_Span(job_id, context, "speech"), "speech", (began_ms, ended.cut_at_ms))
        first_ms = ended.first_sent_at_ms
        waited_till_ms = ended.ended_at_ms if first_ms is None else first_ms
        self._emit(_Span(job_id, context, "wait"), "wait", (ended.cut_at_ms, waited_till_ms))
        if ended.sent_at_ms is not None and ended.node_id is not None:
            self._emit_node(job_id, context, ended, ended.sent_at_ms)

    def _emit_node(
        self, job_id: JobId, context: TraceContext, ended: UtteranceEnded, sent_at_ms: float
    ) -> None:
        name = node_span(ended.attempt)
        about: Attributes = {
            "lingua.node_id": ended.node_id or "",
            "lingua.attempt": ended.attempt,
        }
        self._emit(_Span(job_id, context, name), name, (sent_at_ms, ended.ended_at_ms), about)
        at_ms = sent_at_ms
        for stage, taken_ms in reported_stages(ended.timings):
            inside = _Span(job_id, context, f"{name} {stage}", name)
            self._emit(inside, stage, (at_ms, at_ms + taken_ms), {"lingua.reported": True})
            at_ms += taken_ms

    def close(self) -> None:
        """Send what is left; blocks for a few seconds at most where nobody takes it."""
        self._processor.shutdown()  # type: ignore[no-untyped-call]  # the library says no types

    # ---- spans ------------------------------------------------------------------------------

    def _emit(
        self,
        span: "_Span",
        name: str,
        times_ms: tuple[float, float],
        about: Attributes | None = None,
        *,
        kind: SpanKind = SpanKind.INTERNAL,
        status: Status | None = None,
    ) -> None:
        (began_ms, ended_ms), offset_ns = times_ms, self._offset_ns
        self._processor.on_end(
            ReadableSpan(
                name,
                context=span.own,
                parent=span.parent,
                resource=self._resource,
                attributes=about,
                kind=kind,
                status=status or Status(),
                start_time=int(began_ms * _NS) + offset_ns,
                end_time=int(max(began_ms, ended_ms) * _NS) + offset_ns,
                instrumentation_scope=_SCOPE,
            )
        )


_NO_FAILURES = frozenset({"merged", "silence_detected", "session_closed", "cancelled"})


class _Span:
    """Which span it is, and below which other one of its utterance."""

    __slots__ = ("own", "parent")

    def __init__(
        self, job_id: JobId, context: TraceContext, what: str, below: str | None = _UTTERANCE
    ) -> None:
        self.own = _context(context, span_id(job_id, what), is_remote=False)
        self.parent: SpanContext | None = None
        if below is not None:
            self.parent = _context(context, span_id(job_id, below), is_remote=False)
        elif context.parent_id is not None:
            self.parent = _context(context, context.parent_id, is_remote=True)


def _context(context: TraceContext, own: int, *, is_remote: bool) -> SpanContext:
    flags = TraceFlags(TraceFlags.SAMPLED if context.is_sampled else TraceFlags.DEFAULT)
    return SpanContext(context.trace_id, own, is_remote, flags)
