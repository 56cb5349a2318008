"""Who gets in: one judgement for each request, before it becomes a socket or an answer.

It owns the rules of who needs a credential where. It must not answer: the server does, with what
it is given here.

| door | credentials given | none, on loopback | none, on a public address |
|---|---|---|---|
| clients, nodes | needed, unless `allow_anonymous` names them | open | open if `allow_anonymous` |
| operators | needed | open | shut |

An `Origin` is judged where there is one: nodes and operators connect from our own pages or from
none. `Host` is judged where no credential was shown.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPStatus

from websockets.http11 import Request

from gateway.access.certificates import Shown
from gateway.access.credential_watch import CredentialWatch, Proof
from gateway.access.credentials import Credentials
from gateway.access.options import AccessOptions
from gateway.access.origins import KnownHosts, KnownOrigins, is_loopback, is_own_page
from gateway.access.presented import presented_by
from gateway.access.proxies import TrustedProxies
from gateway.ports import ANONYMOUS, Caller


class Door(StrEnum):
    """Where somebody wants in."""

    CLIENT = "client"
    NODE = "node"
    OPERATOR = "operator"


class Reason(StrEnum):
    """Why somebody is refused."""

    NO_TOKEN = "no_token"  # noqa: S105 - a word
    WRONG_TOKEN = "wrong_token"  # noqa: S105 - a word
    SHUT = "shut"
    ORIGIN = "origin"
    HOST = "host"


@dataclass(frozen=True, slots=True)
class Denied:
    """Nobody gets in with this request."""

    reason: Reason
    message: str

    @property
    def status(self) -> HTTPStatus:
        """401 where a token helps, 403 where none does."""
        is_about_token = self.reason in (Reason.NO_TOKEN, Reason.WRONG_TOKEN)
        return HTTPStatus.UNAUTHORIZED if is_about_token else HTTPStatus.FORBIDDEN


@dataclass(frozen=True, slots=True)
class Admitted:
    """Somebody gets in."""

    caller: Caller
    proof: Proof | None = None
    """What it got in with; None: it needed nothing."""
    subprotocol: str | None = field(default=None, repr=False)
    """What the answer to a WebSocket handshake must name; never logged."""


_NOT_OURS = Denied(Reason.ORIGIN, "pages of this origin may not connect here (allowed_origins)")
_UNKNOWN_HOST = Denied(
    Reason.HOST, "this service is not called so: use its address, or see allowed_hosts"
)
_MISSING = Denied(Reason.NO_TOKEN, "a token is needed")
_WRONG = Denied(Reason.WRONG_TOKEN, "the token is not valid here")
_SHUT = Denied(Reason.SHUT, "operators need a token on a public address, and none is set")


class Access:
    """Life: that of the gateway. What is valid now may be replaced at any time (`renew`)."""

    def __init__(
        self,
        options: AccessOptions,
        host: str = "127.0.0.1",
        allow_anonymous: str = "",
        credentials: Credentials | None = None,
    ) -> None:
        self._is_loopback = is_loopback(host)
        anonymous = {role.strip() for role in allow_anonymous.split(",")}
        self._has_credentials = {
            Door.CLIENT: options.proves_tenants,
            Door.NODE: bool(
                options.node_tokens or options.node_tokens_file or options.node_ca_file
            ),
            Door.OPERATOR: bool(options.admin_token or options.admin_token_file),
        }
        self._may_be_anonymous = {
            Door.CLIENT: "clients" in anonymous,
            Door.NODE: "nodes" in anonymous,
            Door.OPERATOR: False,
        }
        self._hosts = KnownHosts(parts_of(options.allowed_hosts))
        self._origins = KnownOrigins(parts_of(options.allowed_origins))
        self._proxies = TrustedProxies(parts_of(options.trusted_proxies))
        self._credentials = credentials or Credentials.read(options)
        self.watch = CredentialWatch()
        """Of open sockets."""

    def __repr__(self) -> str:
        doors = " ".join(f"{door}={'token' if self._needs(door) else 'open'}" for door in Door)
        return f"<Access {doors}>"

    def has_credentials(self, door: Door) -> bool:
        """Tell whether there is a credential for this door at all."""
        return self._has_credentials[door]

    def is_shut(self, door: Door) -> bool:
        """Tell whether nobody at all gets in: without credentials, on a public address."""
        is_open = self._is_loopback or self._may_be_anonymous[door]
        return not is_open and not self._has_credentials[door]

    def renew(self, credentials: Credentials) -> None:
        """From now on these are valid; who came in with others is sent away."""
        self._credentials = credentials
        self.watch.renew(credentials.has)

    def is_proxy(self, peer: str) -> bool:
        """Tell whether connections from this address are a proxy's; empty: this machine's."""
        return self._proxies.has(peer)

    def client_address(self, request: Request, peer: str) -> str:
        """Return which address a request counts for; empty: none."""
        return self._proxies.client_of(peer, request.headers.get_all("X-Forwarded-For"))

    def judge(self, request: Request, door: Door, shown: Shown | None = None) -> Admitted | Denied:
        """Let the caller in, or say why not; `shown`: its certificate, where one may count."""
        if self.is_shut(door):
            return _SHUT
        presented = presented_by(request)
        if presented.is_unclear:
            return _WRONG
        proof = None
        if self._has_credentials[door]:
            if presented.token is not None:
                proof = self._proof(door, presented.token)
                if proof is None:
                    return _WRONG
            else:
                proof = self._certified(shown) if door is Door.NODE else None
                if proof is None and not self._may_be_anonymous[door]:
                    return _MISSING
        denied = self._judge_page(request, door, is_known=proof is not None)
        return denied or Admitted(_caller(door, proof), proof, presented.subprotocol)

    def node_of(self, request: Request) -> Caller | None:
        """Return the node whose token a request shows, if it shows one."""
        token = presented_by(request).token
        if token is None or not self.has_credentials(Door.NODE):
            return None
        proof = self._proof(Door.NODE, token)
        return None if proof is None else _caller(Door.NODE, proof)

    def _needs(self, door: Door) -> bool:
        return self._has_credentials[door] and not self._may_be_anonymous[door]

    def _certified(self, shown: Shown | None) -> Proof | None:
        """Return whose certificate the other end has shown; a token goes first."""
        certificate = None if shown is None else shown()
        return None if certificate is None else self._credentials.certified_node(certificate)

    def _proof(self, door: Door, token: str) -> Proof | None:
        """Return whose token it is at this door."""
        match door:
            case Door.CLIENT:
                return self._credentials.client(token)
            case Door.NODE:
                return self._credentials.node(token)
            case Door.OPERATOR:
                return self._credentials.operator(token)

    # ---- which page it comes from -----------------------------------------------------------

    def _judge_page(self, request: Request, door: Door, *, is_known: bool) -> Denied | None:
        hosts = request.headers.get_all("Host")
        if not is_known and hosts and not (len(hosts) == 1 and self._hosts.has(hosts[0])):
            return _UNKNOWN_HOST
        origins = request.headers.get_all("Origin")
        if not origins or (door is Door.CLIENT and (is_known or self._is_loopback)):
            return None
        if len(origins) == len(hosts) == 1 and self._is_welcome(origins[0], hosts[0], door):
            return None
        return _NOT_OURS

    def _is_welcome(self, origin: str, host: str, door: Door) -> bool:
        is_listed = door is Door.CLIENT and self._origins.has(origin)
        return is_listed or is_own_page(origin, host)


def _caller(door: Door, proof: Proof | None) -> Caller:
    if proof is None:
        return ANONYMOUS
    match door:
        case Door.CLIENT:
            return Caller(tenant_id=proof.name)
        case Door.NODE:
            return Caller(principal=proof.name)
        case Door.OPERATOR:
            return Caller(is_operator=True)


def parts_of(text: str) -> list[str]:
    """Return what a list separated by commas holds."""
    return [part.strip() for part in text.split(",") if part.strip()]
