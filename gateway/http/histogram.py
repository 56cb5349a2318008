"""How often values fell into which range, and where the recent ones lie. Pure."""

from bisect import bisect_left
from collections import deque
from collections.abc import Mapping

from prometheus_client.core import HistogramMetricFamily
from prometheus_client.metrics_core import Metric

_RECENT = 512
_QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99}


class Histogram:
    """Values of one kind, in seconds."""

    __slots__ = ("_bounds", "_counts", "_recent", "_sum")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0
        self._recent: deque[float] = deque(maxlen=_RECENT)

    def observe(self, value: float) -> None:
        """Count a value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value
        self._recent.append(value)

    def family(self, name: str, text: str) -> Metric:
        """Return it as a family of its own."""
        return HistogramMetricFamily(name, text, buckets=self._buckets(), sum_value=self._sum)

    def add_to(self, family: HistogramMetricFamily, label: str) -> None:
        """Enter it into a family with one label."""
        family.add_metric([label], buckets=self._buckets(), sum_value=self._sum)

    def recent_ms(self) -> Mapping[str, float] | None:
        """Return where the last 512 values lie, in ms; None: there are none."""
        if not self._recent:
            return None
        ordered = sorted(self._recent)
        last = len(ordered) - 1
        return {name: ordered[round(part * last)] * 1000 for name, part in _QUANTILES.items()}

    def _buckets(self) -> list[tuple[str, float]]:
        buckets, below = [], 0
        for bound, count in zip((*self._bounds, "+Inf"), self._counts, strict=True):
            below += count
            buckets.append((str(bound), float(below)))
        return buckets
