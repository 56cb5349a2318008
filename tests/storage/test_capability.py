"""Atoms: who can serve whom, in words that fit into keys."""

import pytest

from protocol.audio.framing import AudioFormat
from storage.capability import (
    Abilities,
    formats_of,
    is_served,
    languages_of,
    node_atoms,
    pairs_of,
    preference,
    requirement,
    with_format,
    without_format,
)


def test_a_node_has_an_atom_for_each_of_its_languages_once() -> None:
    atoms = node_atoms(["en", "EN", "de"], ["es"], ["es"])
    expected = ("a.de", "a.en", "a:de", "a:en", "f:opus", "f:pcm16", "s.es", "s:es", "t.es", "t:es")
    assert atoms == expected


def test_a_node_that_names_formats_of_audio_reads_no_others() -> None:
    needed = requirement("en", "es", use_nmt=True)
    pcm16 = node_atoms(["en"], ["es"], formats=["pcm16"])
    assert is_served(with_format(needed, AudioFormat.PCM16), [pcm16])
    assert not is_served(with_format(needed, AudioFormat.OPUS), [pcm16])
    assert formats_of(pcm16) == ["pcm16"]


def test_what_is_served_in_another_format_of_audio_only_is_named() -> None:
    abilities = Abilities()
    needed = with_format(requirement("en", "es", use_nmt=True), AudioFormat.OPUS)
    assert without_format(needed) == ("a:en,s:es", "opus")
    assert abilities.lacks_format(needed) is None
    abilities.found(set())
    assert abilities.lacks_format(needed) is None
    abilities.put("n1", node_atoms(["en"], ["es"], formats=["pcm16"]))
    assert abilities.lacks_format(needed) == "opus"
    abilities.put("n2", node_atoms(["en"], ["es"]))
    assert abilities.lacks_format(needed) is None


@pytest.mark.parametrize(
    ("languages", "use_nmt", "expected"),
    [
        (("en", "es"), True, "a:en,s:es"),
        (("en", "es"), False, "a:en"),
        (("auto", "es", "en", "es"), True, "a:en,a:es,s:en,s:es"),
        (("auto", "es", "es", "en"), True, "a:en,a:es,s:en,s:es"),
        (("auto", "es", "en", "es"), False, "a:en,a:es"),
        (("auto", "es"), True, "s:es"),
        (("auto", "es"), False, "a:es"),
    ],
)
def test_a_requirement_is_canonical(
    languages: tuple[str, str, str | None, str | None], *, use_nmt: bool, expected: str
) -> None:
    assert requirement(*languages, use_nmt=use_nmt) == expected


@pytest.mark.parametrize(
    ("src", "tgt", "stages", "expected"),
    [
        ("en", "es", (True, True), "t:es,a.en,s.es t:es"),
        ("en", "es", (True, False), "a.en,s.es"),
        ("en", "es", (False, False), "a.en"),
        ("auto", "es", (True, True), "t:es,s.es t:es"),
        ("auto", "es", (False, False), ""),
        ("EN_us", "es", (True, False), "a.en-us,s.es a.en,s.es"),
        (
            "en",
            "zh-Hant-TW",
            (True, True),
            "t:zh,a.en,s.zh-tw t:zh,a.en,s.zh t:zh",
        ),
    ],
)
def test_speech_is_preferred_then_the_very_tags_then_the_bare_language(
    src: str, tgt: str, stages: tuple[bool, bool], expected: str
) -> None:
    use_nmt, use_tts = stages
    assert preference(src, tgt, use_nmt=use_nmt, use_tts=use_tts) == expected


def test_a_node_has_what_its_tags_mean_and_the_tags() -> None:
    atoms = node_atoms(["zh-TW"], ["deu"], formats=())
    assert atoms == ("a.zh-tw", "a:zh", "a:zh~hant", "s.de", "s:de")


def test_a_nodes_tags_are_read_back_as_people_write_them() -> None:
    atoms = node_atoms(["en_us", "zho"], ["ZH_hant_hk"], [])
    assert languages_of(atoms, "a") == ["en-US", "zh"]
    assert languages_of(atoms, "s") == ["zh-HK"]
    assert languages_of(atoms, "t") == []


def test_pairs_are_those_of_each_node_and_spoken_where_one_speaks() -> None:
    mute = node_atoms(["en", "de-DE"], ["en", "es"])
    speaks = node_atoms(["en"], ["es"], ["es-MX"])
    assert pairs_of([mute, speaks]) == {
        ("en", "es"): True,
        ("de-DE", "en"): False,
        ("de-DE", "es"): False,
    }


def test_a_requirement_is_served_by_one_node_or_not_at_all() -> None:
    abilities = [node_atoms(["en"], ["de"]), node_atoms(["fr"], ["es"])]
    assert is_served(requirement("en-GB", "de", use_nmt=True), abilities)
    assert not is_served(requirement("en", "es", use_nmt=True), abilities)
    assert not is_served(requirement("en", "de", use_nmt=True), [])


def test_a_code_from_outside_cannot_break_a_key_or_a_list() -> None:
    assert requirement("e n,a:x|=", "zh-CN", use_nmt=True) == "a:e_n_a_x__,s:zh~hans"
    assert preference("e n,a:x|=", "es", use_nmt=True, use_tts=False) == "a.e_n_a_x__,s.es"
    assert node_atoms([" en "], [], [], []) == ("a.en", "a:en")


def test_what_nobody_does_is_known_once_the_store_was_read() -> None:
    abilities = Abilities()
    assert abilities.lacking("en", "es") is None
    abilities.found({node_atoms(["en"], ["de"], ["de"])})
    assert abilities.lacking("en-GB", "de") is None
    assert abilities.lacking("en", "es") == "translation"
    abilities.put("n1", node_atoms(["en"], ["es"]))
    assert abilities.lacking("en", "es") == "speech"
    abilities.put("n1", node_atoms(["en", "es"], ["en", "es"], ["es"]))
    assert abilities.lacking("en", "es") is None
    assert abilities.lacking("es", "en") == "speech"
    assert abilities.lacking("es", "en", use_tts=False) is None
    abilities.drop("n1")
    assert abilities.lacking("en", "es") == "translation"


def test_what_was_asked_for_is_looked_for_again_when_nodes_come_and_go() -> None:
    abilities = Abilities()
    abilities.found(set())
    assert not abilities.serve("a:en,s:es")
    abilities.put("n", ("a:en", "s:es"))
    assert abilities.serve("a:en,s:es")
    abilities.drop("n")
    assert not abilities.serve("a:en,s:es")
    abilities.found({("a:en", "s:es")})
    assert abilities.serve("a:en,s:es")
    abilities.found(set())
    assert not abilities.serve("a:en,s:es")
