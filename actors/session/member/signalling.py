"""Signalling: how two members of a room come to a direct voice link. Pure.

All signals of a pair pass through one `Exchange`, at the member with the smaller session id. The
browsers that are there offer both at the same time, and lose candidates that come before the
answer; so:

- An offer waits a moment for one that may cross it. Of two that cross, the one from the smaller
  session id is passed on, a moment after the later one: a Chromium that takes back its own offer
  before it has begun to look for candidates never finds any (2 of 10 links, measured). Once passed
  on, an offer is the one that counts.
- Candidates wait until a moment after the answer has passed. They are few and small: more than
  `MAX_HELD` are not kept, and none for longer than an offer is waited for.
"""

from enum import Enum, auto
from typing import TypeAlias

from protocol.ids import SessionId
from protocol.messages.webrtc import WebrtcAnswer, WebrtcIce, WebrtcOffer, WebrtcSignal

MAX_HELD = 128
"""Candidates of one pair: a browser finds 10 to 20."""
PATIENCE_MS = 10_000
"""An offer without an answer stands in nobody's way for longer than this."""

Passed: TypeAlias = tuple[SessionId, WebrtcSignal]
"""The sender, and what is passed on to the other one now."""


class _State(Enum):
    IDLE = auto()
    OFFERED = auto()
    """An offer was passed on; the answer has not come."""
    ANSWERED = auto()


class Exchange:
    """The signals of one pair. All times are monotonic ms."""

    __slots__ = (
        "_candidates",
        "_first",
        "_held",
        "_hold_ms",
        "_offered_by",
        "_pass_at_ms",
        "_since_ms",
        "_state",
    )

    def __init__(self, first: SessionId, hold_ms: float) -> None:
        self._first = first
        """The member with the smaller id."""
        self._hold_ms = hold_ms
        self._state = _State.IDLE
        self._since_ms = 0.0
        self._offered_by: SessionId | None = None
        self._held: tuple[SessionId, WebrtcOffer] | None = None
        """The offer that waits for one that may cross it."""
        self._pass_at_ms = 0.0
        """Until when it does."""
        self._candidates: list[Passed] = []

    def __repr__(self) -> str:
        return f"<Exchange {self._state.name} {len(self._candidates)} candidates held>"

    @property
    def deadline_ms(self) -> float | None:
        """When `poll` has something to do; None while nothing waits."""
        if self._held is not None:
            return self._pass_at_ms
        if not self._candidates:
            return None
        wait_ms = self._hold_ms if self._state is _State.ANSWERED else PATIENCE_MS
        return self._since_ms + wait_ms

    def take(self, sender: SessionId, signal: WebrtcSignal, now_ms: float) -> list[Passed]:
        """Take a signal of one of the two; return what is passed on now, in order."""
        passed = self.poll(now_ms)
        match signal:
            case WebrtcOffer():
                passed += self._offer(sender, signal, now_ms)
            case WebrtcAnswer():
                passed += self._answer(sender, signal, now_ms)
            case WebrtcIce():
                passed += self._candidate(sender, signal, now_ms)
        return passed

    def poll(self, now_ms: float) -> list[Passed]:
        """Return what has waited long enough."""
        if self._held is not None and now_ms >= self._pass_at_ms:
            return [self._pass_offer(*self._held, now_ms)]
        is_open = self._state is _State.ANSWERED and now_ms >= self._since_ms + self._hold_ms
        if self._candidates and is_open:
            passed, self._candidates = self._candidates, []
            return passed
        if self._state is not _State.ANSWERED and now_ms >= self._since_ms + PATIENCE_MS:
            self._state = _State.IDLE
            self._candidates.clear()  # for a link that nobody answered
        return []

    def _offer(self, sender: SessionId, offer: WebrtcOffer, now_ms: float) -> list[Passed]:
        if self._state is _State.OFFERED and self._offered_by == sender:
            return [self._pass_offer(sender, offer, now_ms)]
        if self._state is _State.OFFERED:
            return []  # it crosses one that was passed on
        if self._held is None or self._held[0] != sender:
            self._pass_at_ms = now_ms + self._hold_ms
        if self._held is None or sender in {self._first, self._held[0]}:
            self._held = (sender, offer)
        return self.poll(now_ms)

    def _pass_offer(self, sender: SessionId, offer: WebrtcOffer, now_ms: float) -> Passed:
        self._held = None
        self._state, self._since_ms, self._offered_by = _State.OFFERED, now_ms, sender
        return sender, offer

    def _answer(self, sender: SessionId, answer: WebrtcAnswer, now_ms: float) -> list[Passed]:
        if self._state is _State.OFFERED and self._offered_by == sender:
            return []  # to an offer that was not passed on
        self._held = None
        self._state, self._since_ms = _State.ANSWERED, now_ms
        return [(sender, answer)]

    def _candidate(self, sender: SessionId, signal: WebrtcIce, now_ms: float) -> list[Passed]:
        if self._state is _State.ANSWERED and now_ms >= self._since_ms + self._hold_ms:
            return [(sender, signal)]
        if self._state is _State.IDLE and not self._candidates:
            self._since_ms = now_ms
        if len(self._candidates) < MAX_HELD:
            self._candidates.append((sender, signal))
        return []
