"""Reception: lets sessions and nodes in and makes their actors.

A plain object for the loop's thread, called by the gateway. It decides who may come in; what
happens afterwards is between the socket and the actor.
"""

from dataclasses import dataclass

from actors.admission import AdmissionOptions, Refusal, admit_session
from actors.directory import Directory
from actors.messages.node import NodeRegistering
from actors.messages.session import SocketAttached
from actors.messages.takeover import (
    CANNOT_RESUME,
    LocateSession,
    ResumeAnswered,
    ResumeRequested,
    SocketResumed,
)
from actors.node.actor import NodeActor
from actors.node.options import NodeOptions
from actors.node.succession import NodeHandover, handover_of
from actors.overload import Overload, OverloadLevel
from actors.ports import Mailbox, Outbox
from actors.runtime.actor import ActorFailed, ActorRef, Supervise, tell
from actors.session.actor import SessionActor
from actors.session.profile.profile import ANONYMOUS, SessionProfile, tenant_of
from actors.session.record.moved import TakenOverSession
from actors.session.setup import SessionSetup
from protocol.errors import CloseCode, ErrorCode
from protocol.ids import (
    NodeId,
    SessionId,
    could_be_session_id,
    new_node_id,
    new_session_id,
    new_trace_id,
)
from protocol.messages.node_inbound import NodeRegister
from protocol.messages.session_inbound import SessionInit
from storage.tenant_share import EQUAL_SHARE, shares_of

_OWNERS_KEPT = 64
NOTHING_WAITS = "no such session waits for a socket"
_REFUSAL_TEXT = {
    Refusal.DRAINING: "the service is shutting down",
    Refusal.MAX_SESSIONS: "as many sessions as this instance takes are open",
    Refusal.TENANT_MAX_SESSIONS: "this tenant has as many sessions open here as it may",
    Refusal.OVERLOADED: "the service is overloaded: try again later",
}


@dataclass(frozen=True, slots=True)
class OpenedSession:
    """A session that a socket may speak for."""

    session_id: SessionId
    ref: Mailbox
    use_binary_frame: bool
    is_resumed: bool = False
    """It goes on: its client sends again what was lost with the former socket."""


@dataclass(frozen=True, slots=True)
class Pending:
    """The session is asked for in the store, or may be free in a moment.

    `ResumeAnswered` says what became of it, `SessionLocated` where a socket has but named it, and
    `SessionFreed` if what is waited for is the end of the session's socket.
    """

    session_id: SessionId


@dataclass(frozen=True, slots=True)
class OpenedNode:
    """A node that a socket may speak for."""

    node_id: NodeId
    ref: Mailbox


@dataclass(frozen=True, slots=True)
class Refused:
    """Why nobody was let in."""

    code: ErrorCode
    message: str
    close_code: CloseCode | None = None
    """Set when the socket is of no further use."""


