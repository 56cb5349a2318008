"""The documents: links lead somewhere, examples are what they say, the README is short."""

import json
import re
import shlex
import tomllib
from pathlib import Path

import pytest

from cli.commands import COMMANDS, main
from cli.description.schemas import DIRECTIONS, tag_of
from cli.settings.arguments import parse
from cli.settings.settings import known_settings
from protocol.codec import (
    parse_admin_message,
    parse_admin_reply,
    parse_node_command,
    parse_node_message,
    parse_session_message,
    parse_session_reply,
)
from protocol.errors import ProtocolError
from tests.docs.support.documents import DOCUMENTS, ROOT, blocks

LINK = re.compile(r"\]\(([^)\s]+)\)")
PATH = re.compile(
    r"`((?:actors|cli|gateway|lua|peers|protocol|storage|tests)/[\w/.-]+|[\w/]+\.(?:py|lua|md))`"
)
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
RUN = {"python", "js", "html", "json", "sh", "toml", "nginx", "haproxy"}
"""Languages whose examples the tests run or parse."""
DRAWN = {"mermaid", "text"}
PARSERS = (
    parse_session_message,
    parse_session_reply,
    parse_node_message,
    parse_node_command,
    parse_admin_message,
    parse_admin_reply,
)
README_WORDS = 1000
BY_HAND = ("pip", "arecord", "make", "docker", "kubectl", "helm", "systemctl", "cp", "python3")
"""Programs of shell examples that are not ours."""
named = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))


def anchors(document: Path) -> set[str]:
    """Return what a link may name behind `#`, as it is made of the headings."""
    text = FENCED.sub("", document.read_text(encoding="utf-8"))
    plain = (re.sub(r"[`*]|\]\([^)]*\)|\[", "", heading) for heading in HEADING.findall(text))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in plain}


@named
def test_every_link_and_path_of_a_document_leads_somewhere(document: Path) -> None:
    text = FENCED.sub("", document.read_text(encoding="utf-8"))
    lost = []
    for link in LINK.findall(text):
        place, _, anchor = link.partition("#")
        target = document.parent / place if place else document
        if "://" in link:
            continue
        if not target.exists() or (anchor and anchor not in anchors(target)):
            lost.append(link)
    lost += [
        path
        for path in PATH.findall(text)
        if not (ROOT / path).exists() and not (document.parent / path).exists()
    ]
    assert not lost


@named
def test_every_example_is_of_a_kind_that_the_tests_know(document: Path) -> None:
    fences = re.findall(r"^```(\w*)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    assert set(fences[::2]) <= RUN | DRAWN
    assert set(fences[1::2]) <= {""}


@named
def test_every_json_example_is_a_message(document: Path) -> None:
    for example in blocks(document, "json"):
        assert any(is_message(parser, example) for parser in PARSERS), example


def is_message(parser: object, example: str) -> bool:
    """Tell whether a parser takes it."""
    assert callable(parser)
    try:
        parser(json.dumps(json.loads(example)))
    except ProtocolError:
        return False
    return True


@named
def test_every_arrow_of_a_diagram_is_a_message(document: Path) -> None:
    tags = {tag_of(message) for direction in DIRECTIONS for message in direction.messages}
    for diagram in blocks(document, "mermaid"):
        arrows = re.findall(r"^ *\w+-?->>\w+: (\w+)", diagram, re.MULTILINE)
        assert len(arrows) == diagram.count(">>")
        assert set(arrows) <= tags


@named
def test_every_settings_file_has_settings_that_exist(document: Path) -> None:
    for example in blocks(document, "toml"):
        assert set(tomllib.loads(example)) <= set(known_settings())


@named
def test_every_command_line_has_a_command_and_flags_that_exist(
    document: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for line in "\n".join(blocks(document, "sh")).splitlines():
        for part in line.partition("#")[0].split("|"):
            program, *arguments = shlex.split(part) or [""]
            program = program.rpartition("/")[2]
            if program and program not in BY_HAND:
                assert program == "lingua", line
                check(arguments, capsys)


def check(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Look the command and its flags up in its help; `serve` is asked itself."""
    command = arguments[0] if arguments and arguments[0] in COMMANDS else "serve"
    if command == "serve":
        parse([each for each in arguments if each != "serve"])
        return
    assert main([command, "--help"]) == 0
    known = capsys.readouterr().out
    for flag in (each for each in arguments if each.startswith("--")):
        assert flag in known, f"{command} has no {flag}"


def test_the_readme_is_short_and_names_every_document() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.split()) <= README_WORDS
    named_there = set(LINK.findall(text))
    assert {f"docs/{path.name}" for path in ROOT.glob("docs/*.md")} <= named_there
