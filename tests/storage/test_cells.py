"""How cells spread over the slots of a cluster."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot

from protocol.ids import JobId, NodeId, SessionId, new_job_id, new_session_id, place_of_session
from storage.cells import Cells, cell_tags


@pytest.mark.parametrize("count", [2, 3, 6, 9, 16, 100, 256])
def test_each_cell_lies_in_its_own_part_of_the_slots(count: int) -> None:
    slots = [key_slot(f"{prefix}job:x".encode()) for prefix in Cells(count).prefixes]
    parts = [slot * count // REDIS_CLUSTER_HASH_SLOTS for slot in slots]
    assert parts == list(range(count))


def test_tags_never_change_because_they_are_part_of_the_data() -> None:
    assert cell_tags(3) == ("c0.10", "c1.4", "c2.19")
    assert Cells(3).prefixes[2] == "lingua:v1:{c2.19}:"
    assert Cells(1).prefixes == ("lingua:v1:",)


def test_a_job_id_carries_the_home_of_its_session() -> None:
    cells = Cells(9)
    for _ in range(200):
        session_id = new_session_id()
        assert cells.home_of_job(new_job_id(place_of_session(session_id))) == cells.home(session_id)


def test_sessions_are_spread_evenly_over_the_cells() -> None:
    cells = Cells(9)
    counts = dict.fromkeys(cells.all, 0)
    for number in range(9000):
        counts[cells.home(SessionId(f"s-{number:032x}"))] += 1
    assert min(counts.values()) > 850
    assert max(counts.values()) < 1150


def test_with_one_cell_everything_is_at_home() -> None:
    cells = Cells()
    assert cells.home(SessionId("s")) == cells.home_of_job(JobId("job-1")) == 0
    assert cells.referee(NodeId("n")) == 0
    assert cells.others(cells.all[0]) == ()


@given(st.text(max_size=40))
def test_an_id_of_any_shape_has_a_cell(text: str) -> None:
    cells = Cells(7)
    assert cells.home_of_job(JobId(text)) in cells.all
    assert cells.home(SessionId(text)) in cells.all
