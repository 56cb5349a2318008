"""Key figures on literal numbers: what is compared, and when something has got worse."""

import pytest

from peers.bench.key_figures import (
    KEY_FIGURES,
    KEY_SCENARIOS,
    Samples,
    disturbed,
    losses,
    markdown_table,
)
from peers.bench.plan import Row, Scenario


def rounds(*utterances: float, relay: float = 50.0, idle: float = 12.0) -> list[list[Row]]:
    """One round per server CPU per utterance; the rest stays."""
    return [
        [
            Row(Scenario.RELAY, {"server_cpu_us_per_utterance": relay}),
            Row(
                Scenario.CLOSED_LOOP,
                {"server_cpu_us_per_utterance": one, "store_cpu_us_per_utterance": 100.0},
            ),
            Row(Scenario.INGEST_FEW, {"server_cpu_us_per_chunk": 70.0}),
            Row(Scenario.INGEST_JSON, {"server_cpu_us_per_chunk": None}),
            Row(Scenario.SPOKEN, {"assign_p50_ms": 1.2, "assign_p99_ms": 3.0}),
            Row(Scenario.IDLE, {"idle_kb_per_session": idle}),
        ]
        for one in utterances
    ]


BASELINE = Samples.of(rounds(250.0, 260.0, 240.0))


def test_every_key_figure_is_of_a_scenario_that_a_round_has() -> None:
    assert {key.scenario for key in KEY_FIGURES} | {Scenario.RELAY} == set(KEY_SCENARIOS)


def test_a_value_stands_beside_the_bare_relay_of_its_own_round() -> None:
    assert BASELINE.values["utterance_cpu_us"] == [250.0, 260.0, 240.0]
    assert BASELINE.beside_relay["utterance_cpu_us"] == pytest.approx([5.0, 5.2, 4.8])
    assert "chunk_cpu_us_many" not in BASELINE.values
    assert Samples.from_json(BASELINE.as_json()) == BASELINE


@pytest.mark.parametrize("document", [{}, [], {"values": 1, "beside_relay": {}, "relay_us": []}])
def test_what_is_no_baseline_is_refused(document: object) -> None:
    with pytest.raises(ValueError, match="no figures"):
        Samples.from_json(document)  # type: ignore[arg-type]  # that is the question


def test_what_costs_more_beyond_the_noise_of_both_runs_is_a_loss() -> None:
    assert losses(Samples.of(rounds(280.0, 285.0, 275.0)), BASELINE) == [
        "utterance_cpu_us has got worse: 1.12 times the baseline, beside the bare relay"
    ]


@pytest.mark.parametrize("utterances", [(250.0, 262.0, 245.0), (280.0, 300.0, 255.0), (200.0,)])
def test_noise_and_gains_are_no_loss(utterances: tuple[float, ...]) -> None:
    assert losses(Samples.of(rounds(*utterances)), BASELINE) == []


def test_a_slower_machine_is_no_loss_in_time_but_memory_stands_for_itself() -> None:
    slow = [
        [
            Row(row.scenario, {name: _twice(name, value) for name, value in row.figures.items()})
            for row in rows
        ]
        for rows in rounds(250.0, 260.0, 240.0)
    ]
    assert losses(Samples.of(slow), BASELINE) == []
    assert losses(Samples.of(rounds(250.0, idle=13.0)), BASELINE) == [
        "idle_kb has got worse: 1.08 times the baseline, in itself"
    ]


def _twice(name: str, value: float | None) -> float | None:
    return value if value is None or name == "idle_kb_per_session" else 2 * value


def test_the_table_has_a_line_per_figure_that_is_known() -> None:
    lines = markdown_table(BASELINE).splitlines()
    assert lines[2] == ("| server CPU per one-chunk utterance | 250 µs | 240 µs to 260 µs | 5.0 |")
    assert lines[-1] == "| bare relay, CPU per utterance | 50 µs | 50 µs to 50 µs | 1 |"
    assert len(lines) == 2 + len(KEY_FIGURES) - 1 + 1


def test_a_row_says_nothing_when_others_had_the_server_s_core() -> None:
    shares = {Scenario.RELAY: None, Scenario.CLOSED_LOOP: 20.0, Scenario.INGEST_JSON: 41.0}
    rows = [Row(one, {"server_kept_waiting_percent": share}) for one, share in shares.items()]
    assert disturbed([*rows, Row(Scenario.IDLE)]) == [
        "ingest-json: others had the server's core for 41 % of the time"
    ]
