"""Atoms: who can serve whom, in words that fit into keys."""

import pytest

from storage.capability import node_atoms, preference, requirement


def test_a_node_has_an_atom_for_each_of_its_languages_once() -> None:
    atoms = node_atoms(["en", "EN", "de"], ["es"], ["es"])
    assert atoms == ("a:de", "a:en", "s:es", "t:es")


@pytest.mark.parametrize(
    ("languages", "use_nmt", "expected"),
    [
        (("en", "es", None, None), True, "a:en,s:es"),
        (("en", "es", None, None), False, "a:en"),
        (("auto", "es", "en", "es"), True, "a:en,a:es,s:en,s:es"),
        (("auto", "es", "es", "en"), True, "a:en,a:es,s:en,s:es"),
        (("auto", "es", "en", "es"), False, "a:en,a:es"),
        (("auto", "es", None, None), True, "s:es"),
        (("auto", "es", None, None), False, "a:es"),
    ],
)
def test_a_requirement_is_canonical(
    languages: tuple[str, str, str | None, str | None], *, use_nmt: bool, expected: str
) -> None:
    assert requirement(*languages, use_nmt=use_nmt) == expected


def test_a_preference_is_speech_in_the_target_language() -> None:
    assert preference("es") == "t:es"


def test_a_code_from_outside_cannot_break_a_key_or_a_list() -> None:
    assert requirement("e n,a:x|=", "zh-CN", use_nmt=True) == "a:e_n_a_x__,s:zh-cn"
    assert node_atoms([" en "], [], []) == ("a:en",)
