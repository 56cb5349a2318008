"""Ownership: how often somebody has named what is another's, on this instance.

A plain object for the loop's thread. Each refusal is counted by what was named, and leaves a line
in the log as long as there are not many: a flood must not fill a disk. It refuses nobody itself.
"""

import time
from collections import Counter
from collections.abc import Callable
from enum import StrEnum

from loguru import logger

from protocol.ids import NodeId, SessionId, session_ref

_MOST_LINES = 20
"""In one period; the first line of the next says how many were left out."""
_PERIOD_S = 10.0


class Foreign(StrEnum):
    """What was named."""

    SESSION = "session"
    """A session that is not this socket's."""
    RESUME = "resume"
    """A session to be resumed, without its token or with another tenant's credential."""
    NODE_ID = "node_id"
    """A node that is alive on another socket, or belongs to other credentials."""
    JOB = "job"
    """A job that this node was not given."""
    ROOM = "room"
    """A room that the sender is not in."""
    MEMBER = "member"
    """Somebody who is not in the sender's room."""


class Ownership:
    """Life: that of the process."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self.counts: Counter[Foreign] = Counter()
        """Refusals by what was named."""
        self._now_s = now_s
        self._lines = self._left_out = 0
        self._began_s = now_s()

    def __repr__(self) -> str:
        return f"<Ownership {dict(self.counts)}>"

    def refused(
        self, what: Foreign, *, session_id: SessionId | None = None, node_id: NodeId | None = None
    ) -> None:
        """Somebody was refused: the one who asked, not the one whose it is."""
        self.counts[what] += 1
        now_s = self._now_s()
        if now_s - self._began_s >= _PERIOD_S:
            self._began_s, self._lines = now_s, 0
        if self._lines >= _MOST_LINES:
            self._left_out += 1
            return
        self._lines += 1
        log = logger.bind(what=what.value)
        if session_id is not None:
            log = log.bind(session_ref=session_ref(session_id))
        if node_id is not None:
            log = log.bind(node=node_id)
        if self._left_out:
            log = log.bind(left_out=self._left_out)
            self._left_out = 0
        log.warning("refused: it belongs to another")
