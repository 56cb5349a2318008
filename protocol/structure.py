"""How a JSON text is built: how deep, how long its lists are, how many values it has. Pure.

It is judged before anything is read from it, so that no text makes the reader work for long or
build what another reader refuses (some end at a depth of 200). It must not say whether the text is
valid: who reads it finds out.

Judged is what stands outside of strings, which is little in all but hostile messages: audio is one
long string, passed over at the speed of memory. What is
one flat object need not be given here at all.
"""

from itertools import accumulate
from typing import Final

MAX_DEPTH: Final = 32
"""Objects and lists within each other; what is sent on by us adds a few around it."""
_SMALL_BYTES: Final = 4096
"""So much is read fast, however it is built."""
FLAT_BYTES: Final = 64 * 1024
"""And so much without lists: one object without lists or objects in it is not judged at all."""
_MOST_STRINGS: Final = 32_000
"""2,000 objects of 8 fields have so many."""
_MOST_ESCAPED_QUOTES: Final = 32_000
_MOST_BACKSLASHES: Final = 64
"""So many before a quote say nothing that less would not."""
_BACKSLASH: Final = 0x5C
_MOST_OUTSIDE_BYTES: Final = 128 * 1024
"""What may stand outside of strings."""

_OPENS: Final = 1
_CLOSES: Final = 255
_STEPS: Final = bytes.maketrans(b"[{]}", bytes((_OPENS, _OPENS, _CLOSES, _CLOSES)))
"""Up and down, as signed bytes."""
_NO_STEPS: Final = bytes(set(range(256)) - set(b"[]{}"))
_NOT_BUILT: Final = bytes(set(range(256)) - set(b"[]{},"))

TOO_DEEP: Final = "is nested too deep"
LIST_TOO_LONG: Final = "has a list with too many items"
TOO_MANY_VALUES: Final = "has too many values"


class Structure:
    """How one text is built."""

    __slots__ = ("cost", "fault")

    def __init__(self, fault: str | None, cost: float) -> None:
        self.fault = fault
        """What is wrong with it; None where nothing is."""
        self.cost = cost
        """Work to judge and read it, beyond a plain message: about 40 µs are 1."""


_STRINGS_A_UNIT: Final = 160
"""So many strings are passed over for a cost of 1."""
_BYTES_A_UNIT: Final = 500
"""So much outside of strings is judged and read."""
_PLAIN: Final = Structure(None, 0)


def structure_of(data: bytes, max_list_items: int) -> Structure:
    """Judge how a text is built; 20 ms at worst."""
    if len(data) <= _SMALL_BYTES and _opens_few(data):
        if b"[" not in data or data.count(b",") < max_list_items:
            return _PLAIN
    elif len(data) <= FLAT_BYTES and b"[" not in data and _opens_few(data):
        return _PLAIN
    outside, strings = _outside_of_strings(data)
    cost = strings / _STRINGS_A_UNIT
    if outside is None:
        return Structure(TOO_MANY_VALUES, cost)
    cost += len(outside) / _BYTES_A_UNIT
    if _depth(outside) > MAX_DEPTH:
        return Structure(TOO_DEEP, cost)
    if outside.count(b",") >= max_list_items and _has_long_list(outside, max_list_items):
        return Structure(LIST_TOO_LONG, cost)
    return Structure(None, cost)


def _opens_few(data: bytes) -> bool:
    """Tell whether so few brackets are there, in strings or not, that nothing can be too deep."""
    opened = 0
    for bracket in (b"{", b"["):
        position = data.find(bracket)
        while position >= 0:
            opened += 1
            if opened > MAX_DEPTH:
                return False
            position = data.find(bracket, position + 1)
    return True


def _outside_of_strings(data: bytes) -> tuple[bytes | None, int]:
    """Return the text without its strings (None: there is too much) and how many those are.

    Looking for one byte goes at the speed of memory; `split`, or looking for two, at a hundredth.
    """
    parts: list[bytes] = []
    start = outside_bytes = 0
    for strings in range(_MOST_STRINGS):
        begin = data.find(b'"', start)
        part = data[start : len(data) if begin < 0 else begin]
        if len(part) > _SMALL_BYTES:
            part = part.translate(None, b" \t\r\n")
        outside_bytes += len(part)
        if outside_bytes > _MOST_OUTSIDE_BYTES:
            return None, strings
        parts.append(part)
        if begin < 0:
            return b"".join(parts), strings
        start = _end_of_string(data, begin + 1)
        if start == 0:
            break
    return None, _MOST_STRINGS


def _end_of_string(data: bytes, start: int) -> int:
    """Return the position behind a string; 0 where it has too many escaped quotes."""
    position = start
    for _ in range(_MOST_ESCAPED_QUOTES):
        end = data.find(b'"', position)
        if end < 0:
            return len(data)
        if data[end - 1] != _BACKSLASH or end == start:
            return end + 1
        before = data[max(start, end - _MOST_BACKSLASHES) : end]
        backslashes = len(before) - len(before.rstrip(b"\\"))
        if backslashes == _MOST_BACKSLASHES:
            return 0
        if backslashes % 2 == 0:
            return end + 1
        position = end + 1
    return 0


def _depth(outside: bytes) -> int:
    steps = outside.translate(_STEPS, _NO_STEPS)
    if steps.count(_OPENS) <= MAX_DEPTH:
        return 0
    return max(accumulate(memoryview(steps).cast("b")))


def _has_long_list(outside: bytes, max_items: int) -> bool:
    """Count the commas of each list."""
    commas: list[int] = []
    for sign in outside.translate(None, _NOT_BUILT):
        match sign:
            case 0x2C:  # a comma
                if commas:
                    commas[-1] += 1
                    if commas[-1] >= max_items:
                        return True
            case 0x5B:  # a list begins
                commas.append(0)
            case 0x7B:  # an object begins: how many fields it has is another matter
                commas.append(-_MOST_OUTSIDE_BYTES)
            case _:
                if commas:
                    commas.pop()
    return False
