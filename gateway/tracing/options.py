"""What an operator may set about traces. Must not: decide anything."""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Le


@dataclass(frozen=True, slots=True)
class TraceOptions:
    """Where traces go, and of how many utterances."""

    otlp_endpoint: str = ""
    """URL to which traces are sent by OTLP over HTTP, such as `http://127.0.0.1:4318/v1/traces`;
    needs the extra `otel`. Empty: nobody follows traces."""
    trace_ratio: Annotated[float, Ge(0), Le(1)] = 1.0
    """Share of utterances that are traced; a client that sends a `traceparent` decides itself."""
