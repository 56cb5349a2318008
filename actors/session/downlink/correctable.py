"""Correctable: empty answers that a full one may still replace. Pure.

Nodes correct themselves at once or not at all, so only the latest are known.
"""

from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

MOST = 8
"""So many are known where nothing else bounds them."""


class Correctable(Generic[K, V]):
    """What ended empty lately, by job or request."""

    __slots__ = ("_empty", "_most")

    def __init__(self, most: int | None = MOST) -> None:
        """`most`: kept at once; None where each is taken out again by its owner."""
        self._most = most
        self._empty: dict[K, V] = {}

    def __len__(self) -> int:
        return len(self._empty)

    def add(self, key: K, ended: V) -> None:
        """It ended empty."""
        self._empty[key] = ended
        while self._most is not None and len(self._empty) > self._most:
            del self._empty[next(iter(self._empty))]

    def take(self, key: K) -> V | None:
        """Return what ended empty under this key, once; None: nothing lately."""
        return self._empty.pop(key, None)
