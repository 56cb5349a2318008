"""What the gateway asks of the rest of the process, and how the answers look.

It owns protocols and plain values. It must not hold state or decide.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from actors.ports import Mailbox, Outbox
from actors.reception import OpenedNode, OpenedSession, Pending, Refused
from gateway.http.query import JobsQuery
from protocol.ids import JobId, NodeId, SessionId
from protocol.messages.admin import AdminAck, AdminInbound
from protocol.messages.node_inbound import NodeRegister
from protocol.messages.session_inbound import SessionInit


class Reception(Protocol):
    """Lets peers in, or says why not. Never blocks."""

    @property
    def draining(self) -> bool:
        """The instance is shutting down and takes no further session."""

    def open_session(
        self, init: SessionInit, outbox: Outbox, tenant_id: str | None, asker: Mailbox | None
    ) -> OpenedSession | Refused | Pending:
        """Begin a session, or go on with one (`resume`).

        `Pending`: it is not here; `asker` gets `ResumeAnswered` within a bounded time.
        """

    def attach_session(
        self,
        session_id: SessionId,
        outbox: Outbox,
        tenant_id: str | None,
        asker: Mailbox | None = None,
    ) -> OpenedSession | Refused | Pending:
        """Give a detached session this socket; tells it `SocketAttached`.

        `Pending`: it is not here; `asker` gets `SessionLocated` within a bounded time. Or its
        socket may be gone; `asker` gets `SessionFreed` when it is. Without an asker only what is
        the case now counts.
        """

    def stop_waiting(self, session_id: SessionId, asker: Mailbox) -> None:
        """Wait no longer for `SessionFreed`."""

    def has_session(self, session_id: SessionId) -> bool:
        """Tell whether the session is here."""

    def register_node(
        self, message: NodeRegister, outbox: Outbox, principal: str | None
    ) -> OpenedNode | Refused:
        """Give a node this socket; tells it `NodeRegistering`."""

    def node(self, node_id: NodeId, principal: str | None) -> Mailbox | None:
        """Return the actor of a registered node; None if it has none, or belongs to others."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who connects, as far as a credential says so."""

    tenant_id: str | None = None
    """Overrides what `session_init` says."""
    principal: str | None = None
    """The name that a node's token belongs to."""
    is_operator: bool = False
    """It may see and do what operators may."""
    is_passed_through: bool = False
    """It is connected to another instance, which passes everything through."""

    def owner(self, address: str) -> str:
        """Return whose share it takes: its tenant's, or that of where it comes from."""
        return self.tenant_id or ("" if self.is_passed_through else address)


ANONYMOUS = Caller()


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether the instance can take work."""

    ready: bool
    store: str
    """`ok`, or what is wrong with it."""
    draining: bool
    instance_id: str


@dataclass(frozen=True, slots=True)
class JobMoment:
    """One step in a job's life."""

    at_ms: int
    """Unix time by the store's clock."""
    event: str
    attempt: int
    node: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class JobReport:
    """What became of a job."""

    job_id: str
    state: str
    attempt: int
    node: str | None
    reason: str | None
    session_ref: str
    index: int
    language: str
    timeline: tuple[JobMoment, ...]


@dataclass(frozen=True, slots=True)
class Survey:
    """The live view at one moment."""

    stats: Mapping[str, Any]
    cluster: Mapping[str, Any]
    owners: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Credential to the ids of its nodes."""

    def of_owner(self, principal: str) -> "Survey":
        """Return what the owner of nodes may see: these nodes."""
        own = set(self.owners.get(principal, ()))
        nodes = [row for row in self.cluster.get("nodes", ()) if row["node_id"] in own]
        return Survey({"nodes": {"connected_nodes": len(nodes)}}, {"nodes": nodes})


class Reports(Protocol):
    """What operators may see. Each may raise `StorageUnavailable`."""

    async def readiness(self) -> Readiness:
        """Tell whether the instance can take work; a store that is away is an answer, no error."""

    async def job(self, job_id: JobId) -> JobReport | None:
        """Return a job's record and timeline; None if it is not known (any more)."""

    async def node(self, node_id: NodeId, principal: str | None = None) -> Mapping[str, Any] | None:
        """Return a node's state, load, languages and slots; None if it is not known.

        For a `principal` only nodes of that credential are known.
        """

    async def jobs(self, query: JobsQuery) -> Mapping[str, Any]:
        """Return a page of jobs by state, the latest first, and where the next page begins."""

    async def route(self, src: str, tgt: str) -> Mapping[str, Any]:
        """Return for a pair each node, why it is or is not chosen, and what waits."""

    async def usage(self, month: str) -> Mapping[str, Any]:
        """Return what each tenant has used in a month, on all instances."""

    async def stats(self) -> Mapping[str, Any]:
        """Return figures about clients, nodes and jobs of this instance."""

    async def cluster(self) -> Mapping[str, Any]:
        """Return the instances and their nodes."""

    async def languages(self) -> Mapping[str, Any]:
        """Return the pairs of languages that are served now; for everybody."""


class Operators(Protocol):
    """What is done and shown on `/ws/admin`."""

    async def run(self, command: AdminInbound, principal: str | None) -> AdminAck:
        """Do it, or say why not; `principal`: it is the owner of nodes who asks, no operator."""

    async def survey(self) -> Survey:
        """Return the live view; where the store is away, what is known without it."""
