"""Which instance has a session that a socket names here: one read of the store, seldom more.

A session is acknowledged before the store knows of it. So one that nobody knows is asked for again,
if there is another instance that may be about to enter it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from actors.dispatcher.step import Expiry, Step
from actors.messages.takeover import LocateSession, SessionLocated
from actors.runtime.actor import tell
from storage.replies.session import LocatedSession, LostSession
from storage.sessions import SessionRepository

LOCATE_WAIT_MS = 5_000
"""For so long a socket that names a session waits for the store."""
_MOST_READS = 6
"""They are a fifth of a second apart: an instance that needs longer to enter a session is in
trouble."""


@dataclass(frozen=True, slots=True)
class _Search:
    message: LocateSession
    expiry: Expiry
    reads: int = 1


def locate(repository: SessionRepository, message: LocateSession, now_ms: float) -> Sequence[Step]:
    """Return the steps that find out where the session is, and tell who asked."""

    def give_up() -> Sequence[Step]:
        tell(message.asker, SessionLocated(message.session_id, is_store_away=True))
        return ()

    search = _Search(message, Expiry(now_ms + LOCATE_WAIT_MS, give_up))
    return (_read(repository, search),)


def _read(repository: SessionRepository, search: _Search) -> Step:
    session_id, asker = search.message.session_id, search.message.asker

    def apply(reply: LocatedSession | LostSession) -> Sequence[Step]:
        if isinstance(reply, LocatedSession):
            tell(asker, SessionLocated(session_id, reply.owner, reply.peer_url))
        elif reply.others and search.reads < _MOST_READS:
            return (_read(repository, replace(search, reads=search.reads + 1)).later(),)
        else:
            tell(asker, SessionLocated(session_id))
        return ()

    return Step(repository.locate(session_id), apply, search.expiry)
