"""The life of a session as a table: in which phase what may happen, and what comes of it. Pure.

- Active with a socket. A resume on another socket takes it over.
- Detached without one, for the grace period. A socket may attach, or the client may resume.
- Closing once it was asked to end or the grace has passed: what was spoken so far is cut, and what
  is open gets its outcome, here if nowhere else. Nothing more is taken.
- Lingering when only the client is missing: it may resume, asked for the end itself, and lost its
  socket before it heard all. Within the grace it still can.
- Leaving while its instance shuts down and another one can go on with it: what is open ends here,
  nothing more is taken, the rest stays in the store.
- Over.

Rules of the file: `TABLE` has each event that can come in each phase; one look-up executes it. A
refusal is for the client. An event without an entry is a bug, and raises.
"""

from enum import Enum, auto
from typing import Final


class Phase(Enum):
    """Where a session stands in its life."""

    ACTIVE = auto()
    DETACHED = auto()
    CLOSING = auto()
    LINGERING = auto()
    LEAVING = auto()
    OVER = auto()


class Event(Enum):
    """What happens to a session."""

    ASK = auto()
    """The client says something, or asks for something new."""
    LOSE_SOCKET = auto()
    ATTACH = auto()
    """A socket without a session speaks for it from now on."""
    RESUME = auto()
    CLOSE = auto()
    """The client, the grace or an operator ends it."""
    DRAIN = auto()
    """Its instance shuts down, and another one can go on with it."""
    LINGER = auto()
    """All is answered, and the client was not there to hear it."""
    FINISH = auto()
    """All is answered and heard."""
    RELEASE = auto()
    """Another instance goes on with it."""


class Refusal(Enum):
    """Why something is not done."""

    ENDING = auto()
    """The session takes nothing more."""


_A, _D, _C, _L, _G, _O = (
    Phase.ACTIVE, Phase.DETACHED, Phase.CLOSING, Phase.LINGERING, Phase.LEAVING, Phase.OVER,
)  # fmt: skip
_NO = Refusal.ENDING
_OPEN = (Phase.ACTIVE, Phase.DETACHED)

TABLE: Final[dict[Phase, dict[Event, Phase | Refusal]]] = {
    _A: {
        Event.ASK: _A, Event.LOSE_SOCKET: _D, Event.ATTACH: _A, Event.RESUME: _A,
        Event.CLOSE: _C, Event.DRAIN: _G, Event.RELEASE: _O,
    },
    _D: {
        Event.ASK: _D, Event.LOSE_SOCKET: _D, Event.ATTACH: _A, Event.RESUME: _A,
        Event.CLOSE: _C, Event.DRAIN: _G, Event.RELEASE: _O,
    },
    _C: {
        Event.ASK: _NO, Event.LOSE_SOCKET: _C, Event.ATTACH: _C, Event.RESUME: _C,
        Event.CLOSE: _C, Event.DRAIN: _C, Event.LINGER: _L, Event.FINISH: _O, Event.RELEASE: _O,
    },
    _L: {
        Event.ASK: _NO, Event.LOSE_SOCKET: _L, Event.ATTACH: _L, Event.RESUME: _L,
        Event.CLOSE: _L, Event.DRAIN: _L, Event.LINGER: _L, Event.FINISH: _O, Event.RELEASE: _O,
    },
    _G: {
        Event.ASK: _NO, Event.LOSE_SOCKET: _G, Event.ATTACH: _G, Event.RESUME: _G,
        Event.CLOSE: _G, Event.DRAIN: _G, Event.FINISH: _O, Event.RELEASE: _O,
    },
    _O: {
        Event.ASK: _NO, Event.LOSE_SOCKET: _O, Event.ATTACH: _NO, Event.RESUME: _NO,
        Event.CLOSE: _O, Event.DRAIN: _O, Event.RELEASE: _O,
    },
}  # fmt: skip


class Life:
    """The phase of one session, and when it ends by itself."""

    __slots__ = ("acknowledge", "ends_ms", "grace_ends_ms", "is_open", "lingers", "phase")

    def __init__(self, phase: Phase = Phase.ACTIVE) -> None:
        self.phase = phase
        self.is_open = phase in _OPEN
        """Whether the session takes what its client says."""
        self.ends_ms: float | None = None
        """When the phase is over, whatever comes (monotonic ms); None: not by time."""
        self.grace_ends_ms = 0.0
        """Until when a client whose socket was lost last may come back."""
        self.acknowledge = False
        """The client asked for the end and waits for `session_close_ack`."""
        self.lingers = False
        """The client asked for the end and may come back for what it has not heard."""

    def __repr__(self) -> str:
        return f"<Life {self.phase.name}>"

    @property
    def is_ending(self) -> bool:
        """Whether only what is open keeps it from its end."""
        return not self.is_open and self.phase is not Phase.OVER

    @property
    def is_closing(self) -> bool:
        """Whether the session ends for good, and not only here."""
        return self.phase is Phase.CLOSING or self.phase is Phase.LINGERING

    @property
    def is_over(self) -> bool:
        """Whether nothing happens any more."""
        return self.phase is Phase.OVER

    def take(self, event: Event) -> bool:
        """Go on to the next phase; False, and nothing changes, if the event is refused.

        Raises:
            LookupError: this cannot happen in this phase, which is a bug of the caller.
        """
        follows = TABLE[self.phase].get(event)
        if follows is None:
            raise LookupError(f"{event.name} cannot happen to a session that is {self.phase.name}")
        if isinstance(follows, Refusal):
            return False
        if follows is not self.phase:
            self.phase, self.ends_ms = follows, None
            self.is_open = follows in _OPEN
        return True
