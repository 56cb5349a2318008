"""The figures of several processes as those of one."""

import pytest

from actors.metrics import Gauge
from gateway.edge.loop_lag import LoopLag
from gateway.http.metrics import PrometheusMetrics
from gateway.http.metrics_sum import sum_metrics
from tests.support.virtual_time import VirtualLoop


def text_of(sessions: int, lag_s: float, outcome: str) -> bytes:
    loop = VirtualLoop()
    loop.close()
    lag = LoopLag(loop)
    lag._window_s = lag_s
    metrics = PrometheusMetrics(lag)
    metrics.watch(Gauge.SESSIONS, lambda: sessions)
    metrics.job_ended("completed")
    metrics.job_ended(outcome)
    metrics.round_trip(0.0007, 3)
    return metrics.text()


def test_counts_are_added_up_by_their_labels_and_of_lags_the_worst_counts() -> None:
    summed = sum_metrics([text_of(3, 0.25, "queue_full"), text_of(4, 0.5, "completed")])
    assert {
        "lingua_sessions 7.0",
        "lingua_loop_lag_seconds 0.5",
        'lingua_jobs_total{outcome="completed"} 3.0',
        'lingua_jobs_total{outcome="queue_full"} 1.0',
        'lingua_store_seconds_bucket{le="0.0005"} 0.0',
        'lingua_store_seconds_bucket{le="0.001"} 2.0',
        "lingua_store_seconds_count 2.0",
        "# TYPE lingua_store_seconds histogram",
        "# TYPE lingua_jobs_total counter",
    } <= set(summed.decode().splitlines())


def test_the_sum_of_one_is_what_it_said() -> None:
    one = text_of(3, 0.25, "queue_full")
    assert set(sum_metrics([one]).splitlines()) == set(one.splitlines())


def test_what_is_no_text_of_figures_is_refused() -> None:
    with pytest.raises(ValueError, match="could not convert"):
        sum_metrics([b"lingua_sessions seven"])
