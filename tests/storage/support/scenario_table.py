"""For each word that a script can answer: how to get there. Used wherever all of them matter."""

from collections.abc import Callable
from typing import Any

from storage.call import Call
from tests.support.storage_world import World

Scenario = Callable[[World], Call[Any]]
"""Brings a fresh world into a state and returns the call whose reply has the word."""

SCENARIOS: dict[tuple[str, str], Scenario] = {}


def scenario(script: str, word: str) -> Callable[[Scenario], Scenario]:
    """Enter a scenario for a script's word."""

    def enter(function: Scenario) -> Scenario:
        SCENARIOS[script, word] = function
        return function

    return enter


def busy_node(world: World) -> None:
    """One node with one slot, taken; two jobs wait."""
    world.node("n1")
    for index in (1, 2, 3):
        world.dispatch("s", index)
