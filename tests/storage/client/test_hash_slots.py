"""Where a key belongs in a cluster, and how cells spread."""

from binascii import crc_hqx

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.ids import JobId, NodeId, SessionId, new_job_id, new_session_id
from storage.cells import Cells, cell_tags
from storage.client.hash_slots import SLOT_COUNT, key_slot


@pytest.mark.parametrize(
    ("key", "slot"),
    [
        ("123456789", 0x31C3),  # the check value of the specification
        ("foo", 12182),
        ("{user1000}.following", 3443),
        ("{user1000}.followers", 3443),
        ("", 0),
    ],
)
def test_a_key_has_the_slot_that_the_specification_gives_it(key: str, slot: int) -> None:
    assert key_slot(key) == slot % SLOT_COUNT


@pytest.mark.parametrize(
    ("key", "hashed"),
    [("a{b}c", "b"), ("a{b}{c}", "b"), ("a}{b}", "b"), ("a{{b}}", "{b"), ("{b}", "b")],
)
def test_only_what_stands_in_the_first_braces_counts(key: str, hashed: str) -> None:
    assert key_slot(key) == crc_hqx(hashed.encode(), 0) % SLOT_COUNT


@pytest.mark.parametrize("key", ["{}ab", "a{", "a{b", "}a{"])
def test_without_something_in_braces_the_whole_key_counts(key: str) -> None:
    assert key_slot(key) == crc_hqx(key.encode(), 0) % SLOT_COUNT


@pytest.mark.parametrize("count", [2, 3, 6, 9, 16, 100, 256])
def test_each_cell_lies_in_its_own_part_of_the_slots(count: int) -> None:
    slots = [key_slot(prefix + "job:x") for prefix in Cells(count).prefixes]
    parts = [slot * count // SLOT_COUNT for slot in slots]
    assert parts == list(range(count))


def test_tags_never_change_because_they_are_part_of_the_data() -> None:
    assert cell_tags(3) == ("c0.10", "c1.4", "c2.19")
    assert Cells(3).prefixes[2] == "lingua:v1:{c2.19}:"
    assert Cells(1).prefixes == ("lingua:v1:",)


def test_a_job_id_carries_the_home_of_its_session() -> None:
    cells = Cells(9)
    for _ in range(200):
        session_id = new_session_id()
        assert cells.home_of_job(new_job_id(session_id)) == cells.home(session_id)


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
