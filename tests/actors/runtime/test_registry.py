"""The list behind pykka's registry behaves as the list it stands for."""

import pytest

from actors.runtime.actor import ActorRegistry
from actors.runtime.registry import RefList


def test_pykka_keeps_its_actors_in_our_list() -> None:
    assert isinstance(ActorRegistry._actor_refs, RefList)


def test_references_stand_in_the_order_of_their_appending() -> None:
    refs = RefList(["a", "b"])
    refs.append("c")
    refs.remove("b")
    assert refs[:] == ["a", "c"]
    assert list(refs) == ["a", "c"]
    assert refs[-1] == "c"
    assert len(refs) == 2
    assert "a" in refs
    assert "b" not in refs


def test_a_slice_is_a_copy() -> None:
    refs = RefList(["a", "b"])
    for ref in refs[:]:
        refs.remove(ref)
    assert len(refs) == 0


def test_removing_what_is_not_there_is_an_error() -> None:
    with pytest.raises(ValueError, match="'a' is not in the list"):
        RefList[str]().remove("a")
