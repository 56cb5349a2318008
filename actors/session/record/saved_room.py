"""What the store keeps of a session's part in a room, for another instance to go on with. Pure.

It is part of `SessionRecord`: where it sits, who hears what it spoke last, and which utterances of
others have a number among its own outcomes without having been sent yet.
"""

from dataclasses import dataclass
from typing import Any, Self

from actors.messages.room import Listener
from actors.room.audience import Readers, Track
from actors.session.utterances import Utterance
from protocol.ids import NO_INSTANCE, RequestId, SessionId, TurnId


@dataclass(frozen=True, slots=True)
class RoomRecord:
    """The room that it is in."""

    code: str
    first_language: str | None = None
    """The language that carries no suffix at the nodes."""


@dataclass(frozen=True, slots=True)
class HeardRecord:
    """What another member spoke, while its outcome was not sent."""

    number: int
    """Its place among the session's own cuts."""
    key: RequestId
    """The speaker's."""
    index: int
    """The listener's own."""
    speaker: SessionId
    speaker_index: int
    turn_id: TurnId
    trace_id: str

    @classmethod
    def of(cls, data: dict[str, Any]) -> Self:
        """Read what `to_json` made of it."""
        return cls(**{name: data[name] for name in cls.__dataclass_fields__})


@dataclass(frozen=True, slots=True)
class AudienceRecord:
    """Who hears a cut besides its speaker. Where they are is in the room's record."""

    listeners: tuple[Listener, ...]
    readers: tuple[Listener, ...]
    for_speaker: bool
    translates: bool
    further_language: str | None
    cut_at_ms: int
    """Unix ms; for what was cut long ago nobody waits any more."""

    @classmethod
    def of(cls, data: dict[str, Any]) -> Self:
        """Read what `as_json` wrote."""
        known = {name: data[name] for name in cls.__dataclass_fields__}
        return cls(
            **{
                **known,
                "listeners": tuple(_listener(*one) for one in data["listeners"]),
                "readers": tuple(_listener(*one) for one in data["readers"]),
            }
        )

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON can take it."""
        return {
            "listeners": [_listener_json(one) for one in self.listeners],
            "readers": [_listener_json(one) for one in self.readers],
            "for_speaker": self.for_speaker,
            "translates": self.translates,
            "further_language": self.further_language,
            "cut_at_ms": self.cut_at_ms,
        }

    def track(self, language: str) -> Track:
        """Return the track as it was."""
        return Track(
            language, self.listeners, self.for_speaker, self.translates, self.further_language
        )


def saved_audience(utterance: Utterance, wall_ms: int) -> AudienceRecord | None:
    """Return who hears an utterance; None: its speaker alone."""
    track, readers = utterance.track, utterance.readers
    if track is None or readers is None:
        return None
    return AudienceRecord(
        track.listeners,
        readers.all,
        track.for_speaker,
        track.translates,
        track.further_language,
        wall_ms,
    )


def restored_readers(heard_by: list[AudienceRecord]) -> Readers:
    """Return who reads along with these jobs of one utterance."""
    everybody = dict.fromkeys(one for heard in heard_by for one in heard.readers)
    return Readers(tuple(everybody), len(heard_by))


def _listener_json(listener: Listener) -> list[Any]:
    return [listener.session_id, listener.language, listener.wants_pcm16, listener.resumes]


def _listener(session_id: SessionId, language: str, wants_pcm16: bool, resumes: bool) -> Listener:  # noqa: FBT001 - as it stands in JSON
    return Listener(session_id, NO_INSTANCE, language, wants_pcm16, resumes)
