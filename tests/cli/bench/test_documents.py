"""The files of a bench: a baseline is written once and then compared with; the table."""

import json
from pathlib import Path
from typing import Any

import pytest

from cli.bench.command import DOCUMENT, main
from cli.bench.documents import BEGIN, END, compare_with_baseline, write_into_document
from cli.settings.error import SettingsError
from peers.bench.key_figures import KEY_SCENARIOS, Samples
from peers.bench.plan import Row, Scenario


def samples(cpu_us: float) -> Samples:
    return Samples({"utterance_cpu_us": [cpu_us]}, {"utterance_cpu_us": [cpu_us / 50]}, [50.0])


def test_the_first_run_is_the_baseline_and_later_ones_are_compared(tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    assert compare_with_baseline(path, samples(200.0)) == []
    assert json.loads(path.read_text(encoding="utf-8"))["values"] == {"utterance_cpu_us": [200.0]}
    assert compare_with_baseline(path, samples(205.0)) == []
    [loss] = compare_with_baseline(path, samples(220.0))
    assert loss.startswith("utterance_cpu_us has got worse: 1.10 times")


@pytest.mark.parametrize("text", ["", "[]", "{}", "not json"])
def test_a_file_that_is_no_baseline_is_refused_before_anything_is_measured(
    tmp_path: Path, text: str
) -> None:
    path = tmp_path / "baseline.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match="holds no figures of a bench"):
        main(["--baseline", str(path)])


def test_the_table_is_written_between_the_marks_and_nothing_else_changes(tmp_path: Path) -> None:
    page = tmp_path / "measured.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n", encoding="utf-8")
    write_into_document(page, samples(200.0))
    write_into_document(page, samples(210.0))
    text = page.read_text(encoding="utf-8")
    assert text.startswith(f"before\n{BEGIN}\n\n| figure |")
    assert text.endswith(f"|\n\n{END}\nafter\n")
    assert "210 µs" in text
    assert "200 µs" not in text


def test_a_page_without_marks_is_left_alone(tmp_path: Path) -> None:
    page = tmp_path / "measured.md"
    page.write_text("before\n", encoding="utf-8")
    with pytest.raises(SettingsError, match="lacks the marks"):
        write_into_document(page, samples(200.0))


def test_the_project_s_page_has_the_marks() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert text.count(BEGIN) == text.count(END) == 1


@pytest.mark.parametrize(("cpu_us", "status"), [(251.0, 0), (300.0, 1)])
def test_a_loss_makes_the_exit_status_1(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    cpu_us: float,
    status: int,
) -> None:
    async def measured(scenarios: list[Scenario], *_: Any) -> list[Row]:
        costs = {Scenario.RELAY: 50.0, Scenario.CLOSED_LOOP: cpu_us}
        return [Row(one, {"server_cpu_us_per_utterance": costs.get(one, 1.0)}) for one in scenarios]

    path = tmp_path / "baseline.json"
    compare_with_baseline(path, samples(250.0))
    monkeypatch.setattr("cli.bench.command.run_scenarios", measured)
    assert main(["--baseline", str(path), "--rounds", "2"]) == status
    assert ("has got worse" in capsys.readouterr().err) == bool(status)
    assert len(KEY_SCENARIOS) == 6
