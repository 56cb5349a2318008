"""What the scripts answer that only look, for operators: as values."""

from protocol.value import value


@value
class WaitingPair:
    """Jobs of one pair of languages that wait for the same."""

    source: str
    """As asked for; `auto` allowed."""
    language: str
    """What they are to be translated into."""
    requirement: str
    """What a node must have for them, see `storage.capability`."""
    jobs: int
    oldest_ms: int
    """How long the first of them has waited."""


@value
class Waiting:
    """What waits for a node in one cell."""

    jobs: int
    looked_at: int
    """Of these, those that wait longest: the pairs are theirs."""
    pairs: tuple[WaitingPair, ...]
