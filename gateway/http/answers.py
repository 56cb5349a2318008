"""Plain HTTP on the same port: health, readiness, figures and records, all read-only.

It owns paths, status codes and content types. It must not wait for anything but a report, and
not long for that.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from loguru import logger
from pydantic_core import to_json
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from gateway.access.access import Denied
from gateway.http.metrics import CONTENT_TYPE as METRICS_TYPE
from gateway.http.pages import is_open_page, page_file
from gateway.http.query import jobs_query, month_query, pair_query
from gateway.ports import Readiness, Reports
from protocol.ids import JobId, NodeId
from storage.client.executor import StorageUnavailable

_TEXT = "text/plain; charset=utf-8"
_JSON = "application/json"
_FOR_EVERYBODY = (["health"], ["ready"], ["api", "v1", "languages"], ["asyncapi.json"])
_MESSAGES = Path(__file__).with_name("asyncapi.json").read_bytes()
"""What may be sent on the sockets; `python -m cli.description` makes it from the models."""
_REPORT_TIMEOUT_S = 5.0
_MOST_REPORTS = 256
"""Reports under way; further questions are refused."""

_Found = Callable[[Any], Response]

MetricsText = Callable[[], bytes | Coroutine[Any, Any, bytes]]
"""The figures as `/metrics` shows them: at once, or when other processes have sent theirs."""


def respond(status: HTTPStatus, content_type: str, body: bytes) -> Response:
    """Return a whole answer; the connection closes after it."""
    headers = Headers()
    headers["Content-Type"] = content_type
    headers["Content-Length"] = str(len(body))
    headers["Cache-Control"] = "no-store"
    headers["Connection"] = "close"
    return Response(status.value, status.phrase, headers, body)


def deny(denied: Denied) -> Response:
    """Return why somebody is not let in."""
    response = refuse(denied.status, denied.message)
    if denied.status is HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def respond_json(status: HTTPStatus, value: Any) -> Response:
    """Return a JSON answer."""
    return respond(status, _JSON, to_json(value))


def refuse(status: HTTPStatus, message: str) -> Response:
    """Return why there is nothing else to return."""
    return respond_json(status, {"error": status.phrase, "message": message})


def moved_to(path: str) -> Response:
    """Send whoever asks for the prefix without its slash to the page below it."""
    response = refuse(HTTPStatus.PERMANENT_REDIRECT, "the page is below")
    response.headers["Location"] = path
    return response


def path_of(request: Request) -> list[str]:
    """Return the parts of a request's path, decoded."""
    return [unquote(part) for part in request.path.partition("?")[0].split("/")[1:]]


def is_for_everybody(path: list[str]) -> bool:
    """Tell whether a path is open to all; what is not listed here is for operators."""
    return path in _FOR_EVERYBODY or is_open_page(path)


def is_for_owners(path: list[str]) -> bool:
    """Tell whether owners of nodes may ask for it: what they get is about their own."""
    return path[:3] == ["api", "v1", "nodes"] or path == ["dashboard"]


@dataclass(frozen=True, slots=True)
class OwnerOf:
    """Who may read of one node only if it is its own."""

    principal: str | None = None
    """Name of its credential; None: it may read everything."""
    otherwise: Response | None = None
    """What it hears of others."""


_EVERYBODY = OwnerOf()


