"""Every word of every script can be had, has an outcome class, and is harmless to ask for twice."""

from typing import Any

import pytest

from storage.call import Call
from storage.scripts import LUA_DIRECTORY, load_script
from tests.storage.support.script_files import SCRIPT_PATHS
from tests.storage.support.script_scenarios import SCENARIOS
from tests.storage.support.store_invariants import breaches
from tests.storage.support.store_snapshot import Snapshot
from tests.support.storage_world import World


def test_there_is_a_scenario_for_every_word_and_no_other() -> None:
    scripts = [load_script(path) for path in SCRIPT_PATHS]
    declared = {(script.name, word) for script in scripts for word in script.words}
    assert set(SCENARIOS) == declared


MODULES = {"storage.replies.job", "storage.replies.session", "storage.replies.report"}
"""Where outcome classes are."""


@pytest.mark.parametrize(("script", "word"), sorted(SCENARIOS))
def test_the_word_is_answered_and_has_an_outcome_class(
    world: World, script: str, word: str
) -> None:
    call = SCENARIOS[script, word](world)
    assert call.script.name == script
    raw = world.do(Call(call.script, call.keys, call.args, lambda reply: reply))
    assert raw[0] == word
    assert call.read(raw).__class__.__module__ in MODULES


FRESH_EPOCH = {"register_node", "claim_session"}
"""Answer a repetition with another, higher epoch; the caller knows only the last one."""


@pytest.mark.parametrize(("script", "word"), sorted(SCENARIOS))
def test_a_lost_reply_costs_nothing(world: World, script: str, word: str) -> None:
    """Applied, its reply lost, applied again: the store is as after the first time."""
    call = SCENARIOS[script, word](world)
    world.do(call)
    once = Snapshot.of(world)
    world.do(call)
    twice = Snapshot.of(world)
    assert breaches(twice) == []
    assert comparable(once, script) == comparable(twice, script)


def comparable(state: Snapshot, script: str) -> dict[str, Any]:
    values = state.values()
    values.pop("seq", None)
    for name, value in values.items():
        if name.endswith(":free") and name.startswith("grp:"):
            values[name] = {node: score // 4e12 for node, score in value.items()}
        elif script in FRESH_EPOCH and isinstance(value, dict):
            values[name] = {field: text for field, text in value.items() if field != "epoch"}
        elif script == "beat" and name.startswith("inst:") and isinstance(value, dict):
            values[name] = value.keys()
    return values


def test_scripts_write_under_their_prefix_only(world: World) -> None:
    """A cell of a cluster has another prefix: everything must follow it."""
    for build in SCENARIOS.values():
        world.start_over("lingua:v1:{c7}:")
        world.do(build(world))
        state = Snapshot.of(world)
        assert state.foreign == []
        assert state.entries


def test_no_script_walks_the_key_space_or_leaves_a_global() -> None:
    for path in sorted(LUA_DIRECTORY.rglob("*.lua")):
        text = path.read_text(encoding="utf-8")
        for forbidden in ("'KEYS'", "'SCAN'", "cmsgpack", "cjson", "struct.", "bit."):
            assert forbidden not in text, path.name
