"""What happens in a chaos run, decided before it begins: all of it from one seed.

The same seed gives the same sessions, utterances, nodes and faults at the same times; how they
fall together on the wires is up to the machine.
"""

from dataclasses import dataclass
from enum import StrEnum
from random import Random

MAX_DURATION_MS = 1000
"""`max_duration_ms` of the scheduler under test."""
STREAMED_TARGET = "es"
WHOLE_TARGET = "de"
"""Only nodes that do not stream know it: what is cut by its length is cut as the plan says."""
_CHUNKS_MS = (40, 100, 200)


@dataclass(frozen=True, slots=True)
class ChaosOptions:
    """How large a run is, and what may happen in it."""

    seed: int = 1
    sessions: int = 200
    nodes: int = 10
    utterances: int = 5000
    seconds: float = 60.0
    """Over which the utterances are spread."""
    faults_per_second: float = 1.0
    resuming_share: float = 0.5
    """Of sessions that ask for `resume`."""
    streaming_share: float = 0.5
    """Of sessions whose language nodes that stream know."""
    only: tuple[str, ...] = ()
    """Names of faults: these alone, switched on or not; empty: all that are on."""


def short_form(seed: int) -> ChaosOptions:
    """Return the run that is one of the tests."""
    return ChaosOptions(seed, sessions=200, nodes=10, utterances=5000, seconds=40.0)


class Persona(StrEnum):
    """What a client is like."""

    STEADY = "steady"
    BURSTY = "bursty"
    """Several utterances at once, then nothing for a while."""
    HASTY = "hasty"
    """Closes while it still speaks."""
    DROPPING = "dropping"
    """Loses its socket in the middle of utterances."""
    SLOW_READER = "slow_reader"


class Style(StrEnum):
    """How an utterance is sent."""

    STREAM = "stream"
    """In chunks, with a final."""
    SPOKEN = "spoken"
    """As fast as one speaks: nodes that stream hear it meanwhile."""
    TURN = "turn"
    """Too long for one: it is cut by its length, several times."""
    WHOLE = "whole"
    """In an `utterance` message."""


@dataclass(frozen=True, slots=True)
class UtterancePlan:
    """One thing that is said."""

    style: Style
    parts_ms: tuple[int, ...]
    """Length of each segment that the server has to make of it."""
    chunk_ms: int
    wait_seconds: float
    """Before it begins."""
    chunk_gap_seconds: float
    drop_after_chunk: int | None = None
    """The socket is lost after this many chunks."""
    away_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class SessionPlan:
    """One client and all it says."""

    name: str
    persona: Persona
    audio_format: str
    target: str
    """Language; of what is heard while it is spoken, one that nodes which stream know."""
    is_resuming: bool
    starts_at: float
    utterances: tuple[UtterancePlan, ...]


@dataclass(frozen=True, slots=True)
class NodePlan:
    """One node; its choices during the run come from its own seed."""

    name: str
    capacity: int
    is_sound: bool
    joins_turns: bool
    streams: bool
    seed: int


@dataclass(frozen=True, slots=True)
class ChaosPlan:
    """A whole run."""

    options: ChaosOptions
    sessions: tuple[SessionPlan, ...]
    nodes: tuple[NodePlan, ...]
    faults_seed: int


def make_plan(options: ChaosOptions) -> ChaosPlan:
    """Return the run of this seed."""
    rng = Random(options.seed)
    nodes = tuple(
        NodePlan(
            f"node-{number}",
            rng.choice((4, 6, 8)),
            is_sound=number % 3 == 0,
            joins_turns=number % 4 < 2,
            streams=number % 2 == 1,
            seed=rng.getrandbits(64),
        )
        for number in range(options.nodes)
    )
    each = max(1, options.utterances // options.sessions)
    sessions = tuple(_session(f"s{n}", each, options, rng) for n in range(options.sessions))
    return ChaosPlan(options, sessions, nodes, rng.getrandbits(64))


def _session(name: str, utterances: int, options: ChaosOptions, rng: Random) -> SessionPlan:
    persona = rng.choices(tuple(Persona), (50, 15, 10, 15, 10))[0]
    is_resuming = rng.random() < options.resuming_share
    is_streamed = rng.random() < options.streaming_share
    starts_at = rng.uniform(0, min(5.0, options.seconds / 4))
    mean_wait = (options.seconds - starts_at) / utterances
    said = tuple(
        _utterance(number, persona, mean_wait, rng, _styles(is_resuming, is_streamed))
        for number in range(utterances)
    )
    audio_format = rng.choice(("pcm16", "opus"))
    target = STREAMED_TARGET if is_streamed else WHOLE_TARGET
    return SessionPlan(name, persona, audio_format, target, is_resuming, starts_at, said)


def _styles(is_resuming: bool, is_streamed: bool) -> dict[Style, int]:  # noqa: FBT001
    """Return how often a session says something in which way."""
    styles = {Style.STREAM: 85, Style.TURN: 8}
    if is_streamed:
        styles = {Style.STREAM: 30, Style.SPOKEN: 63}
    return styles if is_resuming else {**styles, Style.WHOLE: 7}


def _utterance(
    number: int, persona: Persona, mean_wait: float, rng: Random, styles: dict[Style, int]
) -> UtterancePlan:
    style = rng.choices(tuple(styles), tuple(styles.values()))[0]
    chunk_ms = rng.choice(_CHUNKS_MS)
    parts_ms: tuple[int, ...] = (chunk_ms * rng.randint(1, 4),)
    if style is Style.TURN:
        chunk_ms = 200
        parts_ms = (*[MAX_DURATION_MS] * rng.randint(1, 2), chunk_ms * rng.randint(1, 4))
    if style is Style.SPOKEN:
        chunk_ms = 100
        parts_ms = (chunk_ms * rng.randint(5, 9),)
    wait = rng.uniform(0.2, 1.8) * mean_wait
    if persona is Persona.BURSTY:
        wait = 0.0 if number % 5 else 5 * mean_wait
    gap = 0.0 if persona is Persona.BURSTY else rng.choice((0.0, 0.01, 0.05))
    if style is Style.SPOKEN:
        gap = chunk_ms / 1000
    chunks = sum(parts_ms) // chunk_ms
    drops = persona is Persona.DROPPING and style is not Style.WHOLE and rng.random() < 0.15
    return UtterancePlan(
        style,
        parts_ms,
        chunk_ms,
        wait,
        chunk_gap_seconds=gap,
        drop_after_chunk=rng.randint(0, chunks) if drops else None,
        away_seconds=rng.choice((0.1, 1.0, 2.0, 5.0)) if drops else 0.0,
    )
