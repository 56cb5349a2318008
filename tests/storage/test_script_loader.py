"""Scripts are checked when they are loaded and when they are called, with a sentence."""

import hashlib
from pathlib import Path

import pytest

from storage.scripts import (
    ScriptCallError,
    ScriptHeaderError,
    load_script,
    parse_script,
)
from tests.storage.support.script_files import SCRIPT_PATHS

SOURCE = """-- greet: says hello
-- KEYS prefix
-- ARGV now int
-- ARGV name str
-- ARGV gifts list
-- RETURNS OK text | SILENT
return { 'OK', prefix .. name .. #gifts .. now }
"""


def test_a_header_becomes_parameters_locals_and_words() -> None:
    script = parse_script("greet", SOURCE)
    assert (script.parameters, script.integers, script.rest) == (("now", "name"), ("now",), "gifts")
    assert script.words == {"OK", "SILENT"}
    assert script.text.startswith(
        "local prefix = KEYS[1]\nlocal now = tonumber(ARGV[1])\nlocal name = ARGV[2]\n"
    )
    assert script.sha == hashlib.sha1(script.text.encode(), usedforsecurity=False).hexdigest()


def test_arguments_are_given_by_name_and_come_in_order() -> None:
    script = parse_script("greet", SOURCE)
    assert script.arguments(gifts=["a", 2], name="Ana", now=5) == (5, "Ana", "a", 2)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"now": 1, "name": "x"}, "missing gifts; unknown nothing"),
        ({"now": 1, "name": "x", "gift": []}, "missing gifts; unknown gift"),
        ({"now": 1, "nam": "x", "gifts": []}, "missing name; unknown nam"),
        ({"now": "1", "name": "x", "gifts": []}, "now is '1', which is no int"),
        ({"now": True, "name": "x", "gifts": []}, "now is True, which is no int"),
    ],
)
def test_a_wrong_call_fails_with_a_sentence(given: dict[str, object], sentence: str) -> None:
    script = parse_script("greet", SOURCE)
    with pytest.raises(ScriptCallError, match=sentence):
        script.arguments(**given)  # type: ignore[arg-type]  # wrong on purpose


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (SOURCE.replace("greet:", "meet:"), "must open with '-- greet: '"),
        (SOURCE.replace("now int", "now number"), "needs a name and one of int, str, list"),
        (SOURCE.replace("now int", "Now int"), "'Now' is no name for a local"),
        (SOURCE.replace("name str", "name list"), "only the last can be"),
        (SOURCE.replace("-- RETURNS OK text | SILENT\n", ""), "has no RETURNS line"),
        (SOURCE + "-- INCLUDE lib/nothing.lua\n", "cannot be read"),
    ],
)
def test_a_wrong_header_fails_with_a_sentence(wrong: str, sentence: str) -> None:
    with pytest.raises(ScriptHeaderError, match=sentence):
        parse_script("greet", wrong)


def test_a_missing_script_fails_with_a_sentence() -> None:
    with pytest.raises(ScriptHeaderError, match=r"nothing\.lua cannot be read"):
        load_script("nothing")


def test_a_file_is_included_where_its_line_stands(tmp_path: Path) -> None:
    (tmp_path / "part.lua").write_text("local part = 1")
    source = "-- greet: x\n-- RETURNS OK\nbefore()\n-- INCLUDE part.lua\nafter()\n"
    text = parse_script("greet", source, tmp_path).text
    assert text.index("before()") < text.index("local part = 1") < text.index("after()")


OF_NOBODY = {"session/forget_session"}
"""It works on what no living instance owns, whoever calls."""


@pytest.mark.parametrize("path", SCRIPT_PATHS)
def test_every_script_takes_the_prefix_and_says_who_calls(path: str) -> None:
    script = load_script(path)
    assert "local prefix = KEYS[1]" in script.text
    assert "KEYS[2]" not in script.text
    assert "instance" in script.parameters or path in OF_NOBODY
