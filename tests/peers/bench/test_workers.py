"""The workers scenario: its arithmetic on literal numbers, and that a small run of it holds."""

import asyncio
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from peers.bench import process_usage
from peers.bench.counts import Counts
from peers.bench.figures import Reading
from peers.bench.plan import BenchOptions, cores_for_workers
from peers.bench.server import Instance, Metrics, Usage
from peers.bench.workers import run_workers, running_sides
from peers.bench.workers_figures import (
    Comparison,
    Window,
    busiest_share,
    comparison_notes,
    crossed_share,
    follows,
    offered_for,
    trips_per_job,
    utterance_us,
    window_of,
    workers_figures,
)

pytestmark = pytest.mark.takes(11)

SMALL = BenchOptions(
    sessions=8,
    nodes=4,
    active=40,
    rounds=1,
    worker_load=0.1,
    seconds=0.5,
    warm_up_seconds=0.2,
)

LEFT_OUT = (
    "utterances: 1 of 2 rounds do not count: not all that was offered was answered in time,"
    " because others had the cores"
)


def window(utterance: float | None = 300.0, chunk: float | None = 70.0) -> Window:
    return Window(
        offered=100.0,
        follows=True,
        chunks=2000.0,
        utterance_us=utterance,
        chunk_us=chunk,
        busiest_share=1.0,
        store_us=150.0,
        round_trips=1.5,
        waiting=0.1,
        crossed=0.0,
        sessions=(32,),
        nodes=(10,),
    )


def several(utterance: float, chunk: float = 77.0, share: float = 0.5) -> Window:
    return replace(
        window(utterance, chunk), busiest_share=share, sessions=(15, 17), nodes=(6, 4), crossed=0.25
    )


def reading(before: Usage, after: Usage, frames: tuple[float, float] | None = None) -> Reading:
    """A window of 200 jobs, in which so many frames crossed and half as many trips were made."""
    texts = [
        f'lingua_link_frames_total{{what="sent"}} {count}\n'
        f'lingua_jobs_total{{outcome="completed"}} {jobs}\n'
        f"lingua_store_round_trips_total {count / 2}"
        for count, jobs in zip(frames or (), (10, 210), strict=False)
    ]
    one, two = (Metrics(text) for text in texts or ("", ""))
    return Reading(before, after, None, one, two)


def test_the_ratio_is_that_of_the_medians_and_one_bad_window_does_not_move_it() -> None:
    one = [window(300.0), window(310.0), window(2000.0)]
    many = [several(330.0), several(900.0), several(341.0)]
    comparison = Comparison(one, many, [window(380.0), window(341.0), window(100.0)])
    assert comparison.ratio(utterance_us) == pytest.approx(341 / 310)
    assert comparison.ratio_to_part(utterance_us) == 1.0
    assert comparison.extremes(utterance_us) == pytest.approx((341 / 2000, 900 / 310))


def test_the_busiest_worker_sets_the_projected_ingest() -> None:
    even = several(300.0, chunk=70.0, share=0.5)
    costly = several(300.0, chunk=77.0, share=0.6)
    alone, part = [window(chunk=63.0)], [window(chunk=70.0)]
    assert Comparison(alone, [even], part).projected_ratio() == 2.0
    assert Comparison(alone, [even], part).projected_ratio_here() == pytest.approx(1.8)
    assert Comparison(alone, [costly], part).projected_ratio() == pytest.approx(70 / (77 * 0.6))


def test_what_the_machine_does_not_tell_is_no_ratio() -> None:
    unknown = Comparison([window(None, None)], [replace(window(None, None), busiest_share=None)])
    assert unknown.ratio(utterance_us) is None
    assert unknown.ratio_to_part(utterance_us) is None
    assert unknown.extremes(utterance_us) is None
    assert unknown.projected_ratio() is None
    figures = workers_figures(unknown, unknown)
    assert figures["utterance_cpu_ratio"] is None
    assert figures["ingest_chunks_per_second"] == 2000.0


def test_figures_of_both_loads_stand_side_by_side() -> None:
    utterances = Comparison([window(300.0)], [several(330.0)], [window(330.0)])
    ingest = Comparison([window(chunk=70.0)], [several(330.0, chunk=77.0)], [window(chunk=77.0)])
    figures = workers_figures(utterances, ingest)
    assert figures["utterance_cpu_ratio"] == pytest.approx(1.1)
    assert figures["utterance_cpu_ratio_as_busy"] == pytest.approx(1.0)
    assert figures["chunk_cpu_ratio"] == pytest.approx(1.1)
    assert figures["utterances_crossed_percent"] == 25.0
    assert figures["busiest_worker_percent"] == 50.0


def test_the_busiest_share_counts_what_was_spent_in_the_window() -> None:
    assert busiest_share({1: 9.0, 2: 1.0, 3: 1.0}, {1: 9.0, 2: 4.0, 3: 2.0}) == 0.75
    assert busiest_share({}, {7: 2.0}) == 1.0
    assert busiest_share({1: 1.0}, {1: 1.0}) is None
    assert busiest_share({}, {}) is None


