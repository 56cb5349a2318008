"""Which results belong together, and what a following job is told of them. Times are ms."""

import unicodedata
from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from actors.session.downlink.grouping import MAX_CONTEXT_CHARACTERS, Grouping, GroupPart
from protocol.ids import GroupId


def grouping() -> Grouping:
    numbers = count()
    return Grouping(lambda: GroupId(f"group-{next(numbers)}"))


def test_results_soon_after_the_groups_beginning_belong_to_it() -> None:
    groups = grouping()
    assert groups.assign("one", "uno", 1000) == GroupPart("group-0", 0)
    assert groups.assign("two", "dos", 2500) == GroupPart("group-0", 1)
    assert groups.assign("three", "tres", 3000) == GroupPart("group-0", 2)
    assert groups.assign("four", "cuatro", 3001) == GroupPart("group-1", 0)


def test_the_end_of_playback_keeps_a_group_open() -> None:
    groups = grouping()
    groups.assign("one", "uno", 0)
    assert groups.playback_ended("group-0", 9000)
    assert groups.assign("two", "dos", 11_000) == GroupPart("group-0", 1)
    assert groups.assign("three", "tres", 11_001) == GroupPart("group-1", 0)


def test_playback_of_another_group_changes_nothing() -> None:
    groups = grouping()
    assert not groups.playback_ended("group-9", 0)
    groups.assign("one", "uno", 5000)
    assert not groups.playback_ended("group-9", 9000)
    assert groups.upcoming(9000) is None


def test_a_result_without_recognised_text_has_a_place_and_adds_no_context() -> None:
    groups = grouping()
    assert groups.assign("", "", 0) == GroupPart("group-0", 0)
    assert groups.assign(" \n", "x", 0) == GroupPart("group-0", 1)
    context = groups.upcoming(0)
    assert context is not None
    assert context.context_text == ""


def test_words_begun_while_a_group_is_open_belong_to_it_however_long_they_last() -> None:
    groups = grouping()
    groups.assign("one", "uno", 0)
    told = groups.upcoming(1900)
    assert told is not None
    assert groups.assign("two", "dos", 9000, told.part.group_id) == told.part
    assert groups.assign("three", "tres", 9000) == GroupPart("group-1", 0)
    assert groups.assign("four", "cuatro", 12_000, "group-0").part_index == 0


def test_words_begun_before_the_first_result_of_a_group_are_told_of_it() -> None:
    groups = grouping()
    groups.assign("one", "uno", 5000)
    assert groups.upcoming(3000) is not None


def test_a_job_behind_others_is_told_the_part_after_theirs() -> None:
    groups = grouping()
    groups.assign("one", "uno", 0)
    context = groups.upcoming(0, ahead=2)
    assert context is not None
    assert context.part.part_index == 3


def test_a_job_is_told_its_likely_place_and_what_was_said() -> None:
    groups = grouping()
    assert groups.upcoming(0) is None
    groups.assign("one", "uno", 0)
    groups.assign("two", "dos", 1)
    context = groups.upcoming(2000)
    assert context is not None
    assert context.part == GroupPart("group-0", 2)
    assert context.context_text == "User: one\nTarget: uno\nUser: two\nTarget: dos\n"
    assert groups.upcoming(2001) is None


def test_another_group_begins_without_context() -> None:
    groups = grouping()
    groups.assign("one", "uno", 0)
    groups.assign("two", "dos", 5000)
    context = groups.upcoming(5000)
    assert context is not None
    assert context.context_text == "User: two\nTarget: dos\n"


def test_the_context_has_the_last_eight_parts() -> None:
    groups = grouping()
    for number in range(10):
        groups.assign(f"{number}", "", 0)
    context = groups.upcoming(0)
    assert context is not None
    assert context.part.part_index == 10
    assert context.context_text.startswith("User: 2\n")
    assert context.context_text.count("User: ") == 8


def test_whole_parts_leave_a_context_that_is_too_long() -> None:
    groups = grouping()
    groups.assign("a" * 300, "b" * 300, 0)
    groups.assign("c" * 100, "d" * 200, 0)
    context = groups.upcoming(0)
    assert context is not None
    assert context.context_text == f"User: {'c' * 100}\nTarget: {'d' * 200}\n"


def test_the_limit_counts_characters_not_bytes() -> None:
    groups = grouping()
    groups.assign("語" * 700, "", 0)
    context = groups.upcoming(0)
    assert context is not None
    assert "語" * 700 in context.context_text


def test_a_single_part_too_long_keeps_its_end() -> None:
    groups = grouping()
    groups.assign("x" * 2000, "the end", 0)
    context = groups.upcoming(0)
    assert context is not None
    assert len(context.context_text) == MAX_CONTEXT_CHARACTERS
    assert context.context_text.endswith("xTarget: the end\n".replace("xT", "x\nT"))


def test_it_shows_its_state() -> None:
    groups = grouping()
    groups.assign("one", "uno", 7)
    assert repr(groups) == "<Grouping group-0: 1 parts>"


@given(st.lists(st.tuples(st.text(max_size=500), st.text(max_size=500)), max_size=12))
def test_the_context_is_bounded_and_begins_with_a_whole_character(
    said: list[tuple[str, str]],
) -> None:
    groups = grouping()
    for text, translated in said:
        groups.assign(text, translated, 0)
    context = groups.upcoming(0)
    if context is not None:
        assert len(context.context_text) <= MAX_CONTEXT_CHARACTERS
        assert context.context_text.count("User: ") <= 8 + sum(
            "User: " in text or "User: " in translated for text, translated in said
        )
        assert not unicodedata.combining(context.context_text[:1] or "x")


def test_a_letter_is_not_separated_from_its_accents() -> None:
    groups = grouping()
    groups.assign("e\u0301" * 1000, "", 0)
    context = groups.upcoming(0)
    assert context is not None
    assert context.context_text.startswith("e\u0301")
