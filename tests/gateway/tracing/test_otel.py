"""The spans of an utterance: which there are, below which, from when to when."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from actors.metrics import UtteranceEnded
from gateway.tracing.otel import OtelTraces
from protocol.ids import InstanceId, JobId, NodeId, SessionId
from tests.support.example_job import SPEC

CLIENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
JOB = JobId("job-1")
ENDED = UtteranceEnded(
    source="en",
    target="es",
    outcome="completed",
    has_job=True,
    cut_at_ms=2000.0,
    first_sent_at_ms=2100.0,
    sent_at_ms=2100.0,
    ended_at_ms=2900.0,
    quiet_ms=0,
    speech_ms=1500,
    node_id="n1",
    timings={"asr_ms": 300, "nmt_ms": 200},
    begun_at_ms=500.0,
    cut_reason="manual",
    attempt=1,
    spec=replace(SPEC, job_id=JOB, session_id=SessionId("s-secret")),
)


class Bench:
    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.traces = OtelTraces(self.exporter, InstanceId("i1"), "1.0", 1.0)

    def spans(self) -> dict[str, ReadableSpan]:
        self.traces.close()
        return {span.name: span for span in self.exporter.get_finished_spans()}


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.traces.close()


def length_ms(span: ReadableSpan) -> float:
    assert span.start_time is not None
    assert span.end_time is not None
    return (span.end_time - span.start_time) / 1e6


def parent_of(span: ReadableSpan) -> int | None:
    found: int | None = None if span.parent is None else span.parent.span_id
    return found


def own(span: ReadableSpan) -> int:
    assert span.context is not None
    found: int = span.context.span_id
    return found


def test_an_utterance_is_one_trace_from_its_first_audio_to_its_outcome(bench: Bench) -> None:
    bench.traces.ended(ENDED)
    spans = bench.spans()
    assert {name: length_ms(span) for name, span in spans.items()} == pytest.approx(
        {"utterance": 2400, "speech": 1500, "wait": 100, "node 1": 800, "asr": 300, "nmt": 200}
    )
    whole, node = spans["utterance"], spans["node 1"]
    assert parent_of(whole) is None
    assert {parent_of(spans[name]) for name in ("speech", "wait", "node 1")} == {own(whole)}
    assert {parent_of(spans[name]) for name in ("asr", "nmt")} == {own(node)}
    assert len({span.context.trace_id for span in spans.values() if span.context}) == 1
    assert spans["asr"].end_time == spans["nmt"].start_time


def test_the_clients_span_is_the_parent(bench: Bench) -> None:
    bench.traces.ended(replace(ENDED, traceparent=CLIENT))
    whole = bench.spans()["utterance"]
    assert whole.context is not None
    assert f"{whole.context.trace_id:032x}" == CLIENT.split("-")[1]
    assert parent_of(whole) == int(CLIENT.split("-")[2], 16)


def test_the_nodes_instance_has_its_own_view_below_the_owners(bench: Bench) -> None:
    told = bench.traces.for_node(JOB, 1, CLIENT)
    bench.traces.given(JOB, 1, NodeId("n1"), told)
    bench.traces.answered(JOB, 1)
    bench.traces.answered(JOB, 1)
    bench.traces.ended(replace(ENDED, traceparent=CLIENT))
    spans = bench.spans()
    leg = spans["at the node"]
    assert parent_of(leg) == own(spans["node 1"])
    assert f"{own(leg):016x}" == told.split("-")[2]


def test_an_utterance_that_no_node_had_says_for_how_long_it_waited(bench: Bench) -> None:
    lost = replace(
        ENDED, outcome="no_available_node", first_sent_at_ms=None, sent_at_ms=None, node_id=None
    )
    bench.traces.ended(lost)
    spans = bench.spans()
    assert set(spans) == {"utterance", "speech", "wait"}
    assert length_ms(spans["wait"]) == pytest.approx(900)
    assert not spans["utterance"].status.is_ok
    assert spans["utterance"].status.description == "no_available_node"


def test_nothing_secret_or_said_is_in_a_span(bench: Bench) -> None:
    bench.traces.ended(ENDED)
    text = "".join(span.to_json() for span in bench.spans().values())
    assert "s-secret" not in text


def test_what_the_client_does_not_want_traced_is_not(bench: Bench) -> None:
    unsampled = f"{CLIENT[:-2]}00"
    told = bench.traces.for_node(JOB, 1, unsampled)
    assert told.endswith("-00")
    bench.traces.given(JOB, 1, NodeId("n1"), told)
    bench.traces.answered(JOB, 1)
    bench.traces.ended(replace(ENDED, traceparent=unsampled))
    assert bench.spans() == {}
