"""What a node gets of an utterance."""

from dataclasses import fields, replace

from protocol.messages.shared import Features
from tests.support.example_job import WORK


def test_work_in_its_group_differs_in_nothing_else() -> None:
    full = replace(
        WORK,
        dialect="north",
        features=Features(emotion_detection=True),
        mode="two_way_auto",
        lang_a="en",
        lang_b="es",
        auto_langs=("en", "es"),
        hints=("name",),
        voice="low",
        traceparent="00-1-2-01",
        further_language="fr",
        is_manual_cut=True,
        partial_update_interval_ms=7,
    )
    placed = full.in_group("g", 3, "before")
    assert placed == replace(full, group_id="g", part_index=3, context_text="before")
    assert {each.name for each in fields(full)} >= {"group_id", "part_index", "context_text"}
