"""Questions by HTTP with headers, and handshakes that may be refused."""

import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from email.message import Message
from pathlib import Path

from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from tests.support.processes.scheduler_process import SchedulerProcess


@dataclass(frozen=True, slots=True)
class Reply:
    """What a question got; refusals are answers, too."""

    status: int
    body: str
    headers: Message = field(repr=False)


def ask(
    scheduler: SchedulerProcess,
    path: str,
    token: str | None = None,
    *,
    trusted: Path | None = None,
    **headers: str,
) -> Reply:
    """Ask; with a trusted certificate by HTTPS."""
    scheme = "https" if trusted else "http"
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    url = f"{scheme}://127.0.0.1:{scheduler.port}{path}"
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - one of the two schemes
    context = ssl.create_default_context(cafile=str(trusted)) if trusted else None
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    )
    try:
        with opener.open(request, timeout=5) as reply:
            return Reply(reply.status, reply.read().decode(), reply.headers)
    except urllib.error.HTTPError as error:
        with error:
            return Reply(error.code, error.read().decode(), error.headers)


async def handshake(
    url: str, *, protocol: str | None = None, trusted: Path | None = None, **headers: str
) -> int | str | None:
    """Return the status of a refused handshake, else the sub-protocol of the answer, if any."""
    offered = [Subprotocol(protocol)] if protocol else None
    context = ssl.create_default_context(cafile=str(trusted)) if trusted else None
    try:
        async with connect(
            url, additional_headers=headers, subprotocols=offered, proxy=None, ssl=context
        ) as socket:
            return socket.subprotocol
    except InvalidStatus as error:
        return error.response.status_code
