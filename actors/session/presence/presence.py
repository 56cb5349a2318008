"""Presence: which sessions of this process have a socket, and which a client may come back to.

Kept by sessions, read by reception.
"""

from collections import Counter
from collections.abc import Callable

from actors.messages.session import GraceRevoked
from actors.messages.takeover import SessionFreed
from actors.ports import Mailbox
from actors.runtime.actor import tell
from actors.session.presence.detached import DetachedQueue, Waiter
from actors.session.profile.resumption import Resumption
from protocol.ids import SessionId


class Presence:
    """Attached sessions count against `max_sessions`; detached ones may be attached to.

    Invariants: a session is in at most one of the two; there are no more detached ones than may
    be. Whether a session can be resumed is apart from it.
    """

    def __init__(
        self, max_detached: int = 10_000, on_limit: Callable[[str], object] | None = None
    ) -> None:
        self._attached: set[SessionId] = set()
        self._tenants: dict[SessionId, str] = {}
        """Of sessions that are not over."""
        self._of_tenant: Counter[str] = Counter()
        """Attached sessions."""
        self._detached: dict[SessionId, tuple[Mailbox, str | None]] = {}
        self._queue = DetachedQueue(max_detached)
        self._on_limit = on_limit
        self._resumptions: dict[SessionId, Resumption] = {}
        self._waiting: dict[SessionId, list[Mailbox]] = {}

    @property
    def attached(self) -> int:
        """How many sessions have a socket."""
        return len(self._attached)

    @property
    def detached(self) -> int:
        """How many sessions wait for their client to come back."""
        return len(self._detached)

    def attached_of(self, tenant_id: str) -> int:
        """Return how many sessions of a tenant have a socket."""
        return self._of_tenant[tenant_id]

    def attach(self, session_id: SessionId, tenant_id: str | None = None) -> None:
        """The session has a socket; whose it is is named once."""
        self._forget_detached(session_id)
        if tenant_id is not None:
            self._tenants.setdefault(session_id, tenant_id)
        if session_id not in self._attached:
            self._attached.add(session_id)
            self._count(session_id, 1)

    def _lose_socket(self, session_id: SessionId) -> None:
        if session_id in self._attached:
            self._attached.remove(session_id)
            self._count(session_id, -1)

    def _count(self, session_id: SessionId, by: int) -> None:
        tenant = self._tenants.get(session_id)
        if tenant is not None:
            self._of_tenant[tenant] += by
            if not self._of_tenant[tenant]:
                del self._of_tenant[tenant]

    def detach(
        self, session_id: SessionId, session: Mailbox, tenant_id: str | None, waiter: Waiter
    ) -> None:
        """The session has lost its socket; one of the same tenant (None: nobody) may name it.

        Where too many wait for their clients, the one that matters least is told to end.
        """
        self._lose_socket(session_id)
        self._detached[session_id] = session, tenant_id
        self._queue.add(session_id, waiter)
        self._tell_waiting(session_id)
        excess = self._queue.take_excess()
        if excess is None:
            return
        if self._on_limit is not None:
            self._on_limit("max_detached_sessions")
        ends, _tenant = self._detached.pop(excess)
        tell(ends, GraceRevoked())

    def answered(self, session_id: SessionId) -> None:
        """The session has had an outcome, with or without a socket."""
        self._queue.answered(session_id)

    def leave(self, session_id: SessionId) -> None:
        """The session is over, or takes nothing more."""
        self._lose_socket(session_id)
        self._tenants.pop(session_id, None)
        self._forget_detached(session_id)
        self._tell_waiting(session_id)

    def _forget_detached(self, session_id: SessionId) -> None:
        if self._detached.pop(session_id, None) is not None:
            self._queue.remove(session_id)

    def detached_tenant(self, session_id: SessionId) -> str | None:
        """Return the tenant whose sockets may name the session; None when nobody may."""
        known = self._detached.get(session_id)
        return None if known is None else known[1]

    # ---- sessions whose sockets may be gone -------------------------------------------------

    def may_be_left(self, session_id: SessionId) -> bool:
        """Return whether the session's socket may be gone without our having heard of it yet.

        Of a client that comes again at once the end is heard a turn of the loop after its next
        beginning, now and then, and where one of the two is on another instance often.
        """
        return session_id in self._attached and session_id not in self._resumptions

    def await_freed(self, session_id: SessionId, asker: Mailbox) -> None:
        """Tell `asker` `SessionFreed`, once, when the session has lost its socket."""
        self._waiting.setdefault(session_id, []).append(asker)

    def stop_waiting(self, session_id: SessionId, asker: Mailbox) -> None:
        """Tell it no more."""
        waiting = [one for one in self._waiting.pop(session_id, ()) if one is not asker]
        if waiting:
            self._waiting[session_id] = waiting

    def _tell_waiting(self, session_id: SessionId) -> None:
        for asker in self._waiting.pop(session_id, ()):
            tell(asker, SessionFreed(session_id))

    # ---- sessions that can be resumed -------------------------------------------------------

    def offer(self, session_id: SessionId, resumption: Resumption) -> None:
        """A client may come back to the session, whether it has a socket or not."""
        self._resumptions[session_id] = resumption

    def withdraw(self, session_id: SessionId) -> None:
        """Nobody may come back to the session any more."""
        self._resumptions.pop(session_id, None)

    def resumption(self, session_id: SessionId) -> Resumption | None:
        """Return how to come back to a session; None where nobody may."""
        return self._resumptions.get(session_id)
