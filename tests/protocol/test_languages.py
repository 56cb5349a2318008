"""Tags as browsers, libraries and engines write them, and which of a node's tags serves them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.languages import closeness, closest, is_same_language, parse

PLAIN_HEARS = ("en", "zh", "pt", "no")
PLAIN_WRITES = ("en", "zh", "pt", "es")
LOCAL_HEARS = ("de-DE", "fr-FR")
LOCAL_WRITES = ("en-US", "zh-TW")

tags = st.builds(
    lambda *parts: "-".join(part for part in parts if part),
    st.sampled_from(("zh", "sr", "en", "de", "no", "nb", "zho", "eng", "yue", "ja")),
    st.sampled_from(("", "Hans", "Hant", "Latn", "Cyrl", "Jpan")),
    st.sampled_from(("", "CN", "TW", "US", "GB", "RS", "419")),
    st.sampled_from(("", "1996", "x-twain")),
)


@pytest.mark.parametrize(
    ("wanted", "registered", "served_as"),
    [
        ("EN", PLAIN_HEARS, "en"),
        ("zh-CN", PLAIN_HEARS, "zh"),
        ("zh-Hans-CN", PLAIN_HEARS, "zh"),
        ("zho_Hant", PLAIN_HEARS, "zh"),
        ("pt-BR", PLAIN_HEARS, "pt"),
        ("en_US", PLAIN_WRITES, "en"),
        ("eng", PLAIN_HEARS, "en"),
        ("zho", PLAIN_WRITES, "zh"),
        ("chi", PLAIN_WRITES, "zh"),
        ("nb", PLAIN_HEARS, "no"),
        ("nn-NO", PLAIN_HEARS, "no"),
        ("nob", PLAIN_HEARS, "no"),
        ("no", ("nb-NO",), "nb-NO"),
        ("de", LOCAL_HEARS, "de-DE"),
        ("de-de", LOCAL_HEARS, "de-DE"),
        ("deu", LOCAL_HEARS, "de-DE"),
        ("ger", LOCAL_HEARS, "de-DE"),
        ("de-AT", LOCAL_HEARS, "de-DE"),
        ("EN-us", LOCAL_WRITES, "en-US"),
        ("en-GB", LOCAL_WRITES, "en-US"),
        ("zh-TW", LOCAL_WRITES, "zh-TW"),
        ("zh-Hant", LOCAL_WRITES, "zh-TW"),
        ("zh-Hant-TW", LOCAL_WRITES, "zh-TW"),
        ("zh-HK", LOCAL_WRITES, "zh-TW"),
        ("zh", LOCAL_WRITES, "zh-TW"),
        ("iw", ("he",), "he"),
        ("fil", ("tl",), "tl"),
        ("zh-yue", ("zh", "yue"), "yue"),
        ("en-x-twain", ("en",), "en"),
    ],
)
def test_a_tag_is_served_by_whoever_means_the_same(
    wanted: str, registered: tuple[str, ...], served_as: str
) -> None:
    assert closest(wanted, registered) == served_as


@pytest.mark.parametrize(
    ("wanted", "registered"),
    [
        ("ja", PLAIN_HEARS),
        ("is", PLAIN_WRITES),
        ("zh-Hans", LOCAL_WRITES),
        ("zh-CN", LOCAL_WRITES),
        ("zh-Hans", ("zh-Hant",)),
        ("sr-Latn", ("sr-Cyrl",)),
        ("yue", ("zh",)),
        ("eng1", ("en",)),
        ("e", ("en",)),
        ("enx", ("en",)),
        ("en", ()),
    ],
)
def test_another_language_or_script_serves_nobody(wanted: str, registered: tuple[str, ...]) -> None:
    assert closest(wanted, registered) is None


@pytest.mark.parametrize(
    ("wanted", "registered", "served_as"),
    [
        ("zh-TW", ("zh", "zh-CN", "zh-TW"), "zh-TW"),
        ("zh_tw", ("zh-HK", "zh", "ZH-tw"), "ZH-tw"),
        ("zh-Hant-TW", ("zh", "zh-TW"), "zh-TW"),
        ("en-AU", ("en-US", "en"), "en"),
        ("zh-Hant-HK", ("zh", "zh-Hant"), "zh-Hant"),
        ("en", ("en-US", "en-GB"), "en-US"),
        ("en", ("en-GB", "en-US"), "en-GB"),
        ("de", ("de-DE-1996", "de-DE"), "de-DE"),
        ("nn", ("nb", "no"), "nb"),
    ],
)
def test_the_closest_tag_wins_and_of_equals_the_first(
    wanted: str, registered: tuple[str, ...], served_as: str
) -> None:
    assert closest(wanted, registered) == served_as


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("ZH_hant_tw", "zh-TW"),
        ("zho_Hans", "zh-Hans"),
        ("EN", "en"),
        ("es-419", "es-419"),
        ("sr-latn", "sr-Latn"),
        ("klingonese", "klingonese"),
    ],
)
def test_a_tag_is_shown_as_people_write_it(written: str, shown: str) -> None:
    assert str(parse(written)) == shown


@given(tags, tags)
def test_a_match_goes_both_ways(one: str, other: str) -> None:
    assert closeness(one, other) == closeness(other, one)
    assert is_same_language(one, other) == (closeness(one, other) > 0)


@given(tags)
def test_every_tag_is_closest_to_itself_however_it_is_written(tag: str) -> None:
    assert closeness(tag, tag.upper().replace("-", "_")) == 3_000
    assert parse(str(parse(tag))) == parse(tag)


@given(tags, tags)
def test_a_node_has_the_class_of_what_it_serves_and_no_other(wanted: str, registered: str) -> None:
    """Nodes are looked up by class: it says the same as the comparison of the two tags."""
    is_found = parse(wanted).script_class in parse(registered).served_classes
    assert is_found == is_same_language(wanted, registered)


@given(st.text(max_size=40))
def test_any_text_is_a_tag_that_matches_itself(text: str) -> None:
    assert closeness(text, text) == 3_000
