"""Apertium's command line and its way of writing text, without the program."""

from pathlib import Path

import pytest

from peers.engines.apertium import from_wire, installed_modes, to_wire, warm_pipeline


def test_a_mode_becomes_a_pipeline_that_flushes_at_nul() -> None:
    mode = "lt-proc '/a b/x.bin' | apertium-tagger -g $2 'y.prob' | lt-proc $1 'z.bin'\n"
    assert warm_pipeline(mode) == (
        "lt-proc -z '/a b/x.bin' | apertium-tagger -z -g y.prob | lt-proc -z -n z.bin"
    )


def test_what_is_no_pipeline_is_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        warm_pipeline("lt-proc x | | lt-proc y")


def test_text_goes_out_on_one_line_escaped_and_ended() -> None:
    assert to_wire("one\n two\0 three") == b"one two three.[][\n]\0"
    assert to_wire("i think i'm $5 [in] i/o") == b"I think I'm \\$5 \\[in\\] I\\/o.[][\n]\0"


def test_text_comes_back_without_what_was_added() -> None:
    assert from_wire(b"La casa.[][\n]\0") == "La casa"
    assert from_wire("Cómo?  Bien..[][\n]\0".encode()) == "Cómo? Bien."
    assert from_wire(b"\\[a\\] \\\\ b.[][\n]\0") == "[a] \\ b"


def test_only_translators_between_known_languages_are_found(tmp_path: Path) -> None:
    for name in ("eng-spa", "spa-eng", "eng-cat", "spa-eng_US", "xxx-eng", "plain"):
        (tmp_path / f"{name}.mode").touch()
    assert set(installed_modes(tmp_path)) == {("en", "es"), ("es", "en"), ("en", "ca")}
    assert installed_modes(tmp_path / "none") == {}