class HttpAnswers:
    """Answers GET and HEAD. Holds nothing between requests but how many reports are under way."""

    def __init__(self, reports: Reports, metrics_text: MetricsText) -> None:
        self._reports = reports
        self._metrics_text = metrics_text
        self._under_way = 0

    def answer(
        self, request: Request, owner: OwnerOf | None = None
    ) -> Response | Awaitable[Response]:
        """Return the answer, or what will be one; to an `owner` only about its own node."""
        if request.method not in {"GET", "HEAD"}:
            response = refuse(HTTPStatus.METHOD_NOT_ALLOWED, "only GET and HEAD")
            response.headers["Allow"] = "GET, HEAD"
            return response
        path = path_of(request)
        page = page_file(path)
        answer: Response | Awaitable[Response]
        try:
            if page is not None:
                answer = page.answer(request)
            else:
                answer = self._route(path, request.path, owner or _EVERYBODY)
        except ValueError as error:  # of the query
            answer = refuse(HTTPStatus.BAD_REQUEST, str(error))
        if request.method == "GET":
            return answer
        if isinstance(answer, Response):
            return _without_body(answer)
        return _later_without_body(answer)

    def _route(self, path: list[str], whole: str, owner: OwnerOf) -> Response | Awaitable[Response]:
        reports = self._reports
        match path:
            case ["health"]:
                return respond(HTTPStatus.OK, _TEXT, b"OK")
            case ["asyncapi.json"]:
                return _open_to_pages(respond(HTTPStatus.OK, _JSON, _MESSAGES))
            case ["metrics"]:
                text = self._metrics_text()
                return _figures(text) if isinstance(text, bytes) else self._report(text, _figures)
            case ["ready"]:
                return self._report(reports.readiness(), _ready)
            case ["api", "v1", "jobs"]:
                return self._report(reports.jobs(jobs_query(whole)), _record("job"))
            case ["api", "v1", "usage"]:
                month = month_query(whole, f"{datetime.now(UTC):%Y-%m}")
                return self._report(reports.usage(month), _record("month"))
            case ["api", "v1", "route"]:
                return self._report(reports.route(*pair_query(whole)), _record("route"))
            case ["api", "v1", "jobs", job_id] if job_id:
                return self._report(reports.job(JobId(job_id)), _record("job"))
            case ["api", "v1", "nodes", node_id]:
                report = reports.node(NodeId(node_id), owner.principal)
                return self._report(report, _record("node", owner.otherwise))
            case ["api", "v1", "languages"]:
                return self._report(reports.languages(), _for_every_page)
            case ["api", "v1", "stats"]:
                return self._report(reports.stats(), _record("figure"))
            case ["api", "v1", "cluster"]:
                return self._report(reports.cluster(), _record("instance"))
            case _:
                return refuse(HTTPStatus.NOT_FOUND, "no such path")

    async def _report(self, report: Coroutine[Any, Any, Any], answer: _Found) -> Response:
        """Wait for a report, but not for long, and not with many others."""
        if self._under_way >= _MOST_REPORTS:
            report.close()
            return refuse(HTTPStatus.SERVICE_UNAVAILABLE, "too many questions at once")
        self._under_way += 1
        try:
            async with asyncio.timeout(_REPORT_TIMEOUT_S):
                return answer(await report)
        except (StorageUnavailable, TimeoutError):
            return refuse(HTTPStatus.SERVICE_UNAVAILABLE, "the store does not answer")
        except Exception:  # noqa: BLE001 - a bug in a report must be an answer, too
            logger.opt(exception=True).error("report failed")
            return refuse(HTTPStatus.INTERNAL_SERVER_ERROR, "the report failed; see the log")
        finally:
            self._under_way -= 1


def _ready(readiness: Readiness) -> Response:
    status = HTTPStatus.OK if readiness.ready else HTTPStatus.SERVICE_UNAVAILABLE
    return respond_json(status, readiness)


def _figures(text: bytes) -> Response:
    return respond(HTTPStatus.OK, METRICS_TYPE, text)


def _record(what: str, otherwise: Response | None = None) -> _Found:
    def answer(found: Any) -> Response:
        if found is None:
            return otherwise or refuse(HTTPStatus.NOT_FOUND, f"no such {what}, or not any more")
        return respond_json(HTTPStatus.OK, found)

    return answer


def _for_every_page(found: Any) -> Response:
    return _open_to_pages(respond_json(HTTPStatus.OK, found))


def _open_to_pages(response: Response) -> Response:
    """Return it so that pages of any origin may read it (CORS)."""
    response.headers["Access-Control-Allow-Origin"] = "*"
    return response


def _without_body(response: Response) -> Response:
    """Return what HEAD gets: all headers of the GET, the length included (RFC 9110 9.3.2)."""
    response.body = b""
    return response


async def _later_without_body(answer: Awaitable[Response]) -> Response:
    return _without_body(await answer)
