"""The beginning of texts that are too long to be kept whole. Pure."""

from collections.abc import Mapping

from pydantic_core import to_json

OUTCOME_MAX_BYTES = 65_536
"""Of a recorded outcome without its speech, unless another bound is set."""


def beginnings(texts: Mapping[str, str], max_bytes: int) -> dict[str, str]:
    """Return texts that take at most so many bytes as JSON, all shortened in proportion."""
    kept = dict(texts)
    while (size := len(to_json(kept))) > max_bytes and any(kept.values()):
        share = max(0, max_bytes) / size
        kept = {name: text[: int((len(text) - 1) * share)] for name, text in kept.items()}
    return kept
