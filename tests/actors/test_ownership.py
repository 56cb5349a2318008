"""Ownership: each refusal is counted, and leaves a line as long as they are few."""

from collections.abc import Iterator
from typing import Any

import pytest
from loguru import logger

from actors.ownership import Foreign, Ownership
from protocol.ids import NodeId, SessionId, session_ref


class Clock:
    """A time that stands still."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def lines() -> Iterator[list[dict[str, Any]]]:
    """What is bound to each line."""
    found: list[dict[str, Any]] = []
    sink = logger.add(lambda message: found.append(dict(message.record["extra"])), level="INFO")
    yield found
    logger.remove(sink)


def test_the_line_names_who_asked_and_no_id_of_a_session(lines: list[dict[str, Any]]) -> None:
    ownership = Ownership(Clock())
    ownership.refused(Foreign.SESSION, session_id=SessionId("s-secret"))
    ownership.refused(Foreign.JOB, node_id=NodeId("node-1"))
    assert lines == [
        {"what": "session", "session_ref": session_ref(SessionId("s-secret"))},
        {"what": "job", "node": "node-1"},
    ]


def test_of_a_flood_all_is_counted_and_little_written(lines: list[dict[str, Any]]) -> None:
    clock = Clock()
    ownership = Ownership(clock)
    for _ in range(1000):
        ownership.refused(Foreign.ROOM)
    assert ownership.counts == {Foreign.ROOM: 1000}
    assert len(lines) == 20
    clock.now_s += 10
    ownership.refused(Foreign.ROOM)
    ownership.refused(Foreign.ROOM)
    assert lines[20:] == [{"what": "room", "left_out": 980}, {"what": "room"}]
