"""The sessions of one socket that were closed and have not ended yet.

Who opens and closes sessions without a pause would hold as many as it likes: each one that closes
still waits for its outcomes. So a socket has at most `MOST_CLOSING`; a further `session_init` waits
until the first of them has ended. Must not: close anything.
"""

import asyncio
from collections.abc import Callable
from functools import partial

from actors.messages.session import SocketLost
from actors.ports import Mailbox, Outbox
from actors.runtime.actor import is_alive, tell
from gateway.edge.read_pacer import Reader
from gateway.socket_context import SocketContext

MOST_CLOSING = 2
_LOOK_AGAIN_S = 0.05


class ClosingSessions:
    """Life: that of the socket."""

    __slots__ = ("_asked", "_context", "_reader", "_sessions", "_timer")

    def __init__(self, reader: Reader, context: SocketContext) -> None:
        self._reader = reader
        self._context = context
        self._sessions: list[Mailbox] = []
        self._asked: Mailbox | None = None
        self._timer: asyncio.TimerHandle | None = None

    def __repr__(self) -> str:
        return f"<ClosingSessions {len(self._sessions)}>"

    def add(self, session: Mailbox | None, *, was_asked: bool) -> None:
        """A session closes: asked by the client itself, which waits for its end, or not.

        None: it has ended already.
        """
        if session is not None:
            self._sessions.append(session)
            self._asked = session if was_asked else self._asked

    def make_room(self, session: Mailbox | None, open_next: Callable[[], None]) -> None:
        """Open the next session, which closes this one, as soon as few enough are closing.

        The socket is not read meanwhile. If it is gone by then, nobody wants another session.
        """
        if not self._are_too_many(session):
            open_next()
            return
        if not self._reader.is_open:
            return
        self._context.metrics.limit_reached("closing_sessions")
        self._reader.hold()
        self._wait(session, open_next)

    def _wait(self, session: Mailbox | None, open_next: Callable[[], None]) -> None:
        look_again = partial(self._look_again, session, open_next)
        self._timer = self._context.loop.call_later(_LOOK_AGAIN_S, look_again)

    def _look_again(self, session: Mailbox | None, open_next: Callable[[], None]) -> None:
        is_wanted = self._reader.is_open
        if is_wanted and self._are_too_many(session):
            self._wait(session, open_next)
            return
        self._timer = None
        if is_wanted:
            open_next()
        self._reader.let_go()

    def _are_too_many(self, session: Mailbox | None) -> bool:
        self._sessions = [closing for closing in self._sessions if is_alive(closing)]
        is_one_more = session is not None and is_alive(session)
        return len(self._sessions) + is_one_more > MOST_CLOSING

    def socket_lost(self, outbox: Outbox) -> None:
        """Tell the one that was closed last that nobody waits for its end any more."""
        if self._timer is not None:
            self._timer.cancel()
        asked, self._asked = self._asked, None
        if asked is not None and is_alive(asked):
            tell(asked, SocketLost(outbox))
        self._sessions.clear()
