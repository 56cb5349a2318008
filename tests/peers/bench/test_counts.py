"""Counts of several processes."""

from peers.bench.counts import Counts, percentile_ms


def test_tallies_of_several_processes_add_up() -> None:
    one, two = Counts(), Counts()
    for counts, latency_ns in ((one, 1_000_000), (two, 3_000_000)):
        counts.mark()
        counts.chunk_sent(is_final=True)
        counts.job_received(latency_ns, open_jobs=latency_ns // 1_000_000)
        counts.outcome_received(latency_ns)
        counts.freeze()
    two.chunk_sent(is_final=True)
    two.outcome_received(None, "queue_full")
    total = Counts()
    total.add(Counts.from_json(one.as_json()))
    total.add(Counts.from_json(two.as_json()))
    assert (total.utterances, total.results, total.window_outcomes) == (3, 2, 2)
    assert total.refusals == {"queue_full": 1}
    assert total.most_open_at_a_node == 3
    assert sorted(total.result_us) == [1000, 3000]
    assert percentile_ms(total.result_us, 99) == 3.0
    assert percentile_ms([], 50) is None
