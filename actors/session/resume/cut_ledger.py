"""CutLedger: the cuts of one session as another instance would have to know them. Pure.

Only sessions that asked for `resume` have one. It keeps a cut until it and all cuts before it have
their outcome: until then its audio may have to be sent again, and cut where it was cut. Must not:
hold audio.
"""

from collections import deque

from actors.session.record.saved import KEPT, CutRecord, EndRecord
from protocol.ids import RequestId


class MemberCutLedger:
    """Cuts that only others hear, in a room, until all of them have the outcome."""

    def __init__(self, count: int = 0) -> None:
        self.count = count
        """How many there were."""
        self._cuts: dict[int, list[bytes]] = {}
        """By utterance index: one for each language."""

    def __repr__(self) -> str:
        return f"<MemberCutLedger {self.count} cuts, of {len(self._cuts)} utterances kept>"

    def next_number(self) -> int:
        """Return the number of the next cut: below 0, for it has no place among the others."""
        self.count += 1
        return -self.count

    def add(self, cut: CutRecord) -> None:
        """Remember a cut."""
        self._cuts.setdefault(cut.index, []).append(cut.text())

    def settle(self, utterance_index: int) -> None:
        """All who hear it have what became of it."""
        self._cuts.pop(utterance_index, None)

    def texts(self) -> list[bytes]:
        """Return the cuts as they are written."""
        return [text for texts in self._cuts.values() for text in texts]


class CutLedger:
    """Numbers the cuts of a session from 1 and remembers those that are not settled."""

    def __init__(self, count: int = 0) -> None:
        self.count = count
        """How many cuts were made."""
        self._cuts: dict[int, bytes] = {}
        """By number, without a gap: as text, for most are written several times."""
        self._open: dict[RequestId, int] = {}
        self._ends: deque[EndRecord] = deque(maxlen=KEPT)

    def __repr__(self) -> str:
        return f"<CutLedger {self.count} cuts, {len(self._cuts)} kept, {len(self._open)} open>"

    @property
    def ends(self) -> tuple[EndRecord, ...]:
        """Cuts that ended without a job, lately."""
        return tuple(self._ends)

    def next_number(self) -> int:
        """Return the number of the next cut."""
        self.count += 1
        return self.count

    def add(self, key: RequestId, cut: CutRecord) -> None:
        """Remember a cut."""
        self._cuts[cut.number] = cut.text()
        self._open[key] = cut.number

    def keep(self, cut: CutRecord) -> None:
        """Remember a cut that has its outcome, for one before it has none."""
        self._cuts[cut.number] = cut.text()

    def end(self, end: EndRecord) -> None:
        """Remember how a cut ended that has no job to tell it."""
        self._ends.append(end)

    def answered(self, key: RequestId) -> None:
        """An utterance has its outcome, and so perhaps all up to it."""
        self._open.pop(key, None)
        lowest = min(self._open.values(), default=self.count + 1)
        while self._cuts and (first := next(iter(self._cuts))) < lowest:
            del self._cuts[first]

    def texts(self) -> list[bytes]:
        """Return the cuts that are not settled, as they are written."""
        return list(self._cuts.values())
