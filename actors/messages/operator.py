"""What operators ask of sessions, nodes and jobs, and what instances answer each other about it."""

from enum import StrEnum

from protocol.ids import InstanceId
from protocol.value import value


class OperatorCommand(StrEnum):
    """What an instance does, or says, for an operator of any instance."""

    CLOSE_SESSION = "close_session"
    FORGET_SESSION = "forget_session"
    FORGET_TENANT = "forget_tenant"
    """End all sessions of a tenant, and keep nothing of them."""
    CANCEL_JOB = "cancel_job"
    DRAIN_NODE = "drain_node"
    UNDRAIN_NODE = "undrain_node"
    LIST_SESSIONS = "list_sessions"
    LIST_NODES_SEEN = "list_nodes_seen"
    """What the instance has seen of nodes, by the jobs of its sessions."""


@value
class SessionRow:
    """A session as operators see it. Nothing in it lets anybody attach."""

    session_ref: str
    instance_id: str
    tenant_id: str
    platform: str
    src_lang: str
    tgt_lang: str
    state: str
    """Its phase: `active`, `detached`, `closing`, `lingering`, `leaving`."""
    is_resumable: bool
    in_room: bool
    open_utterances: int
    """Without an outcome so far, counted per target language."""
    opened_at_ms: int
    """Unix ms: when it began on this instance."""


@value
class NodeSeen:
    """What one instance has seen of a node's last 50 jobs."""

    node_id: str
    ms_per_second: float | None
    """Median time at the node for a second of speech; None: of too few jobs."""
    jobs: int
    errors: int


@value
class OperatorAsked:
    """To an instance's `Operations`: do this if it concerns what lives here; answer."""

    asker: InstanceId
    number: int
    """The asker's own; comes back in the answer."""
    command: OperatorCommand
    target: str = ""
    """A `session_ref`, a tenant, a job or a node; empty for a listing."""


@value
class OperatorAnswered:
    """To the asker's `Operations`."""

    number: int
    error: str | None = None
    """Why it was not done; None: it was handed to whom it concerns."""
    is_unknown: bool = False
    """Nothing of that name lives here: it may elsewhere."""
    count: int = 0
    """Sessions that end now."""
    sessions: tuple[SessionRow, ...] = ()
    """Of a listing."""
    nodes: tuple[NodeSeen, ...] = ()
    is_complete: bool = True
    """False: there are more sessions than one answer has."""
