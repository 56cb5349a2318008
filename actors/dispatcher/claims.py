"""Claims: which script follows what happened to a session as a whole."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf

from actors.dispatcher.driver import Driver
from actors.dispatcher.guest_sessions import GuestSessions, Then
from actors.dispatcher.step import Deadline, Step
from actors.messages.process import StoreEmptied
from actors.messages.session import SessionClaimed, SessionEnded, SessionOpened
from actors.messages.takeover import OwnershipConfirmed, SessionReleased
from actors.runtime.actor import tell
from protocol.ids import SessionId
from storage.cells import Cell
from storage.job import JobSpec
from storage.replies.job import Fenced, Gone, Moved, Updated
from storage.replies.session import Checked, Claimed
from storage.sessions import Claim, SessionRepository

_CHECKED_AT_ONCE = 100
"""Sessions in one script: about 0.1 ms of the store's time."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    """What goes on when the session is claimed."""

    then: Callable[[], Sequence[Step]]
    expiry: Deadline | None


@dataclass(slots=True)
class _Claim:
    """A claim under way: at most one per session, so what waits for it keeps its order.

    It is the deadline of its own step: the claim itself never expires, what waits for it does.
    """

    step: Step | None = None
    waiting: list[_Waiting] = field(default_factory=list)

    @property
    def at_ms(self) -> float:
        return min((one.expiry.at_ms for one in self.waiting if one.expiry), default=inf)

    def give_up(self) -> Sequence[Step]:
        """Give up the earliest that has waited too long; the claim goes on for the others."""
        at_ms = self.at_ms
        for one in self.waiting:
            if one.expiry is not None and one.expiry.at_ms == at_ms:
                self.waiting.remove(one)
                instead = one.expiry.give_up()
                return instead if self.step is None else (*instead, self.step)
        return () if self.step is None else (self.step,)


@dataclass(frozen=True, slots=True)
class ClaimsHandover:
    """Which sessions there are, and what the store knows of them."""

    opened: Mapping[SessionId, SessionOpened]
    """Those that live here."""
    epochs: Mapping[SessionId, int]
    """Those that are claimed, under which epoch."""
    ended: tuple[SessionEnded, ...]
    """Those that ended while they were claimed: the store does not know it yet."""
    guests: GuestSessions
    """Those that are guests of other cells."""


