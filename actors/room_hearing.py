"""RoomHearing: what a member of a room is about to hear from the others. Pure.

Each thing that is said gets an index of this member's own when it is cut, so that no two speakers
share one, and exactly one outcome. Should its speaker's instance be lost, that is a missing one.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from actors.outcome import WireOutcome, Words
from actors.room_messages import WordsCut
from protocol.errors import MissingReason
from protocol.ids import RequestId, SessionId, TurnId
from protocol.session_outbound import MissingResult

_EMPTY_KEPT = 8


@dataclass(slots=True)
class _Place:
    cut: WordsCut
    index: int
    overdue_at_ms: float


class RoomHearing:
    """Words that were cut and whose outcome has not come. All times are monotonic ms."""

    __slots__ = ("_empty", "_overdue_ms", "_places")

    def __init__(self, overdue_ms: float) -> None:
        self._overdue_ms = overdue_ms
        """From a cut, or the last cut of its turn, to when its outcome is not waited for."""
        self._places: dict[RequestId, _Place] = {}
        self._empty: dict[RequestId, _Place] = {}
        """Those that came empty lately: a full result may still take their place."""

    def __len__(self) -> int:
        return len(self._places)

    @property
    def deadline_ms(self) -> float | None:
        """When the first outcome is not waited for any longer."""
        return min((place.overdue_at_ms for place in self._places.values()), default=None)

    def cut(self, message: WordsCut, index: int, now_ms: float) -> None:
        """Somebody said something; the open segments of its turn live as long as it."""
        at_ms = now_ms + self._overdue_ms
        self._places[message.key] = _Place(message, index, at_ms)
        for place in self._of_turn(message.speaker, message.turn_id):
            place.overdue_at_ms = at_ms

    def ready(self, key: RequestId, outcome: WireOutcome) -> Words | None:
        """Return it as this member hears it; None when it has had an outcome before."""
        place = self._places.pop(key, None)
        if place is None:
            return None
        if isinstance(outcome, MissingResult):
            self._empty[key] = place
            while len(self._empty) > _EMPTY_KEPT:
                del self._empty[next(iter(self._empty))]
        return _words(place, outcome)

    def corrected(self, key: RequestId, outcome: WireOutcome) -> Words | None:
        """Return a full result in place of the empty one that this member heard lately."""
        place = self._empty.pop(key, None)
        return None if place is None else _words(place, outcome)

    def overdue(self, now_ms: float, wall_ms: int) -> Iterator[tuple[RequestId, Words]]:
        """Give up what should have come: whoever had it is gone."""
        late = [key for key, place in self._places.items() if place.overdue_at_ms <= now_ms]
        return self._give_up(late, MissingReason.INSTANCE_LOST, wall_ms)

    def leave(self, wall_ms: int) -> Iterator[tuple[RequestId, Words]]:
        """Give up all: this member has left the room."""
        return self._give_up(list(self._places), MissingReason.SESSION_CLOSED, wall_ms)

    def _of_turn(self, speaker: SessionId, turn_id: TurnId) -> Iterator[_Place]:
        for place in self._places.values():
            if place.cut.turn_id == turn_id and place.cut.speaker == speaker:
                yield place

    def _give_up(
        self, keys: list[RequestId], reason: MissingReason, wall_ms: int
    ) -> Iterator[tuple[RequestId, Words]]:
        for key in keys:
            place = self._places.pop(key)
            missing = MissingResult(
                session_id=place.cut.speaker,
                utterance_index=place.cut.utterance_index,
                reason=reason,
                created_at_ms=wall_ms,
                trace_id=place.cut.trace_id,
            )
            yield key, _words(place, missing)


def _words(place: _Place, outcome: WireOutcome) -> Words:
    heard = outcome.model_copy(
        update={
            "utterance_index": place.index,
            "speaker_session_id": place.cut.speaker,
            "speaker_utterance_index": place.cut.utterance_index,
        }
    )
    return Words(heard)
