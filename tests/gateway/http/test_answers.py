"""Plain HTTP on the port of the sockets."""

import asyncio
import json

import pytest
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from gateway.http.answers import HttpAnswers
from gateway.listening import Bind
from tests.gateway.support.raw_peer import upgrade_request
from tests.gateway.support.running_gateway import LOOPS, FakeReports, RunningGateway, run_gateway


@pytest.mark.parametrize("loop", LOOPS)
def test_health_is_ok_while_the_process_answers(loop: str) -> None:
    async def scenario(running: RunningGateway) -> None:
        status, headers, body = await running.get("/health")
        assert (status, body) == (200, b"OK")
        assert headers["content-type"].startswith("text/plain")

    run_gateway(scenario, loop=loop)


def test_ready_says_why_it_is_not() -> None:
    async def scenario(running: RunningGateway) -> None:
        status, headers, body = await running.get("/ready")
        assert (status, headers["content-type"]) == (200, "application/json")
        assert json.loads(body)["ready"] is True
        running.reports.is_ready = False
        status, _, body = await running.get("/ready")
        assert (status, json.loads(body)["draining"]) == (503, True)

    run_gateway(scenario)


def test_metrics_are_prometheus_text() -> None:
    async def scenario(running: RunningGateway) -> None:
        status, headers, body = await running.get("/metrics")
        assert (status, headers["content-type"].split(";")[0]) == (200, "text/plain")
        assert b"# TYPE lingua_jobs_total counter" in body

    run_gateway(scenario)


def test_a_job_is_shown_with_its_timeline() -> None:
    async def scenario(running: RunningGateway) -> None:
        status, _, body = await running.get("/api/v1/jobs/job%201?pretty")
        job = json.loads(body)
        assert (status, job["state"], job["node"], job["language"]) == (
            200, "assigned", "n-1", "es",
        )  # fmt: skip
        assert [moment["event"] for moment in job["timeline"]] == ["queued", "assigned"]

    run_gateway(scenario)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/v1/nodes/n-1", 200),
        ("/api/v1/stats", 200),
        ("/api/v1/jobs/other", 404),
        ("/api/v1/nodes/other", 404),
        ("/api/v1/jobs", 200),
        ("/api/v1/jobs?state=failed&limit=500&offset=2000", 200),
        ("/api/v1/jobs?state=lost", 400),
        ("/api/v1/jobs?limit=501", 400),
        ("/api/v1/jobs?limit=-1", 400),
        ("/api/v1/jobs?offset=99999999999999999999", 400),
        ("/api/v1/jobs?a&b&c&d&e&f&g&h&i&j&k&l&m&n&o&p&q&r&s&t&u&v", 400),
        ("/api/v1/route?src=en&tgt=zh-Hant", 200),
        ("/api/v1/route?src=en", 400),
        ("/api/v1/route?src=en&tgt=", 400),
        ("/api/v1/route?src=en&tgt=%0a", 400),
        ("/api/v1/jobs/a/b", 404),
        ("//", 404),
        ("/ws/other", 404),
        ("/ws/session/", 404),
        ("/../etc/passwd", 404),
        ("/api/v1/cluster", 500),
    ],
)
def test_each_path_has_its_status_and_a_json_body(path: str, status: int) -> None:
    async def scenario(running: RunningGateway) -> None:
        answered, headers, body = await running.get(path)
        assert (answered, headers["content-type"]) == (status, "application/json")
        assert isinstance(json.loads(body), dict)

    run_gateway(scenario)


def test_pages_of_any_origin_may_read_the_languages_and_nothing_else() -> None:
    async def scenario(running: RunningGateway) -> None:
        status, headers, body = await running.get("/api/v1/languages")
        assert (status, headers["access-control-allow-origin"]) == (200, "*")
        assert json.loads(body) == {"pairs": []}
        _, headers, _ = await running.get("/api/v1/stats")
        assert "access-control-allow-origin" not in headers

    run_gateway(scenario)


def test_the_description_of_all_messages_is_for_every_page() -> None:
    async def scenario(running: RunningGateway) -> None:
        status, headers, body = await running.get("/asyncapi.json")
        assert (status, headers["content-type"]) == (200, "application/json")
        assert headers["access-control-allow-origin"] == "*"
        assert json.loads(body)["asyncapi"] == "3.0.0"

    run_gateway(scenario)


def test_a_store_that_is_away_is_503() -> None:
    async def scenario(running: RunningGateway) -> None:
        running.reports.is_away = True
        status, _, body = await running.get("/api/v1/jobs/x")
        assert (status, json.loads(body)["message"]) == (503, "the store does not answer")

    run_gateway(scenario)


@pytest.mark.parametrize("path", ["/health", "/ready", "/api/v1/jobs/other", "/nowhere"])
def test_head_is_get_without_its_body(path: str) -> None:
    async def scenario(running: RunningGateway) -> None:
        status, headers, body = await running.get(path)
        head_status, head_headers, nothing = await running.get(path, "HEAD")
        assert (head_status, head_headers, nothing) == (status, headers, b"")
        assert int(headers["content-length"]) == len(body)

    run_gateway(scenario)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("path", ["/health", "/ws/session", "/nowhere"])
