"""Makes what sends traces to a collector, where that is asked for and installed."""

from typing import Protocol

from actors.traces import Traces
from gateway.tracing.options import TraceOptions
from protocol.ids import InstanceId

_SECONDS_TO_SEND = 2


class TracingMissingError(Exception):
    """Traces are asked for, and the extra that sends them is not installed."""


class ClosableTraces(Traces, Protocol):
    """Traces that have to be closed."""

    def close(self) -> None:
        """Send what is left; blocks for a moment."""


def open_traces(
    options: TraceOptions, instance_id: InstanceId, version: str
) -> ClosableTraces | None:
    """Return where spans go; None: nobody follows traces.

    Raises:
        TracingMissingError: OpenTelemetry is not installed.
    """
    if not options.otlp_endpoint:
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
            OTLPSpanExporter,
        )

        from gateway.tracing.otel import OtelTraces  # noqa: PLC0415 - an extra
    except ImportError:
        raise TracingMissingError(
            "otlp_endpoint: traces need the extra otel: pip install 'lingua-scheduler[otel]'"
        ) from None
    exporter = OTLPSpanExporter(endpoint=options.otlp_endpoint, timeout=_SECONDS_TO_SEND)
    return OtelTraces(exporter, instance_id, version, options.trace_ratio)
