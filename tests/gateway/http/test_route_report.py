"""Why a pair has no capacity, node by node."""

from dataclasses import replace
from typing import Any

from gateway.http.report_rows import node_row
from gateway.http.route_report import route_report as report_of_rows
from protocol.ids import InstanceId, NodeId
from storage.capability import node_atoms, requirement
from storage.cells import FIRST
from storage.nodes import NodeRecord
from storage.replies.report import Waiting, WaitingPair

NOW = 1_000_000
NODE = NodeRecord(
    node_id=NodeId("n1"),
    cell=FIRST,
    state="online",
    owner_instance=InstanceId("i1"),
    epoch=1,
    atoms=node_atoms(["en"], ["es"], ["es"]),
    max_jobs=2,
    used_slots=0,
    overloaded_until_ms=0,
    suspect=False,
    penalties={},
    info={},
)
NOTHING = Waiting(0, 0, ())
NEEDED = requirement("en", "es", use_nmt=True)


def named(name: str, **changes: object) -> NodeRecord:
    return replace(NODE, node_id=NodeId(name), **changes)  # type: ignore[arg-type]


def route_report(
    src: str, tgt: str, nodes: list[NodeRecord], waiting: Waiting, now_ms: int
) -> dict[str, Any]:
    shown = [(node, node_row(node, now_ms, lambda _: {})) for node in nodes]
    return report_of_rows(src, tgt, shown, waiting, now_ms)


def test_the_least_loaded_node_is_chosen_next() -> None:
    report = route_report("en", "es", [named("busy", used_slots=1), named("idle")], NOTHING, NOW)
    assert [(row["node_id"], row["is_next"]) for row in report["nodes"]] == [
        ("idle", True), ("busy", False),
    ]  # fmt: skip
    assert report["slots"] == {"free": 3, "max": 4}
    assert report["summary"] == "3 free slots at 2 of 2 nodes that serve this pair"


def test_one_free_slot_is_no_plural() -> None:
    nodes = [named("busy", used_slots=2), named("idle", used_slots=1)]
    report = route_report("en", "es", nodes, NOTHING, NOW)
    assert report["summary"] == "1 free slot at 1 of 2 nodes that serve this pair"


def test_a_slow_node_comes_after_the_fast_ones_and_says_so() -> None:
    nodes = [named("slow", ms_per_second=1000), named("fast", ms_per_second=100, used_slots=1)]
    report = route_report("en", "es", nodes, NOTHING, NOW)
    assert [row["node_id"] for row in report["nodes"]] == ["fast", "slow"]
    assert report["nodes"][1]["reasons"] == [
        "slow: 1000 ms for a second of speech, another 100 ms; fast ones go first"
    ]


def test_a_sick_node_and_one_that_reads_another_format_say_so() -> None:
    nodes = [
        named("sick", health="sick", errors_in_row=3, doubted_until_ms=NOW + 700),
        named("trial", health="trial"),
        named("erring", health="erring", errors_in_row=1),
        named("pcm", atoms=node_atoms(["en"], ["es"], ["es"], ["pcm16"])),
    ]
    report = route_report("en", "es", nodes, NOTHING, NOW)
    reasons = {row["node_id"]: row["reasons"] for row in report["nodes"]}
    assert reasons["sick"] == ["sick: 3 errors in a row; a trial in 700 ms"]
    assert reasons["trial"] == ["sick: on trial, with one job at a time"]
    assert reasons["erring"] == ["1 errors in a row; others go first"]
    assert "reads no opus" in reasons["pcm"]


def test_each_node_says_what_keeps_it_from_the_pair() -> None:
    nodes = [
        named("full", used_slots=2),
        named("held", state="draining", is_held=True),
        named("french", atoms=node_atoms(["fr"], ["es"])),
        named("german", atoms=node_atoms(["en"], ["de"])),
        named("lacking", penalties={NEEDED: NOW + 500}),
    ]
    report = route_report("en", "es", nodes, NOTHING, NOW)
    reasons = {row["node_id"]: row["reasons"] for row in report["nodes"]}
    assert reasons == {
        "full": ["no free slot"],
        "held": ["drained by an operator"],
        "french": ["does not recognise en"],
        "german": ["does not translate into es"],
        "lacking": ["lacked a model for this pair; for 500 ms"],
    }
    assert report["summary"] == "none of the 3 nodes that serve this pair can be chosen now"
    assert report["slots"]["free"] == 0


def test_a_mark_or_missing_speech_puts_a_node_behind_the_others() -> None:
    nodes = [
        named("a-mute", atoms=node_atoms(["en"], ["es"])),
        named("b-loaded", overloaded_until_ms=NOW + 1),
        named("c-fine", used_slots=1),
    ]
    rows = route_report("en", "es", nodes, NOTHING, NOW)["nodes"]
    assert [row["node_id"] for row in rows] == ["c-fine", "a-mute", "b-loaded"]
    assert rows[1]["reasons"] == ["does not speak es; others that do go first"]
    assert rows[2]["reasons"] == ["reports too much load; others go first"]


def test_what_waits_is_that_of_the_pair() -> None:
    waiting = Waiting(
        6,
        6,
        (
            WaitingPair("en", "es", NEEDED, 3, 900),
            WaitingPair("auto", "es", "s:es", 2, 5000),
            WaitingPair("en-GB", "es", NEEDED, 1, 1200),
        ),
    )
    report = route_report("en", "es", [], waiting, NOW)
    assert report["waiting"] == {"jobs": 4, "oldest_wait_ms": 1200, "is_complete": True}
    assert report["summary"] == "no node that is connected serves this pair"
