"""The recordings this project carries, with what is said in them.

Owns where they lie and how a recognised sentence is compared with its transcript. Plays and sends
nothing.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

RECORDINGS_DIR = Path(__file__).parent / "data" / "speech"

_SPELLINGS = {"mr": "mister", "mrs": "misses", "dr": "doctor"}
"""Words that a recogniser writes in short and a transcript in full."""


@dataclass(frozen=True, slots=True)
class Recording:
    """One recorded sentence."""

    name: str
    path: Path
    """16 kHz mono PCM16 WAV."""
    transcript: str
    """Lower case, no punctuation."""


def carried_recordings() -> list[Recording]:
    """Return all carried recordings, in reading order."""
    transcripts = json.loads((RECORDINGS_DIR / "transcripts.json").read_text(encoding="utf-8"))
    return [
        Recording(
            name=name,
            path=RECORDINGS_DIR / f"{name}.wav",
            transcript=transcript,
        )
        for name, transcript in sorted(transcripts.items())
    ]


def word_errors(transcript: str, recognised: str) -> int:
    """Return how many words must be changed, added or dropped to get from one to the other."""
    expected = _words(transcript)
    heard = _words(recognised)
    row = list(range(len(heard) + 1))
    for position, word in enumerate(expected, start=1):
        row = _next_row(row, position, word, heard)
    return row[-1]


def _next_row(row: Sequence[int], position: int, word: str, heard: Sequence[str]) -> list[int]:
    """Return the next row of the table of edit distances."""
    following = [position]
    for column, other in enumerate(heard, start=1):
        replaced = row[column - 1] + (word != other)
        following.append(min(following[-1] + 1, row[column] + 1, replaced))
    return following


def _words(text: str) -> list[str]:
    kept = "".join(c for c in text.lower() if c.isalnum() or c in " '")
    return [_SPELLINGS.get(word, word) for word in kept.split()]
