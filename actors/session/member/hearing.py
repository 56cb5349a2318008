"""Hearing: what a member of a room is about to hear from the others. Pure.

Each utterance gets an index of this member's own when it is cut, so that no two speakers
share one, and exactly one outcome, however often it comes: who speaks sends it again when it or
the listener has moved. Should its speaker be lost, that is a missing one.
"""

from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import dataclass

from actors.messages.room import HeardCut, HeardPartial
from actors.session.downlink.correctable import Correctable
from actors.session.downlink.outcome import MemberUtterance, WireOutcome
from actors.session.member.aliases import Aliases
from actors.session.record.saved_room import HeardRecord
from protocol.errors import MissingReason
from protocol.ids import RequestId, SessionId, TurnId
from protocol.messages.session_outbound import AsrPartial, MissingResult

_HAD_KEPT = 128
"""So many of the latest are known again: a speaker that has moved repeats what was open lately."""


@dataclass(slots=True)
class _Place:
    cut: HeardCut
    index: int
    overdue_at_ms: float
    was_elsewhere: bool = False
    """It was cut while this member was on another instance."""


class Hearing:
    """Utterances of others whose outcome has not come. All times are monotonic ms."""

    __slots__ = ("_aliases", "_empty", "_had", "_held", "_overdue_ms", "_places")

    def __init__(self, overdue_ms: float, aliases: Aliases) -> None:
        self._aliases = aliases
        self._overdue_ms = overdue_ms
        """From a cut, or the last cut of its turn, to when its outcome is not waited for."""
        self._places: dict[RequestId, _Place] = {}
        self._empty: Correctable[RequestId, _Place] = Correctable()
        """Those that came empty: a full result may still take their place."""
        self._held: dict[RequestId, _Place] = {}
        """Those that have their outcome, until the client has it and the store knows of it."""
        self._had: dict[RequestId, None] = {}
        """Those that the client has, lately."""

    def __len__(self) -> int:
        return len(self._places)

    @property
    def deadline_ms(self) -> float | None:
        """When the first outcome is not waited for any longer."""
        return min((place.overdue_at_ms for place in self._places.values()), default=None)

    def has_had(self, key: RequestId) -> bool:
        """Whether the client has it."""
        return key in self._had

    def cut(self, message: HeardCut, take_index: Callable[[], int], now_ms: float) -> bool:
        """Somebody spoke; the open segments of its turn live as long as it.

        Returns False if it is known: it is repeated.
        """
        known = self._places.get(message.key) or self._held.get(message.key)
        at_ms = now_ms + self._overdue_ms
        if known is None:
            self._places[message.key] = _Place(message, take_index(), at_ms)
        else:
            known.was_elsewhere = False
        for place in self._of_turn(message.speaker, message.turn_id):
            place.overdue_at_ms = at_ms
        return known is None

    def partial(self, message: HeardPartial, next_index: int) -> AsrPartial:
        """Return text so far as this member hears it."""
        said = message.partial
        places = (
            place.index
            for place in self._places.values()
            if (place.cut.speaker, place.cut.utterance_index)
            == (said.session_id, said.utterance_index)
        )
        speaker = self._aliases.of(said.session_id, message.room_code)
        return said.model_copy(
            update={
                "session_id": speaker,
                "utterance_index": next(places, next_index),
                "text_translated": None,
                "speaker_session_id": speaker,
                "speaker_utterance_index": said.utterance_index,
            }
        )

    def ready(self, key: RequestId, outcome: WireOutcome) -> MemberUtterance | None:
        """Return it as this member hears it; None when it has had an outcome before."""
        place = self._places.pop(key, None)
        if place is None:
            return None
        self._held[key] = place
        if isinstance(outcome, MissingResult):
            self._empty.add(key, place)
        return self._as_heard(place, outcome)

    def delivered(self, key: RequestId) -> None:
        """The client hears it, whatever happens: from now on it is known as heard."""
        if self._held.pop(key, None) is not None:
            self._note_had(key)

    def _note_had(self, key: RequestId) -> None:
        self._had[key] = None
        while len(self._had) > _HAD_KEPT:
            del self._had[next(iter(self._had))]

    def saved(self, number_of: Callable[[RequestId], int | None]) -> tuple[HeardRecord, ...]:
        """Return what the client has not heard yet, for another instance."""
        waiting = (
            (key, one) for places in (self._held, self._places) for key, one in places.items()
        )
        return tuple(
            HeardRecord(
                number, key, place.index, place.cut.speaker, place.cut.utterance_index,
                place.cut.turn_id, place.cut.trace_id,
            )
            for key, place in waiting
            if (number := number_of(key)) is not None
        )  # fmt: skip

    def restore(
        self, recorded: Iterable[HeardRecord], had: Iterable[RequestId], code: str, now_ms: float
    ) -> None:
        """Begin where another instance stopped: its speaker sends it again."""
        for key in had:
            self._note_had(key)
        at_ms = now_ms + self._overdue_ms
        for one in recorded:
            cut = HeardCut(one.key, one.speaker, one.speaker_index, code, one.turn_id, one.trace_id)
            self._places[one.key] = _Place(cut, one.index, at_ms, was_elsewhere=True)

    def orphaned(
        self, present: Container[SessionId], wall_ms: int
    ) -> Iterator[tuple[RequestId, MemberUtterance]]:
        """Give up what was cut before this member came here, where its speaker is not there."""
        lost = [
            key
            for key, place in self._places.items()
            if place.was_elsewhere and place.cut.speaker not in present
        ]
        return self._give_up(lost, MissingReason.INSTANCE_LOST, wall_ms)

    def corrected(self, key: RequestId, outcome: WireOutcome) -> MemberUtterance | None:
        """Return a full result in place of the empty one that this member heard lately."""
        place = self._empty.take(key)
        return None if place is None else self._as_heard(place, outcome)

    def overdue(self, now_ms: float, wall_ms: int) -> Iterator[tuple[RequestId, MemberUtterance]]:
        """Give up what should have come: whoever had it is gone."""
        late = [key for key, place in self._places.items() if place.overdue_at_ms <= now_ms]
        return self._give_up(late, MissingReason.INSTANCE_LOST, wall_ms)

    def leave(self, wall_ms: int) -> Iterator[tuple[RequestId, MemberUtterance]]:
        """Give up all: this member has left the room."""
        return self._give_up(list(self._places), MissingReason.SESSION_CLOSED, wall_ms)

    def _of_turn(self, speaker: SessionId, turn_id: TurnId) -> Iterator[_Place]:
        for place in self._places.values():
            if place.cut.turn_id == turn_id and place.cut.speaker == speaker:
                yield place

    def _give_up(
        self, keys: list[RequestId], reason: MissingReason, wall_ms: int
    ) -> Iterator[tuple[RequestId, MemberUtterance]]:
        for key in keys:
            place = self._held[key] = self._places.pop(key)
            missing = MissingResult(
                session_id=place.cut.speaker,
                utterance_index=place.cut.utterance_index,
                reason=reason,
                created_at_ms=wall_ms,
                trace_id=place.cut.trace_id,
            )
            yield key, self._as_heard(place, missing)

    def _as_heard(self, place: _Place, outcome: WireOutcome) -> MemberUtterance:
        """Return what this member's client hears: the speaker's id is not for it."""
        speaker = self._aliases.of(place.cut.speaker, place.cut.room_code)
        heard = outcome.model_copy(
            update={
                "session_id": speaker,
                "utterance_index": place.index,
                "speaker_session_id": speaker,
                "speaker_utterance_index": place.cut.utterance_index,
            }
        )
        return MemberUtterance(heard)
