"""Presence: which sessions of this process have a socket. Kept by sessions, read by reception."""

from protocol.ids import SessionId


class Presence:
    """Attached sessions count against `max_sessions`; detached ones may be attached to.

    Invariant: a session is in at most one of the two.
    """

    def __init__(self) -> None:
        self._attached: set[SessionId] = set()
        self._detached: dict[SessionId, str] = {}

    @property
    def attached(self) -> int:
        """How many sessions have a socket."""
        return len(self._attached)

    @property
    def detached(self) -> int:
        """How many sessions wait for their client to come back."""
        return len(self._detached)

    def attach(self, session_id: SessionId) -> None:
        """The session has a socket."""
        self._detached.pop(session_id, None)
        self._attached.add(session_id)

    def detach(self, session_id: SessionId, tenant_id: str) -> None:
        """The session has lost its socket; one of the same tenant may name it."""
        self._attached.discard(session_id)
        self._detached[session_id] = tenant_id

    def leave(self, session_id: SessionId) -> None:
        """The session is over, or takes nothing more."""
        self._attached.discard(session_id)
        self._detached.pop(session_id, None)

    def detached_tenant(self, session_id: SessionId) -> str | None:
        """Return the tenant of a detached session; None when it is not detached here."""
        return self._detached.get(session_id)
