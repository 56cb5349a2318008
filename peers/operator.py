"""The operator's side of a scheduler: reports by HTTP, commands and the live view by WebSocket.

It owns one address and one token. Blocking, for programs that do one thing at a time. What it
raises says in one line what is wrong and what helps.
"""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from peers.connection import reason
from peers.socket_url import UrlError, shown_url

ADMIN_PATH = "/ws/admin"
_PATIENCE_SECONDS = 10.0
_MOST_BYTES = 64 * 1024 * 1024
_SCHEMES = {"http": "http", "https": "https", "ws": "http", "wss": "https"}
_NEEDS_TOKEN = 401


class OperatorError(Exception):
    """The scheduler cannot be asked, or does not do it; the text says why in one line."""


class ServerDownError(OperatorError):
    """Nobody answers at the address."""


def server_url(text: str) -> str:
    """Return the address of a scheduler's HTTP; what is not written is completed.

    Raises:
        UrlError: it is no address.
    """
    whole = text if "://" in text else f"http://{text}"
    try:
        parts = urlsplit(whole)
        is_usable = parts.scheme in _SCHEMES and bool(parts.hostname) and parts.port != 0
        is_usable = is_usable and not parts.netloc.endswith(":")  # a port was meant
    except ValueError:
        is_usable = False
    if not is_usable:
        raise UrlError(f"{shown_url(text)!r} is no address of a scheduler; say HOST:PORT")
    path = parts.path.rstrip("/")
    path = path.removesuffix(ADMIN_PATH)
    return f"{_SCHEMES[parts.scheme]}://{parts.netloc}{path}"


@dataclass(frozen=True, slots=True)
class Scheduler:
    """A scheduler as an operator reaches it."""

    url: str
    """As `server_url` returns it."""
    token: str | None = field(default=None, repr=False)

    def get(self, *path: str, **query: str) -> dict[str, Any]:
        """Return a report.

        Raises:
            OperatorError: there is none.
        """
        address = "/".join([self.url, "api", "v1", *(quote(part, safe="") for part in path)])
        if query:
            address = f"{address}?{urlencode(query)}"
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        request = urllib.request.Request(address, headers=headers)  # noqa: S310 - http or https
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=_PATIENCE_SECONDS) as reply:
                found: dict[str, Any] = json.load(reply)
        except urllib.error.HTTPError as error:
            with error:
                raise OperatorError(self._refused(error.code, _message(error.read()))) from None
        except urllib.error.URLError as error:
            cause = error.reason if isinstance(error.reason, Exception) else error
            raise self._down(cause) from None
        except (OSError, ValueError) as error:
            raise self._down(error) from None
        return found

    @contextmanager
    def commands(self) -> "Iterator[Commands]":
        """Open the operators' socket for the time of a block.

        Raises:
            OperatorError: it cannot be opened, or is lost.
        """
        address = f"ws{self.url.removeprefix('http')}{ADMIN_PATH}"
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else None
        try:
            with connect(
                address,
                additional_headers=headers,
                compression=None,
                proxy=None,
                max_size=_MOST_BYTES,
                open_timeout=_PATIENCE_SECONDS,
            ) as socket:
                yield Commands(socket)
        except InvalidStatus as error:
            status = error.response.status_code
            raise OperatorError(self._refused(status, reason(error))) from None
        except (ConnectionClosed, InvalidHandshake, OSError, TimeoutError) as error:
            raise self._down(error) from None

    def _refused(self, status: int, message: str) -> str:
        if status == _NEEDS_TOKEN:
            return (
                f"{self._shown} wants an operator's token: "
                "set LINGUA_ADMIN_TOKEN, or say --token-file FILE"
            )
        return message or f"{self._shown} answers HTTP {status}"

    def _down(self, error: Exception) -> ServerDownError:
        return ServerDownError(
            f"no scheduler answers at {self._shown} ({reason(error)}): "
            "start one, or name another with --url HOST:PORT"
        )

    @property
    def _shown(self) -> str:
        return shown_url(self.url)


class Commands:
    """The operators' socket. One command at a time."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._numbers = count(1)

    def do(self, kind: str, **fields: Any) -> dict[str, Any]:
        """Have something done; return what was asked for.

        Raises:
            OperatorError: it was not done.
        """
        number = next(self._numbers)
        self._socket.send(json.dumps({"request_id": number, "type": kind, **fields}))
        while True:
            message = json.loads(self._socket.recv(timeout=_PATIENCE_SECONDS))
            if message.get("type") == "admin_ack" and message.get("request_id") == number:
                break
        if not message["ok"]:
            raise OperatorError(message.get("error") or "it was not done")
        data: dict[str, Any] = message.get("data") or {}
        return data

    def updates(self) -> Iterator[dict[str, Any]]:
        """Yield the live view, again and again."""
        self.do("subscribe")
        while True:
            message = json.loads(self._socket.recv(timeout=_PATIENCE_SECONDS))
            if message.get("type") == "admin_update":
                yield message


def _message(body: bytes) -> str:
    try:
        found = json.loads(body)
    except ValueError:
        return ""
    return str(found.get("message", "")) if isinstance(found, dict) else ""
