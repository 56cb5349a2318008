"""How a text is built is judged before it is read: depth, lists, number of values."""

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.structure import (
    LIST_TOO_LONG,
    MAX_DEPTH,
    TOO_DEEP,
    TOO_MANY_VALUES,
    structure_of,
)

MOST_ITEMS = 20
MEGABYTES = 4 * 1024 * 1024

TEXTS = st.text(st.sampled_from('[]{},":\\x\n'), max_size=5)
VALUES = st.recursive(
    st.integers() | TEXTS,
    lambda inner: st.lists(inner, max_size=25) | st.dictionaries(TEXTS, inner, max_size=25),
    max_leaves=30,
)


def depth(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    return 1 + max(map(depth, value), default=0) if isinstance(value, list) else 0


def longest(value: Any) -> int:
    inside = list(value.values() if isinstance(value, dict) else value)
    own = len(inside) if isinstance(value, list) else 0
    return max([own, *(longest(one) for one in inside if isinstance(one, dict | list))])


def nested(levels: int, inside: Any) -> Any:
    for level in range(levels):
        inside = [inside] if level % 2 else {"x": inside}
    return inside


@given(VALUES, st.integers(0, MAX_DEPTH + 2), st.sampled_from([0, 5_000]))
def test_a_text_is_judged_as_what_it_says(inner: Any, levels: int, filler: int) -> None:
    value = {"v": nested(levels, inner), "long": "x" * filler}
    fault = structure_of(json.dumps(value).encode(), MOST_ITEMS).fault
    expected = {TOO_DEEP} if depth(value) > MAX_DEPTH else set()
    if longest(value) > MOST_ITEMS:
        expected.add(LIST_TOO_LONG)
    assert fault in expected or (fault is None and not expected)


@given(st.text(max_size=300) | st.binary(max_size=300).map(lambda data: data.decode("latin-1")))
def test_any_bytes_can_be_judged(text: str) -> None:
    structure_of(text.encode(), MOST_ITEMS)
    structure_of(text.encode() * 40, MOST_ITEMS)


@pytest.mark.parametrize("size", [MAX_DEPTH, 5_000])
def test_depth_is_exact(size: int) -> None:
    rest = '","y":"' + "y" * size + '"}'
    assert structure_of(f'{{"x":{"[" * 31}{"]" * 31},"s":"{rest}'.encode(), 100).fault is None
    assert structure_of(f'{{"x":{"[" * 32}{"]" * 32},"s":"{rest}'.encode(), 100).fault == TOO_DEEP


@pytest.mark.parametrize(
    "text",
    [
        "[" * MEGABYTES,
        "[" + "[]," * (MEGABYTES // 3) + "]",
        "[" + '"",' * (MEGABYTES // 3) + "]",
        "{" + '"a":1,' * (MEGABYTES // 6) + "}",
        '"' + '\\"' * (MEGABYTES // 2) + '"',
        '"' + "\\\\" * (MEGABYTES // 2) + '"',
    ],
    ids=["open lists", "lists", "strings", "fields", "escaped quotes", "backslashes"],
)
def test_what_would_take_long_to_read_is_refused_fast(text: str) -> None:
    data = text.encode()
    began = time.thread_time()
    assert structure_of(data, 2000).fault == TOO_MANY_VALUES
    assert time.thread_time() - began < 0.2  # 0.02 on a machine with nothing else to do


def test_a_long_string_is_no_structure() -> None:
    speech = "A" * MEGABYTES
    structure = structure_of(f'{{"type":"utterance","audio":"{speech}"}}'.encode(), 2000)
    assert structure.fault is None
    assert structure.cost < 1


def test_space_is_no_structure() -> None:
    structure = structure_of(b'{"type":"ping"}' + b" " * MEGABYTES, 2000)
    assert structure.fault is None
    assert structure.cost < 1


def test_a_list_may_have_as_many_items_as_are_allowed() -> None:
    for filler in ("", "x" * 5_000):
        for items, fault in ((2000, None), (2001, LIST_TOO_LONG)):
            text = json.dumps({"models": [{"id": "m"}] * items, "filler": filler})
            assert structure_of(text.encode(), 2000).fault == fault