def test_other_methods_are_not_allowed(method: str, path: str) -> None:
    async def scenario(running: RunningGateway) -> None:
        status, headers, _ = await running.get(path, method)
        assert (status, headers["allow"]) == (405, "GET, HEAD")

    run_gateway(scenario)


@pytest.mark.parametrize("path", ["/ws/session", "/ws/node"])
def test_a_plain_get_on_a_socket_path_needs_an_upgrade(path: str) -> None:
    async def scenario(running: RunningGateway) -> None:
        status, headers, _ = await running.get(path)
        assert (status, headers["upgrade"]) == (426, "websocket")

    run_gateway(scenario)


def test_an_unknown_socket_path_is_404_before_the_upgrade() -> None:
    async def scenario(running: RunningGateway) -> None:
        peer = await running.dial()
        peer.writer.write(upgrade_request("/ws/unknown"))
        assert (await peer.hear_end()).startswith(b"HTTP/1.1 404 ")

    run_gateway(scenario)


def test_compression_is_not_negotiated() -> None:
    async def scenario(running: RunningGateway) -> None:
        peer = await running.dial()
        offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
        peer.writer.write(upgrade_request("/ws/session", offer))
        head = await peer.reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 ")
        assert b"extensions" not in head.lower()

    run_gateway(scenario)


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/3.0\r\n\r\n",
        b"POST /api HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n\n",
        b"GET /\xff HTTP/1.1\r\n\r\n",
        b"GET /ws/session HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        b"GET /" + b"x" * 20_000,
        b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 1000,
    ],
)
def test_what_is_no_request_is_answered_with_a_400_of_some_kind(request_bytes: bytes) -> None:
    async def scenario(running: RunningGateway) -> None:
        peer = await running.dial()
        peer.writer.write(request_bytes)
        assert (await peer.hear_end()).startswith(b"HTTP/1.1 4")

    run_gateway(scenario)


def test_a_client_is_sent_away_while_draining_but_a_node_is_not() -> None:
    async def scenario(running: RunningGateway) -> None:
        running.reception.draining = True
        peer = await running.dial()
        peer.writer.write(upgrade_request("/ws/session"))
        assert (await peer.hear_end()).startswith(b"HTTP/1.1 503 ")
        await running.connect("/ws/node")

    run_gateway(scenario)


def test_a_client_beyond_the_last_place_is_sent_away() -> None:
    async def scenario(running: RunningGateway) -> None:
        await running.connect("/ws/session")
        await running.connect("/ws/session")
        peer = await running.dial()
        peer.writer.write(upgrade_request("/ws/session"))
        assert (await peer.hear_end()).startswith(b"HTTP/1.1 503 ")
        await running.connect("/ws/node")
        assert (await running.get("/health"))[0] == 200

    run_gateway(scenario, bind=Bind(max_connections=2, close_timeout_s=0.3))


def test_a_peer_that_never_asks_is_cut_off() -> None:
    async def scenario(running: RunningGateway) -> None:
        peer = await running.dial()
        peer.writer.write(b"GET /health HTTP/1.1\r\n")
        assert await peer.hear_end() == b""
        assert running.gateway.connections == 0

    run_gateway(scenario, bind=Bind(open_timeout_s=0.05))


def test_a_report_that_hangs_does_not_hold_up_the_end() -> None:
    async def scenario(running: RunningGateway) -> None:
        async def hang() -> None:
            await asyncio.Event().wait()

        running.reports.stats = hang  # type: ignore[method-assign,assignment] # never answers
        peer = await running.dial()
        peer.writer.write(b"GET /api/v1/stats HTTP/1.1\r\n\r\n")
        await peer.writer.drain()
        await running.get("/health")

    run_gateway(scenario)


def test_more_questions_at_once_than_so_many_are_refused_and_later_ones_are_not() -> None:
    async def main() -> None:
        asked = asyncio.Event()

        async def slow() -> dict[str, int]:
            await asked.wait()
            return {}

        reports = FakeReports()
        reports.stats = slow  # type: ignore[method-assign] # when it may
        answers = HttpAnswers(reports, lambda: b"")
        question = Request("/api/v1/stats", Headers())

        def ask() -> asyncio.Task[Response]:
            answer = answers.answer(question)
            assert not isinstance(answer, Response)
            return asyncio.ensure_future(answer)

        tasks = [ask() for _ in range(300)]
        await asyncio.sleep(0)
        assert isinstance(answers.answer(Request("/health", Headers())), Response)
        asked.set()
        statuses = [(await task).status_code for task in tasks]
        assert statuses == [200] * 256 + [503] * 44
        assert (await ask()).status_code == 200

    asyncio.run(main())
