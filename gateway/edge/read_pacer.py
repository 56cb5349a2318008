"""When one socket is read: not while an inbox is full, and not before its audio is paid for.

It owns the reasons for not reading; the connection owns how. It must not look at messages.
"""

import asyncio
from typing import Any

from actors.ports import Mailbox
from actors.runtime.actor import inbox_of
from actors.runtime.inbox import LoopInbox
from gateway.edge.upgrade import Connection


class Reader:
    """Pauses its connection while any reason holds and resumes it with the last one's end."""

    __slots__ = (
        "_connection",
        "_is_behind",
        "_is_held",
        "_loop",
        "_timer",
        "_waits_for_space",
        "inbox",
    )

    def __init__(self, connection: Connection, loop: asyncio.AbstractEventLoop) -> None:
        self._connection = connection
        self._loop = loop
        self.inbox: LoopInbox[Any] | None = None
        """Of the actor that it reads for: who has put something there looks whether it is full."""
        self._timer: asyncio.TimerHandle | None = None
        self._waits_for_space = False
        self._is_held = self._is_behind = False

    def __repr__(self) -> str:
        why = [" inbox is full"] * self._waits_for_space + [" rests"] * (self._timer is not None)
        why += [" is held"] * self._is_held + [" session is behind"] * self._is_behind
        return f"<Reader{','.join(why)}>"

    @property
    def is_open(self) -> bool:
        """Tell whether the peer is still there."""
        return self._connection.is_open

    def watch(self, ref: Mailbox) -> None:
        """Read for this actor from now on."""
        self.inbox = inbox_of(ref)

    def wait_for_space(self) -> None:
        """Stop reading: the inbox is full, until half of it is empty or its actor is gone."""
        if self.inbox is not None and not self._waits_for_space:
            self._waits_for_space = True
            self._connection.pause()
            self.inbox.on_space(self._on_space)

    def rest(self, wait_ms: float) -> None:
        """Stop reading for this long; a later call counts from now."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(wait_ms / 1000, self._on_rested)
        self._connection.pause()

    def hold(self) -> None:
        """Stop reading until `let_go`."""
        self._is_held = True
        self._connection.pause()

    def let_go(self) -> None:
        """Read on, if nothing else is against it."""
        self._is_held = False
        self._go_on()

    def wait_for_session(self, *, is_behind: bool) -> None:
        """Stop reading while the session is behind with what it has; what it has is paid for."""
        self._is_behind = is_behind
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if is_behind:
            self._connection.pause()
        else:
            self._go_on()

    def close(self) -> None:
        """The connection is gone: nothing has to be resumed."""
        self.inbox = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _on_space(self) -> None:
        self._waits_for_space = False
        self._go_on()

    def _on_rested(self) -> None:
        self._timer = None
        self._go_on()

    def _go_on(self) -> None:
        if (
            not self._waits_for_space
            and self._timer is None
            and not (self._is_held or self._is_behind)
        ):
            self._connection.resume()
