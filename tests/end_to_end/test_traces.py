"""One trace from the first audio to the outcome, through two instances and a node."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.end_to_end.support.processes.instances import Instances, free_port, running_instances
from tests.support.peers.raw_client import raw_client, tone
from tests.support.peers.raw_node import Ability, raw_node
from tests.support.peers.raw_wire import Pair, over_sockets
from tests.support.processes.scheduler_process import running_scheduler
from tests.support.waiting import until

pytestmark = pytest.mark.takes(15)

CLIENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


class Collector:
    """Takes spans as OpenTelemetry's collector does."""

    def __init__(self) -> None:
        self.spans: list[tuple[str, Any]] = []
        """Instance and span."""
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector.take(ExportTraceServiceRequest.FromString(body))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_arguments: Any) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1/traces"

    def take(self, request: ExportTraceServiceRequest) -> None:
        for resource in request.resource_spans:
            about = {one.key: one.value.string_value for one in resource.resource.attributes}
            for scope in resource.scope_spans:
                self.spans += [(about["service.instance.id"], span) for span in scope.spans]

    def of(self, trace_id: str) -> dict[str, tuple[str, Any]]:
        return {
            span.name: (instance, span)
            for instance, span in self.spans
            if span.trace_id.hex() == trace_id
        }


@contextmanager
def running_collector() -> Iterator[Collector]:
    collector = Collector()
    thread = Thread(target=collector.server.serve_forever)
    thread.start()
    try:
        yield collector
    finally:
        collector.server.shutdown()
        collector.server.server_close()
        thread.join()


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with running_collector() as made:
        yield made


@pytest.fixture(scope="module")
def instances(collector: Collector) -> Iterator[Instances]:
    with running_instances(2, "--otlp-endpoint", collector.url) as running:
        yield running


@over_sockets
async def test_the_clients_trace_goes_through_instances_and_node(
    instances: Instances, collector: Collector, pair: Pair
) -> None:
    async with (
        raw_node(instances[1].node_url, Ability.of(pair)) as node,
        raw_client(instances[0].session_url, *pair, traceparent=CLIENT) as client,
    ):
        await client.speak(tone(500))
        job = await node.job()
        _, trace_id, parent, flags = job["traceparent"].split("-")
        assert (trace_id, flags) == (CLIENT.split("-")[1], "01")
        await node.answer(job)
        await client.result()
        names = {"utterance", "speech", "wait", "node 1", "at the node"}
        await until(lambda: names <= set(collector.of(trace_id)), "all spans")
        spans = collector.of(trace_id)
        assert spans["utterance"][0] == spans["node 1"][0] == "a"
        instance, leg = spans["at the node"]
        assert (instance, leg.span_id.hex()) == ("b", parent)
        assert leg.parent_span_id == spans["node 1"][1].span_id
        assert spans["utterance"][1].parent_span_id.hex() == CLIENT.split("-")[2]


@over_sockets
async def test_without_a_traceparent_the_trace_begins_with_the_utterance(
    instances: Instances, collector: Collector, pair: Pair
) -> None:
    async with (
        raw_node(instances[0].node_url, Ability.of(pair)) as node,
        raw_client(instances[0].session_url, *pair) as client,
    ):
        await client.speak(tone(500))
        job = await node.job()
        trace_id = job["traceparent"].split("-")[1]
        await node.answer(job)
        await client.result()
        await until(lambda: "utterance" in collector.of(trace_id), "the span")
        assert collector.of(trace_id)["utterance"][1].parent_span_id == b""


@over_sockets
async def test_a_collector_that_is_away_costs_nobody_anything(pair: Pair) -> None:
    url = f"http://127.0.0.1:{free_port()}/v1/traces"
    with running_scheduler("--otlp-endpoint", url, expect_errors=True) as process:
        async with (
            raw_node(process.node_url, Ability.of(pair)) as node,
            raw_client(process.session_url, *pair) as client,
        ):
            await client.speak(tone(500))
            await node.answer(await node.job())
            assert await client.result()
        process.terminate()
        assert await asyncio.to_thread(process.wait, 20) == 0
