"""The open utterances of one session, and the audio that they hold.

Audio belongs to its session until the utterance has its outcome, and is nowhere else.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from actors.messages.job import Work
from actors.room.audience import Readers, Track
from actors.session.cut import CutReason
from protocol.encode import UiEventTemplate
from protocol.ids import JobId
from storage.job import JobSpec


@dataclass(slots=True)
class Utterance:
    """An utterance that is not answered yet, in one target language."""

    spec: JobSpec
    work: Work
    reason: CutReason
    audio: bytes | None
    """The segment as it goes to a node; None when it was let go of after sending."""
    cut_at_ms: float
    """Monotonic ms."""
    begun_at_ms: float
    """When its first audio came, monotonic ms."""
    turn_cut_at_ms: float = 0.0
    """When its turn was cut last, monotonic ms: from there on its deadline counts."""
    uplink_ms: int | None = None
    """How long the last chunk took from the client, by the client's clock; None: it did not say."""
    is_repeatable: bool = False
    """The client may ask for its outcome again: it came under an index of the client's own."""
    is_silent: bool = False
    """A whole utterance in which nothing can be heard: it has its outcome without a job."""
    track: Track | None = None
    """Set in a room: who hears it in this language; None: the speaker."""
    lane: str | None = None
    """Set where its speaker hears it in several languages: this one, which waits for no other."""
    readers: Readers | None = None
    """Set in a room: who understands the speaker. Shared by the jobs of what was spoken."""

    awaits_replay: bool = False
    """It was cut elsewhere: its audio comes when the client sends it again."""
    has_job: bool = True
    """False: it was cut elsewhere and never dispatched."""
    wanted_attempt: int | None = None
    """While it awaits that: the attempt for which a node wants it."""
    end_seq: int = 0
    """Audio before it is cut, as the store knows with this utterance."""
    first_sent_at_ms: float | None = None
    """When it first was assigned to a node, monotonic ms."""
    sent_at_ms: float | None = None
    """The same of its latest node."""
    events: UiEventTemplate | None = None
    """Made with the first `ui_event`."""


class OpenUtterances:
    """Utterances without an outcome, by job. Invariant: `held_bytes` is the sum of their audio.

    The audio is held once, in however many languages: until the last of its jobs lets go.
    """

    def __init__(self) -> None:
        self.jobs: dict[JobId, Utterance] = {}
        """Read by who holds them; changed here."""
        self.held_bytes = 0
        self._holders: dict[int, int] = {}
        """Utterance index to how many of its jobs hold the audio, where there are several."""
        self.waiting_since_ms: float | None = None
        """The earliest `turn_cut_at_ms`; None while nothing is open."""

    def __len__(self) -> int:
        return len(self.jobs)

    def __iter__(self) -> Iterator[Utterance]:
        return iter(self.jobs.values())

    def add(self, utterance: Utterance) -> None:
        """Hold an utterance until its outcome; the open ones of its turn live as long as it."""
        spec, cut_at_ms = utterance.spec, utterance.cut_at_ms
        self.jobs[spec.job_id] = utterance
        utterance.turn_cut_at_ms = cut_at_ms
        if spec.turn_part:
            for open_ in self:
                if open_.spec.turn_id == spec.turn_id:
                    open_.turn_cut_at_ms = cut_at_ms
            self._look_who_waits()
        elif self.waiting_since_ms is None or cut_at_ms < self.waiting_since_ms:
            self.waiting_since_ms = cut_at_ms
        if utterance.track is not None:
            self._hold(utterance)
        elif utterance.audio is not None:
            self.held_bytes += len(utterance.audio)

    def close(self, job_id: JobId) -> Utterance | None:
        """Let go of the utterance and its audio; None when it was closed before."""
        utterance = self.jobs.pop(job_id, None)
        if utterance is not None:
            if utterance.track is not None:
                self.release(utterance)
            elif utterance.audio is not None:
                self.held_bytes -= len(utterance.audio)
                utterance.audio = None
            if not self.jobs:
                self.waiting_since_ms = None
            elif utterance.turn_cut_at_ms == self.waiting_since_ms:
                self._look_who_waits()
        return utterance

    def _look_who_waits(self) -> None:
        since = [utterance.turn_cut_at_ms for utterance in self.jobs.values()]
        self.waiting_since_ms = min(since, default=None)

    def fill(self, utterance: Utterance, audio: bytes) -> None:
        """The audio of an utterance that was cut elsewhere is here."""
        utterance.audio = audio
        utterance.awaits_replay = False
        self._hold(utterance)

    def release(self, utterance: Utterance) -> None:
        """Let go of the audio alone."""
        index, audio = utterance.spec.utterance_index, utterance.audio
        if audio is None:
            return
        utterance.audio = None
        holders = self._holders.get(index, 1) - 1
        if holders == 0:
            self._holders.pop(index, None)
            self.held_bytes -= len(audio)
        else:
            self._holders[index] = holders

    def has_same(self, utterance_index: int, audio: bytes) -> bool:
        """Whether this audio is open under this index."""
        labelled = (one for one in self if one.spec.utterance_index == utterance_index)
        return any(one.audio == audio for one in labelled)

    def has_spoken(self, utterance_index: int) -> bool:
        """Whether a job of this utterance is open."""
        return any(open_.spec.utterance_index == utterance_index for open_ in self)

    def _hold(self, utterance: Utterance) -> None:
        index, audio = utterance.spec.utterance_index, utterance.audio
        if audio is None:
            return
        holders = self._holders.get(index, 0) + 1
        if holders == 1:
            self.held_bytes += len(audio)
        if utterance.track is not None:
            self._holders[index] = holders
