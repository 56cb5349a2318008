"""How a client's socket is passed through to the instance that has its session. Pure.

The instance that the client came to calls the other one on `/ws/peer/session`, one WebSocket for
each client. The request names the session and the tenant of the client's credential. The first
answer on it is that the client has the session, or a close with `NOT_GIVEN`. From there on both
ends are as one socket: text goes through as it is, both ways, and the code that closes one end
closes the other. Binary messages begin with a byte that says what they are:

    0x01 client   to the session: a client's binary message
    0x02 leaving  to the session: after_ms u32, big-endian | reason, UTF-8: the instance that the
                  client is connected to goes away
    0x03 given    from the session: the client has it
"""

import struct
from dataclasses import dataclass
from urllib.parse import quote, unquote

from protocol.ids import SessionId
from protocol.instances.link import PEER_PATH, PeerProtocolError

PASSTHROUGH_PATH = f"{PEER_PATH}/session"
SESSION_HEADER = "X-Lingua-Session"
TENANT_HEADER = "X-Lingua-Tenant"

NOT_GIVEN = 4409
"""The client may not have the session: it is none of its own, or has a socket, or is over."""
GIVEN = b"\x03"

_CLIENT_MESSAGE = b"\x01"
_LEAVING = b"\x02"
_AFTER_MS = struct.Struct(">BI")


@dataclass(frozen=True, slots=True)
class PassedClient:
    """A client who is connected to another instance than its session's."""

    session_id: SessionId
    """Which session it names."""
    tenant_id: str | None
    """Of its credential; None: it has none."""

    def headers(self) -> dict[str, str]:
        """Return what the request says; a tenant may have any name."""
        headers = {SESSION_HEADER: quote(self.session_id)}
        if self.tenant_id is not None:
            headers[TENANT_HEADER] = quote(self.tenant_id)
        return headers

    @classmethod
    def of(cls, session_id: str, tenant_id: str | None) -> "PassedClient":
        """Return who asks, from the values of the headers."""
        tenant_id = None if tenant_id is None else unquote(tenant_id)
        return cls(SessionId(unquote(session_id)), tenant_id)


@dataclass(frozen=True, slots=True)
class Leaving:
    """The instance that the client came to goes away."""

    after_ms: int
    """When the client should come again."""
    reason: str


def pack_client_message(data: bytes) -> bytes:
    """Return a client's binary message as it passes through."""
    return _CLIENT_MESSAGE + data


def pack_leaving(leaving: Leaving) -> bytes:
    """Return the message that the client's instance goes away."""
    return _AFTER_MS.pack(_LEAVING[0], leaving.after_ms) + leaving.reason.encode()


def unpack_passed(data: bytes) -> bytes | Leaving:
    """Return the client's message, or what its instance has to say itself.

    Raises:
        PeerProtocolError: It is neither.
    """
    if data[:1] == _CLIENT_MESSAGE:
        return data[1:]
    if data[:1] == _LEAVING and len(data) >= _AFTER_MS.size:
        _, after_ms = _AFTER_MS.unpack_from(data)
        return Leaving(after_ms, data[_AFTER_MS.size :].decode(errors="replace"))
    message = f"nothing that is passed through: {data[:1]!r}"
    raise PeerProtocolError(message)
