"""GuestSessions: sessions in cells that are not their home, while some of their jobs are there.

A guest cell knows the session under the epoch of its home, so who claimed it there last is its
owner everywhere. The home cell remembers the guest cells before they know the session, so who takes
the session over finds all of its jobs.
"""

from collections.abc import Callable, Sequence

from actors.dispatcher.step import Step
from protocol.ids import SessionId
from storage.cells import Cell
from storage.replies.job import Fenced, Moved, Updated
from storage.replies.session import ClaimedGuest
from storage.sessions import SessionRepository

Then = Callable[[], Sequence[Step]]


class GuestSessions:
    """The epochs of guests. At most one claim per session and cell is under way."""

    def __init__(self, sessions: SessionRepository) -> None:
        self._sessions = sessions
        self.epochs: dict[SessionId, dict[Cell, int]] = {}
        self._waiting: dict[SessionId, dict[Cell, list[tuple[Then, Then]]]] = {}

    def __len__(self) -> int:
        return len(self.epochs) + len(self._waiting)

    def adopt(self, handover: "GuestSessions") -> None:
        """Go on where another one stopped; what was under way is begun again."""
        self.epochs.update(handover.epochs)

    def epoch(self, session_id: SessionId, cell: Cell) -> int:
        """Return the epoch under which a cell knows the guest; 0 while it does not."""
        return self.epochs.get(session_id, {}).get(cell, 0)

    def enter(
        self, session_id: SessionId, home_epoch: int, cell: Cell, then: Then, otherwise: Then
    ) -> Sequence[Step]:
        """Make the session a guest of the cell; `otherwise` follows where that is not possible.

        `then` follows at once where it is one already.
        """
        if self.epoch(session_id, cell):
            return then()
        if self._is_entering(session_id, cell, then, otherwise):
            return ()

        def noted(reply: Updated | Fenced) -> Sequence[Step]:
            if isinstance(reply, Fenced):  # its claim at home is lost, or somebody else has it
                return self._settle(session_id, cell, 0)
            return (self._claim(session_id, home_epoch, cell),)

        return (Step(self._sessions.record_guest(session_id, home_epoch, cell), noted),)

    def lost(self, session_id: SessionId, cell: Cell) -> None:
        """The cell does not know the guest any more."""
        self.epochs.get(session_id, {}).pop(cell, None)

    def claimed_at_home(
        self, session_id: SessionId, home_epoch: int, cells: Sequence[Cell]
    ) -> Sequence[Step]:
        """Its home names the cells it is a guest of, or has lost them with its data."""
        steps: list[Step] = []
        known = self.epochs.get(session_id, {})
        for cell in set(known) - set(cells):
            del known[cell]
            steps.extend(self.enter(session_id, home_epoch, cell, tuple, tuple))
        steps.extend(
            self._claim(session_id, home_epoch, cell)
            for cell in set(cells) - set(known)
            if not self._is_entering(session_id, cell, tuple, tuple)
        )
        return steps

    def taken_over(self, session_id: SessionId, home_epoch: int, cells: Sequence[Cell]) -> None:
        """The session came here, and these cells know it under its new epoch already."""
        if cells:
            self.epochs[session_id] = dict.fromkeys(cells, home_epoch)

    def forget(self, session_id: SessionId) -> None:
        """The session is another instance's, here as everywhere."""
        self.epochs.pop(session_id, None)
        self._waiting.pop(session_id, None)

    def left(self, session_id: SessionId) -> Sequence[Step]:
        """The session is over: the cells it was a guest of may forget it."""
        epochs = self.epochs.get(session_id, {})
        self.forget(session_id)
        return tuple(self._close(session_id, epoch, cell) for cell, epoch in epochs.items())

    def _is_entering(self, session_id: SessionId, cell: Cell, then: Then, otherwise: Then) -> bool:
        """Let what follows wait; return whether a claim is under way already."""
        waiting = self._waiting.setdefault(session_id, {}).setdefault(cell, [])
        waiting.append((then, otherwise))
        return len(waiting) > 1

    def _close(self, session_id: SessionId, epoch: int, cell: Cell) -> Step:
        return Step(self._sessions.close(session_id, epoch, cell), lambda _reply: ())

    def _claim(self, session_id: SessionId, home_epoch: int, cell: Cell) -> Step:
        def claimed(reply: ClaimedGuest | Moved | Fenced) -> Sequence[Step]:
            is_guest = isinstance(reply, ClaimedGuest)
            return self._settle(session_id, cell, home_epoch if is_guest else 0)

        return Step(self._sessions.claim_guest(session_id, home_epoch, cell), claimed)

    def _settle(self, session_id: SessionId, cell: Cell, epoch: int) -> Sequence[Step]:
        of_session = self._waiting.get(session_id, {})
        waiting = of_session.pop(cell, None)
        if waiting is None:  # the session is over or not ours any more
            return (self._close(session_id, epoch, cell),) if epoch else ()
        if not of_session:
            del self._waiting[session_id]
        if epoch:
            self.epochs.setdefault(session_id, {})[cell] = epoch
        steps: list[Step] = []
        for then, otherwise in waiting:
            steps.extend(then() if epoch else otherwise())
        return steps