def test_an_utterance_that_crosses_is_two_frames() -> None:
    usage = Usage(0.0, None, None, None)
    assert crossed_share(reading(usage, usage, (40.0, 240.0))) == 0.5
    assert trips_per_job(reading(usage, usage, (40.0, 240.0))) == 0.5
    assert crossed_share(reading(usage, usage)) is None
    assert trips_per_job(reading(usage, usage)) is None


def test_the_offered_rate_follows_from_what_a_lower_one_costs() -> None:
    before, after = Usage(10.0, 1.0, None, None), Usage(12.0, 1.2, None, None)
    assert offered_for(0.5, 100.0, reading(before, after)) == pytest.approx(500.0)
    assert offered_for(0.5, 100.0, reading(before, before)) is None
    untold = Usage(12.0, None, None, None)
    assert offered_for(0.5, 100.0, reading(before, untold)) is None


def test_a_window_takes_its_costs_from_all_processes_of_the_server() -> None:
    before = Usage(10.0, 1.0, 0.5, None, process_cpu_seconds={1: 0.0, 2: 0.6, 3: 0.4})
    after = Usage(12.0, 2.0, 0.6, None, process_cpu_seconds={1: 0.0, 2: 1.2, 3: 0.8})
    counts = Counts(
        utterances=200, window_ns=2_000_000_000, window_chunks=2000, window_outcomes=200
    )
    counts.window_results = 190
    instances = [Instance(2, 5, 1), Instance(3, 3, 2)]
    seen = window_of(100.0, counts, reading(before, after, (0.0, 100.0)), instances)
    assert seen.follows
    assert seen.utterance_us == pytest.approx(5000.0)
    assert seen.chunk_us == pytest.approx(500.0)
    assert seen.store_us == pytest.approx(500.0)
    assert seen.busiest_share == pytest.approx(0.6)
    assert seen.busiest_chunk_us == pytest.approx(300.0)
    assert (seen.sessions, seen.nodes, seen.crossed) == ((5, 3), (1, 2), 0.25)


def test_rounds_in_which_somebody_did_not_keep_up_do_not_count() -> None:
    one, part = [window(300.0), window(900.0)], [window(310.0), window(310.0)]
    many = [several(330.0), replace(several(100.0), follows=False)]
    comparison = Comparison(one, many, part)
    assert comparison.followed() == Comparison(one[:1], many[:1], part[:1])
    assert comparison_notes("utterances", comparison, utterance_us) == [
        "utterances: CPU beside one worker, by round: 1.10 to 1.10",
        "utterances: sessions by worker 15+17, 15+17; nodes 6+4, 6+4",
        LEFT_OUT,
    ]


def test_a_side_keeps_up_when_few_results_are_missing_in_the_window() -> None:
    second = 1_000_000_000
    assert follows(1000.0, Counts(window_ns=second, window_results=895))
    assert not follows(1000.0, Counts(window_ns=second, window_results=894))
    assert follows(5.0, Counts(window_ns=second // 2, window_results=0))
    assert follows(0.0, Counts())


def test_workers_have_a_core_each_where_there_are_enough() -> None:
    assert cores_for_workers([0, 1, 2, 3], 2) == ([0, 1], [2, 3])
    assert cores_for_workers([0, 1, 2], 2) == ([0], [1, 2])
    assert cores_for_workers([0], 2) == ([], [])


@pytest.mark.skipif(not Path("/proc/self/exe").exists(), reason="processes are told on Linux only")
def test_descendants_are_found_and_told_by_their_program() -> None:
    script = "import subprocess, sys; subprocess.run(['sleep', '60'], stdout=sys.stdout)"
    with subprocess.Popen([sys.executable, "-c", script], start_new_session=True) as parent:
        try:
            while "sleep" not in map(process_usage.program, process_usage.descendants(parent.pid)):
                assert parent.poll() is None
            assert parent.pid in process_usage.descendants(os.getpid())
        finally:
            os.killpg(parent.pid, 9)


def test_the_store_of_a_server_with_workers_is_not_its_workers() -> None:
    async def look() -> tuple[Usage, list[Instance], int]:
        async with running_sides(SMALL) as sides:
            server = sides.many.server
            return server.usage(), await server.instances(), server.pid

    usage, instances, pid = asyncio.run(look())
    workers = {instance.pid for instance in instances}
    assert len(workers) == 2
    if usage.process_cpu_seconds:
        assert set(usage.process_cpu_seconds) == workers | {pid}
        assert usage.store_cpu_seconds is not None


def test_a_small_comparison_holds() -> None:
    """Sizes of a test: what matters is that every utterance has its outcome."""
    row = asyncio.run(run_workers(SMALL))
    assert row.problems == []
    assert row.figures["workers"] == 2
    assert any("sessions by worker" in note for note in row.notes)
