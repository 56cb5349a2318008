"""Before something is installed as root: it is named, and whoever sits at a terminal may refuse."""

import asyncio
import io
import os
import pty
from collections.abc import Iterator
from typing import TextIO

import pytest
from rich.console import Console

from cli.demo import consent
from cli.demo.consent import is_refused
from cli.demo.page import has_screen

COMMAND = "apt-get install apertium-eng-spa"


@pytest.fixture
def terminal() -> Iterator[tuple[TextIO, int]]:
    """A terminal's far end to read answers from, and the keyboard."""
    keyboard, screen = pty.openpty()
    with os.fdopen(screen, encoding="utf-8") as answers:
        yield answers, keyboard
    os.close(keyboard)


def shown_to(*, terminal: bool) -> tuple[Console, io.StringIO]:
    text = io.StringIO()
    return Console(file=text, force_terminal=terminal, color_system=None, width=200), text


@pytest.mark.parametrize(("typed", "refused"), [("n\n", True), ("No\n", True), ("y\n", False)])
def test_on_a_terminal_an_answer_counts(
    terminal: tuple[TextIO, int], typed: str, *, refused: bool
) -> None:
    answers, keyboard = terminal
    os.write(keyboard, typed.encode())
    console, text = shown_to(terminal=True)
    assert asyncio.run(is_refused(COMMAND, console, answers)) is refused
    assert text.getvalue().count(COMMAND) == 1


def test_who_says_nothing_does_not_mind(
    terminal: tuple[TextIO, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consent, "SECONDS", 0.05)
    console, _ = shown_to(terminal=True)
    assert not asyncio.run(is_refused(COMMAND, console, terminal[0]))


def test_without_a_terminal_nobody_is_asked_but_it_is_named() -> None:
    console, text = shown_to(terminal=False)
    assert not asyncio.run(is_refused(COMMAND, console, io.StringIO("n\n")))
    assert text.getvalue() == f"installs one thing, with root rights: {COMMAND}\n"


def test_a_browser_is_opened_only_where_it_can_show_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    assert not has_screen({})
    assert has_screen({"WAYLAND_DISPLAY": "wayland-0"})
    monkeypatch.setattr("sys.platform", "darwin")
    assert has_screen({})
