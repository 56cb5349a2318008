"""Welcome: when a client that may resume is answered, and what with.

A token is given once the store can vouch for it, for this instance may be gone a moment later; a
client that is back in a room is answered once it is seen who is in it. Neither is waited for
without end. Made for a session that asked for `resume`.
"""

from actors.messages.takeover import SocketResumed
from actors.session.parts import Parts
from actors.session.profile.resumption import Resumption
from actors.session.uplink.progress import AudioProgress
from protocol.messages.session_outbound import SessionInitAck

STORE_WAIT_MS = 250.0
"""A store that does not answer in this time is away; sessions begin without it all the same."""


class Welcome:
    """The acknowledgements of one session; all times are monotonic ms."""

    def __init__(self, parts: Parts, progress: AudioProgress, resumption: Resumption) -> None:
        self.due_ms: float | None = None
        """Until when the next acknowledgement waits; None: none is due."""
        self.waiting: SocketResumed | None = None
        """A client that is back, and hears so once it is known who else is in its room."""
        self.is_token_fresh = False
        """The client has not spoken since it was given its token."""
        self._parts = parts
        self._progress = progress
        self._resumption = resumption

    def wait(self, now_ms: float) -> None:
        """Acknowledge when the store has answered, or after a moment."""
        self.due_ms = now_ms + STORE_WAIT_MS

    def is_due(self, now_ms: float) -> bool:
        """Return whether an acknowledgement has waited for long enough."""
        return self.due_ms is not None and now_ms >= self.due_ms

    def acknowledge(self, *, resumed: bool) -> None:
        """Answer `session_init`: how to come back, and from where to send again."""
        self.due_ms = None
        self.is_token_fresh = True
        update: dict[str, object] = {
            "resume_token": self._resumption.renew(self._parts.uplink.opening.epoch),
            "resumed": resumed,
            "next_seq": self._progress.next_seq,
        }
        if resumed:
            update["message"] = "session resumed"
        abilities = self._parts.setup.directory.abilities
        ack: SessionInitAck = self._parts.uplink.opening.wishes.acknowledgement(
            abilities
        ).model_copy(update=update)
        self._parts.downlink.send(ack)

    def puts_off(self, message: SocketResumed, now_ms: float) -> bool:
        """Whether the client is answered later: what it says next is for those in its room."""
        earlier, self.waiting = self.waiting, None
        if earlier is not None and earlier is not message:
            self._resumption.meet()
        member = self._parts.room.member
        if earlier is message or member is None or not member.is_reclaiming:
            return False
        self.waiting = message
        self.due_ms = now_ms + STORE_WAIT_MS
        return True
