"""`python run.py bench`: what it prints, what it writes, and that it can fail."""

import io
import json
import sys
from pathlib import Path

import pytest
from rich.console import Console

from cli.bench.command import QUICK, json_document, main, options_from, parser, relay_ratios
from cli.bench.command import run_scenarios as run_all
from cli.bench.table import tables_of
from peers.bench.plan import ON_REQUEST, BenchOptions, Row, Scenario
from peers.event_loop import run

pytestmark = pytest.mark.takes(45)

ROOT = Path(__file__).resolve().parents[3]
DEAF = (sys.executable, "-m", "tests.cli.support.deaf_server")
SMALL = ["--sessions", "4", "--nodes", "2", "--seconds", "0.3", "--warm-up-seconds", "0.1"]


def run_scenarios(options: BenchOptions, *scenarios: Scenario) -> list[Row]:
    return run(run_all(list(scenarios), options, Console(file=io.StringIO())))


def options_of(*argv: str) -> BenchOptions:
    return options_from(parser().parse_args(argv))


def test_the_relay_is_measured_and_everything_is_written_down(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = tmp_path / "bench.json"
    assert main(["--scenario", "relay", *SMALL, "--json", str(document)]) == 0
    written = json.loads(document.read_text(encoding="utf-8"))
    [row] = written["rows"]
    assert (row["scenario"], row["problems"]) == ("relay", [])
    assert row["figures"]["utterances_per_second"] > 0  # how many is up to the machine
    assert row["figures"]["assign_p50_ms"] < row["figures"]["result_p99_ms"]
    assert written["options"]["sessions"] == 4
    printed = capsys.readouterr().out
    assert "relay" in printed
    assert "utterances/s" in printed


def test_a_server_that_does_not_start_is_one_sentence_with_its_own_words() -> None:
    command = (sys.executable, "-c", "import sys; sys.exit('no store here')")
    [row] = run_scenarios(BenchOptions(scheduler_command=command), Scenario.CLOSED_LOOP)
    assert row.problems == ["the server ended with status 1; it said: no store here"]


def test_utterances_without_an_outcome_are_a_problem() -> None:
    options = BenchOptions(
        sessions=2,
        nodes=1,
        seconds=0.1,
        warm_up_seconds=0.1,
        settle_seconds=0.1,
        scheduler_command=DEAF,
    )
    [row] = run_scenarios(options, Scenario.CLOSED_LOOP)
    assert "2 of 2 utterances got no outcome" in row.problems
    assert "no outcome arrived in the measured window" in row.problems


def test_a_problem_makes_the_exit_status_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def with_a_problem(*_: object) -> list[Row]:
        return [Row(Scenario.BURST, problems=["a node had 5 jobs open"])]

    monkeypatch.setattr("cli.bench.command.run_scenarios", with_a_problem)
    assert main(["--quick"]) == 1
    assert "bench: burst: a node had 5 jobs open" in capsys.readouterr().err


def test_quick_sizes_are_a_base_that_flags_override() -> None:
    assert options_of() == BenchOptions()
    assert options_of("--quick") == QUICK
    options = options_of("--quick", "--active", "7", "--chunks-per-second", "5")
    assert (options.active, options.pace.chunks_per_second) == (7, 5.0)
    assert options.idle == QUICK.idle
    assert options_of("--server-arg=--log-level=debug").server_args == ("--log-level=debug",)


@pytest.mark.parametrize("argv", [["--active", "0"], ["--scenario", "all"], ["--seconds", "x"]])
def test_a_wrong_argument_ends_with_status_2(argv: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(argv)
    assert ended.value.code == 2


def test_the_closed_loop_is_compared_with_the_relay_of_the_same_run() -> None:
    ours = {"utterances_per_second": 6000.0, "server_cpu_us_per_utterance": 120.0}
    bare = {"utterances_per_second": 18_000.0, "server_cpu_us_per_utterance": 60.0}
    rows = [Row(Scenario.CLOSED_LOOP, dict(ours)), Row(Scenario.RELAY, dict(bare))]
    ratios = relay_ratios(rows)
    assert ratios["rate_beside_bare_relay"] == pytest.approx(1 / 3)
    assert ratios["cpu_beside_bare_relay"] == 2.0
    assert relay_ratios(rows[:1]) == {}


def test_the_table_fits_a_narrow_terminal_and_leaves_unknown_figures_empty() -> None:
    figures: dict[str, float | None] = {
        "utterances_per_second": 23_456.0,
        "server_cpu_us_per_utterance": 1234.0,
        "resident_after_mib": 1234.0,
        "store_cpu_us_per_utterance": None,
    }
    console = Console(file=io.StringIO(), width=80)
    for table in tables_of([Row(scenario, dict(figures)) for scenario in Scenario]):
        console.print(table)
    assert isinstance(console.file, io.StringIO)
    printed = console.file.getvalue()
    assert printed.count("23,456") == len(Scenario)
    assert "store CPU" not in printed
    assert "…" not in printed


def test_the_document_says_what_is_needed_to_compare_runs() -> None:
    document = json_document(BenchOptions(), [Row(Scenario.IDLE)], {})
    assert set(document) == {"machine", "options", "rows", "ratios"}
    assert document["options"]["store"] == "embedded"
    assert document["machine"]["cores"]


@pytest.mark.timeout(600)  # a minute when nobody else is at work
def test_every_scenario_runs_against_the_scheduler_and_holds(tmp_path: Path) -> None:
    document = tmp_path / "bench.json"
    small = ["--quick", "--sessions", "8", "--active", "40", "--idle", "50"]
    times = ["--seconds", "0.6", "--warm-up-seconds", "0.2"]
    assert main([*small, *times, "--json", str(document)]) == 0
    written = json.loads(document.read_text(encoding="utf-8"))
    rows = {row["scenario"]: row for row in written["rows"]}
    assert set(rows) == {str(scenario) for scenario in Scenario if scenario not in ON_REQUEST}
    closed_loop = rows["closed-loop"]
    assert closed_loop["scripts"]["dispatch_task"] == pytest.approx(1.0)
    assert closed_loop["scripts"]["complete_task"] == pytest.approx(1.0)
    assert closed_loop["figures"]["audio_bytes_held_after"] == 0
    burst = rows["burst"]["figures"]
    assert (burst["outcomes"], burst["most_open_at_a_node"]) == (200, 4)
    assert written["ratios"]["rate_beside_bare_relay"] > 0
    workers = rows["workers"]
    assert workers["figures"]["workers"] == 2
    assert workers["notes"]
