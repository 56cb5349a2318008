"""The operator's socket: commands of the dashboard and the command line, and their answers."""

from typing import Literal

from pydantic import AliasChoices, Field

from protocol.ids import JobId, SessionRef
from protocol.messages.node_inbound import NodeName
from protocol.wire import JsonObject, Label, TimestampMs, WireMessage


class _Command(WireMessage):
    """What all commands have in common: each is answered by one `admin_ack`."""

    request_id: Label | int
    """The sender's own; comes back in the answer."""


class Subscribe(_Command):
    """Send the live view from now on."""

    type: Literal["subscribe"] = "subscribe"


class DrainNode(_Command):
    """Give a node no new work."""

    type: Literal["drain_node"] = "drain_node"
    node_id: NodeName


class UndrainNode(_Command):
    """Give it new work again."""

    type: Literal["undrain_node"] = "undrain_node"
    node_id: NodeName


class CloseSession(_Command):
    """End a session as if its client had closed it."""

    type: Literal["close_session"] = "close_session"
    session_id: SessionRef = Field(validation_alias=AliasChoices("session_id", "session_ref"))
    """Its `session_ref`: nobody but its client knows its id."""


class Forget(_Command):
    """End a session, or all of a tenant, at once, and erase what is kept of them."""

    type: Literal["forget"] = "forget"
    session_id: SessionRef | None = Field(
        default=None, validation_alias=AliasChoices("session_id", "session_ref")
    )
    """A `session_ref`; absent: all sessions of the tenant."""
    tenant_id: Label | None = None


class CancelJob(_Command):
    """End a job without a result."""

    type: Literal["cancel_job"] = "cancel_job"
    job_id: JobId


class ListSessions(_Command):
    """Say which sessions there are, on all instances."""

    type: Literal["list_sessions"] = "list_sessions"


class ListNodes(_Command):
    """Say which nodes there are, on all instances."""

    type: Literal["list_nodes"] = "list_nodes"


class ListJobs(_Command):
    """Say which jobs there are, the latest first."""

    type: Literal["list_jobs"] = "list_jobs"
    state: Label | None = None
    """Absent: those that are not final."""


class AdminAck(WireMessage):
    """The answer to a command."""

    type: Literal["admin_ack"] = "admin_ack"
    request_id: str | int
    ok: bool
    error: str | None = None
    """Why it was not done, for people."""
    data: JsonObject | None = None
    """What was asked for: `sessions`, `nodes` or `jobs`, each a list; what `forget` erased."""


class AdminUpdate(WireMessage):
    """The live view, to subscribers; a later one replaces it."""

    type: Literal["admin_update"] = "admin_update"
    at_ms: TimestampMs
    stats: JsonObject
    """As `/api/v1/stats`."""
    cluster: JsonObject
    """As `/api/v1/cluster`."""


AdminInbound = (
    Subscribe
    | DrainNode
    | UndrainNode
    | CloseSession
    | Forget
    | CancelJob
    | ListSessions
    | ListNodes
    | ListJobs
)
"""Everything an operator may say."""

AdminOutbound = AdminAck | AdminUpdate
"""Everything an operator may hear."""