class Reception:
    """The one door to the actors."""

    def __init__(
        self,
        setup: SessionSetup,
        nodes: NodeOptions,
        admission: AdmissionOptions,
        supervisor: Supervise,
        overload: Overload | None = None,
    ) -> None:
        self.draining = False
        """Set when the process shuts down: nobody new is let in."""
        self._setup = setup
        self._nodes = nodes
        self._admission = admission
        self._shares = shares_of(admission.tenants)
        self._supervisor = supervisor
        self._overload = overload or Overload(admission)
        self._owners: dict[NodeId, str | None] = {}
        self._directory: Directory = setup.directory

    def open_session(
        self,
        init: SessionInit,
        outbox: Outbox,
        tenant_id: str | None,
        asker: Mailbox | None = None,
    ) -> OpenedSession | Refused | Pending:
        """Begin a session, or go on with one (`resume`); its actor acknowledges.

        `asker` gets `ResumeAnswered` where the session has to be fetched first.
        """
        if init.resume and (init.session_id is not None or init.resume_token is not None):
            return self._resume_session(init, outbox, tenant_id, asker)
        needs_proof = self._setup.tenants_need_proof
        tenant = tenant_of(init, tenant_id, needs_proof=needs_proof)
        refusal = admit_session(
            self._setup.presence.attached,
            self._admission,
            draining=self.draining,
            overloaded=self._overload.level >= OverloadLevel.NO_SESSIONS,
            tenant_is_full=self._is_full(tenant),
        )
        if refusal is not None:
            self._setup.metrics.session_refused(refusal.value)
            text = _REFUSAL_TEXT[refusal]
            return Refused(ErrorCode.NODE_OVERLOADED, text, CloseCode.TRY_AGAIN_LATER)
        session_id = new_session_id()
        profile = SessionProfile.of(
            init, session_id, new_trace_id(), tenant_id, needs_proof=needs_proof
        )
        ref = SessionActor.start(profile, self._setup, outbox, supervisor=self._supervisor)
        self._directory.register_session(session_id, ref)
        self._setup.directory.usage.session_begun(tenant)
        self._setup.presence.attach(session_id, tenant)  # it counts before its actor has run
        return OpenedSession(session_id, ref, profile.use_binary_frame)

    def _is_full(self, tenant: str) -> bool:
        """Tell whether a tenant has as many sessions with a socket here as it may."""
        most = self._shares.get(tenant, EQUAL_SHARE).sessions or self._admission.tenant_max_sessions
        return 0 < most <= self._setup.presence.attached_of(tenant)

    def _resume_session(
        self,
        init: SessionInit,
        outbox: Outbox,
        tenant_id: str | None,
        asker: Mailbox | None = None,
    ) -> OpenedSession | Refused | Pending:
        """Hand a session over to this socket; no bound on sessions, overload or draining ends one.

        From here on the former socket is not heard any more: it is closed in the same step.
        """
        session_id, token = init.session_id or SessionId(""), init.resume_token or ""
        resumption = self._setup.presence.resumption(session_id)
        ref = self._directory.sessions.get(session_id)
        credential, last_seq = tenant_id or ANONYMOUS, init.last_delivery_seq or 0
        is_here = resumption is not None and ref is not None and not resumption.is_behind(token)
        is_over = resumption is None and ref is not None  # its grace, but not all of its words
        is_elsewhere = not is_here and not is_over and could_be_session_id(session_id)
        if asker is not None and token and is_elsewhere:
            wish = ResumeRequested(asker, session_id, token, credential, outbox, last_seq)
            self._directory.dispatcher.tell(wish)
            return Pending(session_id)
        if resumption is None or ref is None or not resumption.admits(token, credential):
            return Refused(ErrorCode.INVALID_SESSION, CANNOT_RESUME)
        former = resumption.claim(token, outbox)
        tell(ref, SocketResumed(outbox, last_seq))
        if former is not None:
            former.close(CloseCode.SESSION_TAKEN_OVER, "the session was resumed on another socket")
        return OpenedSession(session_id, ref, resumption.use_binary_frame, is_resumed=True)

    def admit_moved(self, moved: TakenOverSession, wish: ResumeRequested) -> ResumeAnswered:
        """Go on with a session from another instance, on the socket that asked for it."""
        session_id, profile = wish.session_id, moved.profile
        former = self._directory.sessions.get(session_id)
        if former is not None:  # it was here before, and has been asked to go
            self._setup.presence.leave(session_id)
            self._setup.presence.withdraw(session_id)
        ref = SessionActor.start(profile, self._setup, None, moved, supervisor=self._supervisor)
        self._directory.register_session(session_id, ref)
        resumption = self._setup.presence.resumption(session_id)
        if resumption is None or not resumption.admits(wish.token, wish.credential):
            raise LookupError("a session came without the offer to resume it")
        resumption.claim(wish.token, wish.outbox)
        tell(ref, SocketResumed(wish.outbox, wish.last_delivery_seq))
        return ResumeAnswered(session_id, ref, resumption.use_binary_frame)

    def attach_session(
        self,
        session_id: SessionId,
        outbox: Outbox,
        tenant_id: str | None,
        asker: Mailbox | None = None,
    ) -> OpenedSession | Refused | Pending:
        """Let a socket without a session speak for a detached one of the same tenant.

        `asker` gets `SessionLocated` where the session is not here, or `SessionFreed` when it
        is, and its socket may turn out to be gone: for so long it is `stop_waiting`'s to end.
        """
        presence = self._setup.presence
        ref = self._directory.sessions.get(session_id)
        if ref is not None and (tenant_id or ANONYMOUS) == presence.detached_tenant(session_id):
            presence.attach(session_id)  # at once: of two sockets the first gets it
            tell(ref, SocketAttached(outbox))
            return OpenedSession(session_id, ref, use_binary_frame=False)
        if asker is not None and ref is None and could_be_session_id(session_id):
            self._directory.dispatcher.tell(LocateSession(asker, session_id))
            return Pending(session_id)
        if asker is not None and presence.may_be_left(session_id):
            presence.await_freed(session_id, asker)
            return Pending(session_id)
        return Refused(ErrorCode.INVALID_SESSION, NOTHING_WAITS)

    def stop_waiting(self, session_id: SessionId, asker: Mailbox) -> None:
        """Let `asker` wait no longer for a session's socket to be gone."""
        self._setup.presence.stop_waiting(session_id, asker)

    def has_session(self, session_id: SessionId) -> bool:
        """Return whether the session is here."""
        return session_id in self._directory.sessions

    def register_node(
        self, message: NodeRegister, outbox: Outbox, principal: str | None
    ) -> OpenedNode | Refused:
        """Let a node in, or back in on another socket."""
        if self.draining:
            return Refused(ErrorCode.NODE_OVERLOADED, "the service is shutting down")
        node_id = message.node_id or new_node_id()
        known = self._directory.nodes.get(node_id)
        if known is None:
            known = self._start_node(node_id)
        elif self._owners.get(node_id) != principal:
            text = "this node id belongs to other credentials"
            return Refused(ErrorCode.NODE_ID_CONFLICT, text)
        self._own(node_id, principal)
        tell(known, NodeRegistering(message, outbox, principal or ""))
        return OpenedNode(node_id, known)

    def node(self, node_id: NodeId, principal: str | None) -> Mailbox | None:
        """Return the actor of a registered node; None if it has none, or belongs to others."""
        is_owner = self._owners.get(node_id) == principal
        return self._directory.nodes.get(node_id) if is_owner else None

    def succeed_node(self, failure: ActorFailed) -> Mailbox | None:
        """Start a successor on the socket of a node whose actor failed, if it has one."""
        node_id, handover = NodeId(failure.key), handover_of(failure)
        return None if handover is None else self._start_node(node_id, handover)

    def _own(self, node_id: NodeId, principal: str | None) -> None:
        """Note whose node it is; those of nodes that left are forgotten now and then."""
        nodes = self._directory.nodes
        if len(self._owners) > 2 * len(nodes) + _OWNERS_KEPT:
            self._owners = {known: self._owners[known] for known in self._owners if known in nodes}
        self._owners[node_id] = principal

    def _start_node(
        self, node_id: NodeId, handover: NodeHandover | None = None
    ) -> ActorRef[NodeActor]:
        ref = NodeActor.start(
            node_id, self._directory, self._nodes, handover, supervisor=self._supervisor
        )
        self._directory.register_node(node_id, ref)
        return ref
