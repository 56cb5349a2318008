"""What every session of a chaos run may rely on: one outcome each, in order, of its own audio."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.chaos.log import (
    CloseAcked,
    Event,
    JobHeard,
    OutcomeHeard,
    ResumeRefused,
    SessionAbandoned,
    SessionOpened,
    SessionResumed,
    SpeechBegan,
    SpeechEnded,
)
from tests.chaos.peers.audio import Speech


def public(session: str) -> str:
    """Return the session's own id of what a node knows it by."""
    return session.split("~", maxsplit=1)[0].split("#", maxsplit=1)[0]


@dataclass(slots=True)
class _Outcomes:
    owed: set[int] = field(default_factory=set)
    said: set[int] = field(default_factory=set)
    heard: set[int] = field(default_factory=set)
    last_index: int = -1
    last_seq: int = 0
    is_over: bool = False


class OutcomeRule:
    """Exactly one outcome for each utterance, by rising index unless late, numbered from 1."""

    name = "outcomes"

    def __init__(self) -> None:
        self._sessions: dict[str, _Outcomes] = {}

    def take(self, event: Event) -> Iterator[str]:
        """See `Rule.take`."""
        match event:
            case SessionOpened():
                if event.session in self._sessions:
                    yield f"{event.session} was opened twice"
                self._sessions[event.session] = _Outcomes()
            case SpeechBegan():
                self._sessions[event.session].said.add(event.index)
            case SpeechEnded():
                self._sessions[event.session].owed.add(event.index)
            case OutcomeHeard():
                yield from self._heard(event)
            case CloseAcked():
                state = self._sessions[event.session]
                state.is_over = True
                for index in sorted(state.owed - state.heard):
                    yield f"{event.session} was closed without an outcome of {index}"

    def _heard(self, event: OutcomeHeard) -> Iterator[str]:
        state = self._sessions.get(event.session)
        if state is None:
            yield f"an outcome of {event.session}, which nobody here has opened"
            return
        place = f"{event.session}:{event.index}"
        if state.is_over:
            yield f"{place} came after the end of its session"
        if event.index in state.heard:
            yield f"{place} has a second outcome"
        if event.index not in state.said:
            yield f"{place} has an outcome and was never said"
        if event.delivery_seq != state.last_seq + 1:
            yield f"{place} has delivery_seq {event.delivery_seq} after {state.last_seq}"
        if event.late:
            if event.index > state.last_index:
                yield f"{place} is marked late after {state.last_index}"
        elif event.index <= state.last_index:
            yield f"{place} comes after {state.last_index}"
        else:
            state.last_index = event.index
        state.heard.add(event.index)
        state.last_seq = event.delivery_seq

    def forget(self, session: str) -> None:
        """See `Rule.forget`."""
        self._sessions.pop(session, None)


_CLOSING_BYTES = 6400
"""200 ms of silence in PCM16."""


@dataclass(slots=True)
class _Said:
    speech: Speech
    size_bytes: int | None = None
    """All that was sent of it; None while it goes on."""


@dataclass(slots=True)
class _Spoken:
    said: dict[int, _Said] = field(default_factory=dict)
    cut_short: list[str] = field(default_factory=list)
    """What is wrong unless the session turns out to be lost."""
    is_lost: bool = False


def _may_be_closing(job: JobHeard, spoken: _Spoken) -> bool:
    """Tell whether this is the silence that ends a turn whose speaker was lost."""
    ended = [index for index, said in spoken.said.items() if said.size_bytes is not None]
    return job.index == max(ended, default=-1) + 1 and job.size_bytes <= _CLOSING_BYTES


class AudioRule:
    """A node hears an utterance as it was said, byte by byte, on every attempt.

    The last utterance of a session whose client is lost may end early. Whether it is lost is
    often known only later: until then such a cut is neither right nor wrong.
    """

    name = "audio"

    def __init__(self) -> None:
        self._sessions: dict[str, _Spoken] = {}

    def take(self, event: Event) -> Iterator[str]:
        """See `Rule.take`."""
        match event:
            case SessionOpened():
                self._sessions[event.session] = _Spoken()
            case SpeechBegan():
                self._sessions[event.session].said[event.index] = _Said(event.speech)
            case SpeechEnded():
                self._sessions[event.session].said[event.index].size_bytes = event.size_bytes
            case JobHeard():
                yield from self._heard(event)
            case SessionAbandoned() | ResumeRefused():
                self._sessions[event.session].is_lost = True
            case SessionResumed() | CloseAcked():
                yield from self._settle(event.session)

    def _heard(self, event: JobHeard) -> Iterator[str]:
        session = public(event.session)
        spoken = self._sessions.get(session)
        if spoken is None:
            return  # of a client that was gone before its ack came
        said = spoken.said.get(event.index)
        place = f"{session}:{event.index}"
        if (spoken.is_lost or said is None) and _may_be_closing(event, spoken):
            if not spoken.is_lost:
                spoken.cut_short.append(f"{place} is at {event.node} and was never said")
        elif said is None:
            yield f"{place} is at {event.node} and was never said"
        elif said.speech.digest(event.size_bytes) != event.digest:
            yield f"{place} is at {event.node} with other audio ({event.size_bytes} bytes)"
        elif event.size_bytes != said.size_bytes and not spoken.is_lost:
            short = f"{place} is at {event.node} with {event.size_bytes} of {said.size_bytes} bytes"
            spoken.cut_short.append(short)

    def _settle(self, session: str) -> Iterator[str]:
        spoken = self._sessions[session]
        if not spoken.is_lost:
            yield from spoken.cut_short
        spoken.cut_short.clear()

    def forget(self, session: str) -> None:
        """See `Rule.forget`."""
        self._sessions.pop(session, None)
