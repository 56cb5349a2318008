"""Whatever strangers send: nothing crashes, nothing takes long, and nobody else notices.

A minute in all, with another seed each time, which is printed; `make fuzz MINUTES=…` goes on.
"""

import random
from collections.abc import Callable

import pytest

from tests.fuzz.__main__ import guide
from tests.fuzz.readers import check, mutate_for
from tests.fuzz.sockets import fuzz_server
from tests.fuzz.targets import TARGETS

pytestmark = pytest.mark.takes(60)

SEED = random.SystemRandom().randrange(1, 1 << 31)


@pytest.fixture
def seed(record_property: Callable[[str, object], None]) -> int:
    record_property("fuzz seed", SEED)
    return SEED


def test_readers_refuse_what_they_cannot_read(seed: int) -> None:
    assert mutate_for(15, seed) > 100


def test_readers_led_by_coverage_refuse_what_they_cannot_read(seed: int) -> None:
    guided = guide(15, seed)
    assert guided.returncode == 0, guided.stdout[-8000:]


def test_a_neighbour_of_strangers_hears_what_was_said_of_it(seed: int) -> None:
    assert fuzz_server(20, seed).results


@pytest.mark.parametrize("name", list(TARGETS))
def test_a_reader_that_fails_or_takes_long_is_found(name: str) -> None:
    def broken(_name: str, _data: bytes) -> None:
        raise KeyError("a bug")

    def slow(_name: str, _data: bytes) -> int:
        return sum(range(20_000_000))

    with pytest.raises(AssertionError, match="KeyError"):
        check(broken, name, b"x")
    if name == "frames":
        with pytest.raises(AssertionError, match="took"):
            check(slow, name, b"x")


@pytest.mark.parametrize("name", list(TARGETS))
def test_what_is_right_is_read(name: str) -> None:
    """Else mutation begins with what is refused at once."""
    read = 0
    for data in TARGETS[name].seeds:
        try:
            TARGETS[name].read(data)
        except TARGETS[name].refusals:
            continue
        read += 1
    assert read
