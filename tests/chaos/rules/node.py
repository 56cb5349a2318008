"""What every node of a chaos run may rely on, and what nobody may hear of its answers."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import inf

from tests.chaos.log import (
    Answer,
    DataLost,
    Event,
    JobAnswered,
    JobHeard,
    JobWithdrawn,
    NodeJoined,
    NodeLeft,
    OutcomeHeard,
    StreamHeard,
)
from tests.chaos.rules.calm import Calm
from tests.chaos.rules.session import public

Slot = tuple[str, str, str]
Piece = tuple[str, int, str]
"""Session, index and language: what has one job, with one attempt at a time."""


def slot_of(job: JobHeard | StreamHeard) -> Slot:
    """Return what the job takes at its node: a turn of a session in one language."""
    return public(job.session), public(job.turn), job.language


@dataclass(slots=True)
class _InHand:
    capacity: int
    jobs: dict[str, JobHeard | StreamHeard] = field(default_factory=dict)

    def slots(self, since: float) -> set[Slot]:
        """Return the slots that got a job after this time."""
        return {slot_of(job) for job in self.jobs.values() if job.at > since}


_RESTORED_SECONDS = 1.5
"""In which a store that lost its data is found out and filled again."""


class OpenSlots:
    """What each node has in hand, as far as it can know.

    An answer to a segment ends the earlier ones of its turn. What a lost socket had carried does
    not count any more, nor what a store that lost its data cannot know of: what nodes had in hand,
    and what was on its way to them.
    """

    def __init__(self) -> None:
        self.nodes: dict[str, _InHand] = {}
        self._data_lost_at = -_RESTORED_SECONDS

    def take(self, event: Event) -> None:
        """Follow what happens at the nodes."""
        match event:
            case NodeJoined():
                former = self.nodes.get(event.node) if event.keeps_jobs else None
                jobs = former.jobs if former is not None else {}
                self.nodes[event.node] = _InHand(event.capacity, jobs)
            case NodeLeft():
                self.nodes.pop(event.node, None)
            case DataLost():
                self._data_lost_at = event.at
                for in_hand in self.nodes.values():
                    in_hand.jobs.clear()
            case JobHeard() | StreamHeard() if event.node in self.nodes:
                if event.at > self._data_lost_at + _RESTORED_SECONDS:
                    self.nodes[event.node].jobs[event.job_id] = event
            case JobAnswered() if event.node in self.nodes:
                self._answered(event)
            case JobWithdrawn() if event.node in self.nodes:
                self.nodes[event.node].jobs.pop(event.job_id, None)

    def _answered(self, event: JobAnswered) -> None:
        jobs = self.nodes[event.node].jobs
        if event.answer in (Answer.FALSE, Answer.TEXT_ONLY):
            return
        job = jobs.pop(event.job_id, None)
        if job is None or event.answer not in (Answer.FULL, Answer.EMPTY):
            return
        for other in list(jobs.values()):
            if isinstance(other, StreamHeard) or isinstance(job, StreamHeard):
                continue  # alone in its turn
            if slot_of(other) == slot_of(job) and other.index < job.index:
                del jobs[other.job_id]

    def used(self, node: str, since: float = -inf) -> int:
        """Return how many slots are open at a node and got a job after this time."""
        return len(self.nodes[node].slots(since)) if node in self.nodes else 0


class CapacityRule:
    """A node never has more slots open than it said, at any moment.

    The deadline of a slot's latest job ends it, whether or not the node hears of that.
    """

    name = "capacity"

    def __init__(self, job_seconds: float) -> None:
        self._open = OpenSlots()
        self._job_seconds = job_seconds

    def take(self, event: Event) -> Iterator[str]:
        """See `Rule.take`."""
        self._open.take(event)
        if isinstance(event, JobHeard | StreamHeard) and event.node in self._open.nodes:
            capacity = self._open.nodes[event.node].capacity
            used = self._open.used(event.node, event.at - self._job_seconds)
            if used > capacity:
                jobs = sorted(self._open.nodes[event.node].jobs)
                yield f"{event.node} has {used} slots open and {capacity} in all: {jobs}"

    def forget(self, session: str) -> None:
        """See `Rule.forget`."""


_ON_ITS_WAY_SECONDS = 0.5
"""What a message may take from the scheduler to a node that nothing disturbs."""


@dataclass(slots=True)
class _Attempts:
    heard: dict[int, float] = field(default_factory=dict)
    """Attempt → when a node last heard of it."""
    highest: int = 0
    highest_at: float = 0.0
    answered: int = 0
    """The attempt whose answer the client has."""


class OrderRule:
    """Under one name for a turn a node hears rising indexes; it puts no others together.

    What a socket still brings that the node has left for another one does not count: the scheduler
    wrote it before.
    """

    name = "order"

    def __init__(self) -> None:
        self._latest: dict[str, dict[tuple[str, str], int]] = {}
        """Session → node and its name for the turn → the highest index it has heard."""

    def take(self, event: Event) -> Iterator[str]:
        """See `Rule.take`."""
        if not isinstance(event, JobHeard) or event.on_former_socket:
            return
        latest = self._latest.setdefault(public(event.session), {})
        name = (event.node, f"{event.turn} {event.language}")
        before = latest.get(name, -1)
        if event.index < before:
            yield f"{event.node} gets {event.session}:{event.index} of a turn after {before}"
        latest[name] = max(before, event.index)

    def forget(self, session: str) -> None:
        """See `Rule.forget`."""
        self._latest.pop(session, None)


@dataclass(slots=True)
class _Given:
    piece: Piece
    attempt: int
    why_not: str = ""
    """Why it must reach nobody."""


class AttemptRule:
    """An attempt is given to one node, once; after the next one began its answer counts no more.

    A store that lost its data may give it to another node; never to the same one again.
    """

    name = "attempts"

    def __init__(self, max_attempts: int) -> None:
        self._max_attempts = max_attempts
        self._pieces: dict[Piece, _Attempts] = {}
        self._jobs: dict[tuple[str, str], JobHeard] = {}
        """Node and its name for a job → the job."""
        self._spoken: set[tuple[str, str, int]] = set()
        """Node, its name for a session, index."""
        self._withdrawn: set[tuple[str, str]] = set()
        self._answers: dict[str, _Given] = {}
        self._calm = Calm()
        self._data_lost_at = 0.0

    def take(self, event: Event) -> Iterator[str]:
        """See `Rule.take`."""
        self._calm.take(event)
        match event:
            case JobHeard():
                yield from self._node_heard(event)
            case JobWithdrawn() if not event.of_silent_node:
                self._withdrawn.add((event.node, event.job_id))
            case JobAnswered():
                self._node_answered(event)
            case DataLost():
                self._data_lost_at = event.at
            case OutcomeHeard() if event.reason is None:
                yield from self._client_heard(event)

    def _node_heard(self, job: JobHeard) -> Iterator[str]:
        if (job.node, job.job_id) in self._jobs:
            yield f"{job.node} gets {job.job_id} a second time"
        if (job.node, job.session, job.index) in self._spoken:
            yield f"{job.node} gets {job.session}:{job.index} a second time"
        self._jobs[job.node, job.job_id] = job
        self._spoken.add((job.node, job.session, job.index))
        state = self._pieces.setdefault(_piece(job), _Attempts())
        if state.heard.get(job.attempt, -1.0) > self._data_lost_at:
            yield f"{job.job_id} at {job.node} is attempt {job.attempt} a second time"
        elif job.attempt < state.highest and self._was_on_time(job, state):
            yield f"{job.job_id} at {job.node} is attempt {job.attempt} after {state.highest}"
        if job.attempt > self._max_attempts:
            yield f"{job.job_id} at {job.node} is attempt {job.attempt} of {self._max_attempts}"
        if 0 < state.answered < job.attempt:
            yield f"{job.job_id} is at {job.node} though the client has attempt {state.answered}"
        state.heard[job.attempt] = job.at
        if job.attempt > state.highest:
            state.highest, state.highest_at = job.attempt, job.at

    def _was_on_time(self, job: JobHeard, state: _Attempts) -> bool:
        """Tell whether the node would have heard of it before the next attempt was begun."""
        calm_since = self._calm.since(job.node)
        if calm_since is None or calm_since > state.highest_at:
            return False
        return job.at > state.highest_at + _ON_ITS_WAY_SECONDS

    def _node_answered(self, event: JobAnswered) -> None:
        job = self._jobs.get((event.node, event.job_id))
        if not event.text or job is None:
            return
        given = _Given(_piece(job), job.attempt)
        if event.answer is Answer.FALSE:
            given.why_not = "it was false"
        elif (event.node, event.job_id) in self._withdrawn:
            given.why_not = "the job was withdrawn from the node before"
        self._answers[event.text] = given

    def _client_heard(self, event: OutcomeHeard) -> Iterator[str]:
        place = f"{event.session}:{event.index}"
        given = self._answers.get(event.text)
        if given is None:
            yield f"{place} brings {event.text!r}, which no node has said about its own job"
            return
        if given.piece[:2] != (event.session, event.index):
            yield f"{place} brings {event.text!r}, which belongs to {given.piece}"
            return
        state = self._pieces[given.piece]
        if given.why_not:
            yield f"{place} brings {event.text!r}, but {given.why_not}"
        elif given.attempt < state.highest:
            later = f"attempt {state.highest} was begun"
            yield f"{place} brings {event.text!r} of attempt {given.attempt}, but {later}"
        state.answered = given.attempt

    def forget(self, session: str) -> None:
        """See `Rule.forget`."""
        for piece in [piece for piece in self._pieces if piece[0] == session]:
            del self._pieces[piece]
        for text in [text for text, given in self._answers.items() if given.piece[0] == session]:
            del self._answers[text]
        for key in [key for key, job in self._jobs.items() if public(job.session) == session]:
            del self._jobs[key]
            self._withdrawn.discard(key)
        self._spoken = {row for row in self._spoken if public(row[1]) != session}


def _piece(job: JobHeard) -> Piece:
    return public(job.session), job.index, job.language