class Claims:
    """Claims sessions for this instance and gives them back; knows the epochs it holds."""

    def __init__(self, sessions: SessionRepository, driver: Driver) -> None:
        self._sessions = sessions
        self._driver = driver
        self._opened: dict[SessionId, SessionOpened] = {}
        self.epochs: dict[SessionId, int] = {}
        """Those that the store knows as ours, and under which epoch."""
        self.under_way: dict[SessionId, _Claim] = {}
        """Claims that have no answer: who needs the epoch waits for it with `claim`."""
        self.guests = GuestSessions(sessions)

    def __len__(self) -> int:
        return len(self._opened)

    def __contains__(self, session_id: SessionId) -> bool:
        return session_id in self._opened

    def epoch(self, session_id: SessionId) -> int:
        """Return the epoch under which the store knows the session; 0 while it does not."""
        return self.epochs.get(session_id, 0)

    def handover(self) -> ClaimsHandover:
        """Return what a successor goes on with."""
        ended = tuple(SessionEnded(sid) for sid in self.under_way if sid not in self._opened)
        return ClaimsHandover(self._opened, self.epochs, ended, self.guests)

    def adopt(self, handover: ClaimsHandover) -> Sequence[SessionEnded]:
        """Go on where another one stopped; return what it was told and had still to do.

        Claims under way are not taken over: living sessions are told of the change and open again.
        """
        self._opened.update(handover.opened)
        self.epochs.update(handover.epochs)
        self.guests.adopt(handover.guests)
        return handover.ended

    def epoch_in(self, session_id: SessionId, cell: Cell) -> int:
        """Return the epoch under which a cell knows the session: at home, or as a guest."""
        if self._is_home(session_id, cell):
            return self.epochs.get(session_id, 0)
        return self.guests.epoch(session_id, cell)

    def under_epoch(self, spec: JobSpec, cell: Cell) -> JobSpec:
        """Return the job as its session stands in this cell."""
        return replace(spec, session_epoch=self.epoch_in(spec.session_id, cell))

    def enter(
        self, session_id: SessionId, cell: Cell, then: Then, otherwise: Then
    ) -> Sequence[Step]:
        """Make sure that the cell knows the session before something of it goes there."""
        if self._is_home(session_id, cell):
            return then()
        return self.guests.enter(session_id, self.epoch(session_id), cell, then, otherwise)

    def enter_again(
        self, session_id: SessionId, cell: Cell, then: Then, expiry: Deadline | None = None
    ) -> Sequence[Step]:
        """The cell did not know the session: claim it there; `then` follows under its epoch."""
        if self._is_home(session_id, cell):
            return self.claim(session_id, then, expiry)
        self.guests.lost(session_id, cell)

        def home_first() -> Sequence[Step]:
            return tuple(step.later() for step in self.claim(session_id, then, expiry))

        return self.enter(session_id, cell, then, home_first)

    def _is_home(self, session_id: SessionId, cell: Cell) -> bool:
        cells = self._sessions.cells
        return cells.count == 1 or cell == cells.home(session_id)

    def opened(self, message: SessionOpened) -> Sequence[Step]:
        """A session lives here now."""
        self._opened[message.session_id] = message
        return self.claim(message.session_id)

    def claim(
        self,
        session_id: SessionId,
        then: Callable[[], Sequence[Step]] | None = None,
        expiry: Deadline | None = None,
    ) -> Sequence[Step]:
        """Claim the session, again where the store has lost it; `then` follows under its epoch.

        While a claim is under way `then` joins what waits for it. Nothing follows for a session
        that is over.
        """
        opened = self._opened.get(session_id)
        claim = self.under_way.get(session_id)
        if opened is None and claim is None:
            return ()
        is_under_way = claim is not None
        claim = claim or self.under_way.setdefault(session_id, _Claim())
        if then is not None:
            claim.waiting.append(_Waiting(then, expiry))
        if is_under_way or opened is None:
            return ()

        def apply(reply: Claimed | Moved | Gone | Fenced) -> Sequence[Step]:
            return self._claimed(session_id, claim, reply)

        call = self._sessions.claim(self._claim_of(opened))
        claim.step = Step(call, apply, claim)
        return (claim.step,)

    def _claim_of(self, opened: SessionOpened) -> Claim:
        claim = opened.claim or Claim(opened.session_id, opened.tenant_id)
        epoch = self.epoch(opened.session_id)
        return replace(claim, known_epoch=epoch) if epoch else claim

    def _claimed(
        self, session_id: SessionId, claim: _Claim, reply: Claimed | Moved | Gone | Fenced
    ) -> Sequence[Step]:
        opened = self._opened.get(session_id)
        if self.under_way.get(session_id) is not claim:
            return ()  # it was lost, and may have come back, while this was under way
        if isinstance(reply, Moved | Gone):
            return self.lost(session_id)
        if isinstance(reply, Fenced) and opened is not None and claim.step is not None:
            return (claim.step.later(),)  # this instance has no lease yet, or no longer
        del self.under_way[session_id]
        if isinstance(reply, Claimed):
            self.epochs[session_id] = reply.epoch
            if opened is not None:
                tell(opened.session, SessionClaimed(reply.epoch))
        steps = list(self._claimed_as_guest(session_id, reply))
        return [*steps, *(step for one in claim.waiting for step in one.then())]

    def _claimed_as_guest(self, session_id: SessionId, reply: Claimed | Fenced) -> Sequence[Step]:
        if isinstance(reply, Fenced):
            return ()
        return self.guests.claimed_at_home(session_id, reply.epoch, reply.guest_of)

    # ---- from one instance to another -------------------------------------------------------

    def taken_over(self, opened: SessionOpened, claimed: Claimed) -> None:
        """A session that began elsewhere lives here now, claimed wherever it has jobs."""
        self._opened[opened.session_id] = opened
        self.epochs[opened.session_id] = claimed.epoch
        self.guests.taken_over(opened.session_id, claimed.epoch, claimed.guest_of)

    def check(self, stalls: int) -> Sequence[Step]:
        """Ask which sessions are still ours; they do nothing until they are told."""
        epochs = {one: self.epoch(one) for one in self._opened}
        held = {one: epoch for one, epoch in epochs.items() if epoch}
        unclaimed = [one for one, epoch in epochs.items() if not epoch]
        self._confirm(unclaimed, stalls)
        by_home: dict[Cell, list[SessionId]] = {}
        for one in held:
            by_home.setdefault(self._sessions.cells.home(one), []).append(one)
        return [
            self._check(home, {one: held[one] for one in some}, stalls)
            for home, ids in by_home.items()
            for some in _in_parts(ids)
        ]

    def _check(self, home: Cell, epochs: dict[SessionId, int], stalls: int) -> Step:
        def apply(reply: Checked) -> Sequence[Step]:
            for session_id in reply.lost:
                if self.epochs.get(session_id) == epochs[session_id]:
                    self.lost(session_id)
            self._confirm(epochs, stalls)
            for session_id in reply.unkept:
                if opened := self._opened.get(session_id):
                    tell(opened.session, StoreEmptied())  # what it has is put there again
            return ()

        return Step(self._sessions.check(epochs, home), apply)

    def _confirm(self, session_ids: Iterable[SessionId], stalls: int) -> None:
        for session_id in session_ids:
            if opened := self._opened.get(session_id):
                tell(opened.session, OwnershipConfirmed(stalls))

    def lost(self, session_id: SessionId) -> Sequence[Step]:
        """The session is another instance's: what is left of it here is told to be quiet."""
        opened = self._opened.get(session_id)
        self.forget(session_id)
        if opened is not None:
            tell(opened.session, SessionReleased())
        return ()

    def forget(self, session_id: SessionId) -> None:
        """Let go of a session without a word; what waits for its claim is none of ours any more."""
        self._opened.pop(session_id, None)
        self.epochs.pop(session_id, None)
        self.under_way.pop(session_id, None)
        self.guests.forget(session_id)
        self._driver.session_lost(session_id)

    def ended(self, message: SessionEnded) -> Sequence[Step]:
        """The session is over; the store may forget it, once it is known under which epoch."""
        session_id = message.session_id
        self._opened.pop(session_id, None)
        if session_id in self.under_way:
            return self.claim(session_id, lambda: self._close(session_id))
        return self._close(session_id)

    def _close(self, session_id: SessionId) -> Sequence[Step]:
        epoch = self.epochs.pop(session_id, 0)

        def apply(_reply: Updated | Fenced) -> Sequence[Step]:
            return ()

        guests = self.guests.left(session_id)
        return (Step(self._sessions.close(session_id, epoch), apply), *guests)


def _in_parts(ids: list[SessionId]) -> Iterable[list[SessionId]]:
    for start in range(0, len(ids), _CHECKED_AT_ONCE):
        yield ids[start : start + _CHECKED_AT_ONCE]
