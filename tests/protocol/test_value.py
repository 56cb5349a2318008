"""A value is a frozen dataclass to readers and to the type checker, and cheap to make."""

from dataclasses import replace

import pytest

from protocol.value import value


@value
class Point:
    x: int
    y: int = 0


def test_values_are_compared_and_hashed_by_their_fields() -> None:
    assert Point(1) == Point(1, 0)
    assert Point(1) != Point(2)
    assert len({Point(1), Point(1, 0), Point(2)}) == 2


def test_a_value_is_changed_by_making_another() -> None:
    point = Point(1, 2)

    assert replace(point, y=3) == Point(1, 3)
    assert point == Point(1, 2)


def test_a_value_has_its_fields_only() -> None:
    with pytest.raises(AttributeError):
        Point(1).z = 3  # type: ignore[attr-defined]


def test_the_type_checker_refuses_to_write_to_a_value() -> None:
    point = Point(1)

    point.x = 2  # type: ignore[misc]  # mypy would call a comment unused that it does not need

    assert point == Point(2)
