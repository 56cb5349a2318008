"""The token that a request shows, in whichever of the three forms. Pure.

`Authorization: Bearer …` for programs, `?token=…` where headers cannot be set, and the WebSocket
sub-protocol `bearer.…` for pages. A browser takes the connection only if the one that it offered
is in the answer (RFC 6455 section 4.1).
"""

import re
from dataclasses import dataclass, field
from urllib.parse import parse_qs

from websockets.http11 import Request

_SCHEME = "bearer"
_PROTOCOL_PREFIX = "bearer."
_MOST_PARAMETERS = 32
_WORD = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


@dataclass(frozen=True, slots=True)
class Presented:
    """What a request says for itself."""

    token: str | None = field(default=None, repr=False)
    """None: it shows none."""
    subprotocol: str | None = field(default=None, repr=False)
    """To be repeated in the answer; holds the token."""
    is_unclear: bool = False
    """It shows different tokens, or a sub-protocol that is none (RFC 9110 section 5.6.2)."""


def presented_by(request: Request) -> Presented:
    """Return the token of a request."""
    headers = request.headers
    protocols = [
        protocol
        for line in headers.get_all("Sec-WebSocket-Protocol")
        for part in line.split(",")
        if (protocol := part.strip())
    ]
    offered = [protocol for protocol in protocols if protocol.startswith(_PROTOCOL_PREFIX)]
    tokens = {protocol.removeprefix(_PROTOCOL_PREFIX) for protocol in offered}
    for line in headers.get_all("Authorization"):
        scheme, _, token = line.strip().partition(" ")
        if scheme.lower() == _SCHEME:
            tokens.add(token.strip())
    tokens.update(_in_query(request.path))
    tokens.discard("")
    if len(tokens) > 1 or not all(map(_WORD.fullmatch, protocols)):
        return Presented(is_unclear=True)
    return Presented(tokens.pop() if tokens else None, offered[0] if offered else None)


def _in_query(path: str) -> list[str]:
    query = path.partition("?")[2]
    if "token" not in query:
        return []
    try:
        return parse_qs(query, max_num_fields=_MOST_PARAMETERS).get("token", [])
    except ValueError:  # more parameters than anybody needs
        return []
