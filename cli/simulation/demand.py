"""Who speaks when, which languages, and how long a node takes: a made-up world. Pure.

The same seed makes the same world. Times are virtual ms from the start of the simulation.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from heapq import heapify, heapreplace
from itertools import accumulate
from random import Random

from storage.capability import node_atoms, requirement

LANGUAGES = tuple(f"l{number:02}" for number in range(40))
"""Forty languages; the first is spoken most."""
RECOGNISED_PER_MODEL = 6
TRANSLATED_PER_MODEL = 5
MEAN_SPEECH_MS = 3600.0
"""Length of an utterance: log-normal with this mean."""
SPEECH_SIGMA = 0.6
MEAN_PAUSE_MS = 4000.0
"""Between two utterances of a session: exponential with this mean."""
NODE_START_MS = 300.0
NODE_SHARE_OF_SPEECH = 0.25
"""A node takes so long for an utterance, plus this share of its length, times the world's pace."""
NODE_JITTER = 0.2
SHORTEST_SERVICE_MS = 50
"""No answer comes sooner: what is decided within this time can be asked of the store together."""


@dataclass(frozen=True, slots=True)
class Scale:
    """How large the world is, and how busy."""

    nodes: int
    sessions: int
    seconds: float
    """Virtual seconds in which sessions speak; what they have said then is finished."""
    load: float = 0.9
    """Share of all slots that is busy on average: sets how fast the nodes are."""
    capacity: int = 4
    """Slots per node."""
    models: int = 64
    """Kinds of nodes, by the languages they serve."""
    bursting: float = 0.01
    """Share of the sessions that say everything of the whole time at once, in the middle of it."""
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Model:
    """What one kind of node serves."""

    atoms: tuple[str, ...]
    pairs: tuple[tuple[str, str], ...]
    """Source and target language of each pair that it serves."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """One utterance."""

    at_ms: int
    session: int
    index: int
    speech_ms: int
    service_ms: int
    """How long whichever node gets it will take."""
    is_burst: bool


class World:
    """Nodes, sessions and their languages; `utterances` is all of them, in order of time."""

    def __init__(self, scale: Scale) -> None:
        self.scale = scale
        random = Random(scale.seed)  # noqa: S311 - a made-up world, no secret
        self.models = tuple(_model(random) for _ in range(scale.models))
        shares = tuple(accumulate(1 / (rank + 1) for rank in range(scale.models)))
        kinds = range(scale.models)
        self.model_of_node = random.choices(kinds, cum_weights=shares, k=scale.nodes)
        """The kind of each node; a popular kind has many nodes."""
        self._session_models = random.choices(self.model_of_node, k=scale.sessions)

    def __repr__(self) -> str:
        return f"<World {self.scale.nodes} nodes, {self.scale.sessions} sessions>"

    def pair(self, session: int) -> tuple[str, str]:
        """Return a session's languages: a pair of some kind of node, as frequent as such nodes."""
        pairs = self.models[self._session_models[session]].pairs
        return pairs[(session * 7919) % len(pairs)]

    def requirement(self, session: int) -> str:
        """Return what a node must have for a session's utterances."""
        return requirement(*self.pair(session), use_nmt=True)

    def is_bursting(self, session: int) -> bool:
        """Return whether a session says everything at once."""
        return session < self.scale.bursting * self.scale.sessions

    @cached_property
    def pace(self) -> float:
        """Return the factor on a node's time at which the load is what the scale says."""
        scale = self.scale
        per_ms = scale.sessions / (MEAN_SPEECH_MS + MEAN_PAUSE_MS)
        busy = per_ms * (NODE_START_MS + NODE_SHARE_OF_SPEECH * MEAN_SPEECH_MS)
        return scale.load * scale.nodes * scale.capacity / busy

    def utterances(self) -> Iterator[Utterance]:
        """Return everything that is said, earliest first."""
        random = Random(self.scale.seed + 1)  # noqa: S311 - as above
        ends_ms = self.scale.seconds * 1000
        cycle_ms = MEAN_SPEECH_MS + MEAN_PAUSE_MS
        burst = round(ends_ms / cycle_ms)
        turns: list[tuple[float, int, int]] = []
        for session in range(self.scale.sessions):
            at_ms = ends_ms / 2 if self.is_bursting(session) else random.random() * cycle_ms
            if at_ms < ends_ms:
                turns.append((at_ms, session, 0))
        heapify(turns)
        while turns and turns[0][0] < ends_ms:
            at_ms, session, index = turns[0]
            speech_ms = random.lognormvariate(0, SPEECH_SIGMA) * _MEDIAN_SPEECH_MS
            is_burst = self.is_bursting(session)
            yield self._uttered(random, at_ms, (session, index), speech_ms)
            if is_burst:
                next_ms = at_ms if index + 1 < burst else ends_ms
            else:
                next_ms = at_ms + speech_ms + random.expovariate(1 / MEAN_PAUSE_MS)
            heapreplace(turns, (next_ms, session, index + 1))

    def _uttered(
        self, random: Random, at_ms: float, who: tuple[int, int], speech_ms: float
    ) -> Utterance:
        session, index = who
        jitter = 1 + NODE_JITTER * (2 * random.random() - 1)
        service_ms = self.pace * jitter * (NODE_START_MS + NODE_SHARE_OF_SPEECH * speech_ms)
        return Utterance(
            at_ms=round(at_ms),
            session=session,
            index=index,
            speech_ms=max(1, round(speech_ms)),
            service_ms=max(SHORTEST_SERVICE_MS, round(service_ms)),
            is_burst=self.is_bursting(session),
        )


_MEDIAN_SPEECH_MS = MEAN_SPEECH_MS / 2.718281828459045 ** (SPEECH_SIGMA**2 / 2)


def _model(random: Random) -> Model:
    """Return a kind of node; frequent languages are in most of them."""
    asr = _languages(random, RECOGNISED_PER_MODEL)
    semantic = _languages(random, TRANSLATED_PER_MODEL)
    pairs = tuple((source, target) for source in asr for target in semantic if source != target)
    return Model(node_atoms(asr, semantic), pairs)


def _languages(random: Random, number: int) -> list[str]:
    weights = [1 / (rank + 1) for rank in range(len(LANGUAGES))]
    chosen: list[str] = []
    while len(chosen) < number:
        [language] = random.choices(LANGUAGES, weights=weights)
        if language not in chosen:
            chosen.append(language)
    return chosen
