"""The arithmetic of the bench on literal numbers."""

import pytest

from peers.bench.counts import Counts
from peers.bench.figures import (
    Reading,
    audio_problems,
    outcome_problems,
    scripts_per_utterance,
    steady_figures,
)
from peers.bench.load_process import PatternName, WorkerSpec
from peers.bench.plan import BenchOptions, Scenario, scheduler_command, split_cores, worker_specs
from peers.bench.server import Metrics, Usage

BEFORE = """\
# HELP lingua_scripts_total Script runs.
# TYPE lingua_scripts_total counter
lingua_scripts_total{script="dispatch_task"} 10.0
lingua_scripts_total{script="heartbeat"} 3.0
lingua_store_round_trips_total 8.0
"""
AFTER = """\
lingua_scripts_total{script="dispatch_task"} 110.0
lingua_scripts_total{script="complete_task"} 100.0
lingua_scripts_total{script="heartbeat"} 3.0
lingua_store_round_trips_total 58.0
lingua_audio_bytes_held 0.0
"""


def counts_of_a_second() -> Counts:
    """100 utterances in all, 50 of them within a window of half a second."""
    return Counts(
        utterances=100,
        results=100,
        window_ns=500_000_000,
        window_chunks=100,
        window_outcomes=50,
        result_us=list(range(1000, 51_000, 1000)),
    )


def reading() -> Reading:
    return Reading(
        before=Usage(10.0, 1.0, 0.5, 1024),
        after=Usage(12.0, 2.0, 0.6, 2048),
        load_cpu_seconds=0.5,
        metrics_before=Metrics(BEFORE),
        metrics_after=Metrics(AFTER),
    )


def test_metrics_are_read_by_name_and_by_label() -> None:
    metrics = Metrics(AFTER)
    assert metrics.total("lingua_scripts_total") == 213.0
    assert metrics.by_label("lingua_scripts_total", "script")["complete_task"] == 100.0
    assert metrics.total("lingua_scripts") is None


def test_rates_and_costs_are_each_divided_by_their_own_window() -> None:
    figures = steady_figures(counts_of_a_second(), reading())
    assert figures["utterances_per_second"] == 100.0
    assert figures["chunks_per_second"] == 200.0
    assert figures["server_busy_percent"] == 50.0
    assert figures["load_busy_percent"] == 25.0
    assert figures["server_cpu_us_per_utterance"] == pytest.approx(5000.0)
    assert figures["server_cpu_us_per_chunk"] == pytest.approx(2500.0)
    assert figures["store_cpu_us_per_utterance"] == pytest.approx(500.0)
    assert (figures["resident_before_mib"], figures["resident_after_mib"]) == (1.0, 2.0)
    assert figures["result_p50_ms"] == 26.0
    assert figures["result_p99_ms"] == 50.0


def test_scripts_and_round_trips_count_over_the_whole_run() -> None:
    figures = steady_figures(counts_of_a_second(), reading())
    assert figures["scripts_per_utterance"] == 2.0
    assert figures["round_trips_per_utterance"] == 0.5
    assert scripts_per_utterance(counts_of_a_second(), reading()) == {
        "complete_task": 1.0,
        "dispatch_task": 1.0,
    }


def test_what_the_machine_or_the_server_does_not_tell_is_none() -> None:
    unknown = Usage(10.0, None, None, None), Usage(12.0, None, None, None)
    figures = steady_figures(Counts(), Reading(*unknown, None, Metrics(""), Metrics("")))
    assert figures["server_busy_percent"] is None
    assert figures["server_cpu_us_per_utterance"] is None
    assert figures["scripts_per_utterance"] is None
    assert figures["result_p50_ms"] is None
    assert figures["utterances_per_second"] == 0.0


def test_every_outcome_but_a_result_is_a_problem() -> None:
    assert outcome_problems(counts_of_a_second()) == []
    counts = Counts(utterances=9, results=5, open_utterances=1)
    counts.refusals.update({"queue_full": 3})
    assert outcome_problems(counts) == [
        "1 of 9 utterances got no outcome",
        "3 of 9 utterances ended as queue_full",
    ]


def test_audio_that_is_still_held_is_a_problem() -> None:
    assert audio_problems(Metrics(AFTER)) == []
    assert audio_problems(Metrics("lingua_audio_bytes_held 858.0")) == [
        "858 bytes of audio are still held after the last outcome"
    ]
    assert audio_problems(Metrics("")) == ["/metrics has no lingua_audio_bytes_held"]


def test_the_server_has_a_core_of_its_own_where_there_are_two() -> None:
    assert split_cores([0]) == ([], [])
    assert split_cores([]) == ([], [])
    assert split_cores([2, 3, 5]) == ([2], [3, 5])


@pytest.mark.parametrize("cores", [1, 2, 3, 4, 16])
def test_all_sessions_and_nodes_are_shared_out_and_nodes_connect_first(cores: int) -> None:
    options = BenchOptions(sessions=33, nodes=10, active=7)
    specs = worker_specs(Scenario.CLOSED_LOOP, options, 5010, cores)
    assert sum(spec.clients for spec in specs) == 33
    assert [spec.nodes for spec in specs] == [10] + [0] * (len(specs) - 1)
    paced = worker_specs(Scenario.INGEST_BINARY, options, 5010, cores)
    assert sum(spec.clients for spec in paced) == 7
    assert all(spec.clients for spec in paced[1:])
    assert {spec.pattern for spec in paced} == {PatternName.PACED}
    assert all(spec.client.is_binary for spec in paced)
    assert [WorkerSpec.from_json(spec.as_json()) for spec in specs] == specs


def test_the_scheduler_is_told_its_store_and_further_flags() -> None:
    command = scheduler_command(BenchOptions(redis_url="redis://h", server_args=("--x=1",)))
    assert command[-3:] == ("--redis-url", "redis://h", "--x=1")
    assert "--redis-url" not in scheduler_command(BenchOptions())
