"""What holds for every test that drives a whole scheduler over sockets."""

import itertools
from collections.abc import Callable

import pytest

_numbers = itertools.count(1)

Pair = tuple[str, str]


@pytest.fixture
def pair() -> Pair:
    """A source and a target language that no other test uses: its nodes and jobs are its own."""
    number = next(_numbers)
    return f"a{number}", f"b{number}"


@pytest.fixture
def fresh_pair() -> Callable[[], Pair]:
    """More such pairs."""

    def fresh() -> Pair:
        number = next(_numbers)
        return f"a{number}", f"b{number}"

    return fresh
