"""The figures of several processes as those of one. Pure."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

_LARGEST = {
    "lingua_loop_lag_seconds",
    "process_start_time_seconds",
    "lingua_queue_oldest_wait_seconds",
    "lingua_store_up",
    "lingua_node_seconds_per_speech_second",
    "lingua_node_recent_failures",
}
"""Of these the largest counts: the worst lag, the youngest process. All others are added up."""


class _Sum(Collector):
    """Families with their samples added up by name and labels."""

    def __init__(self, texts: Iterable[bytes]) -> None:
        self._families: dict[str, Metric] = {}
        self._values: dict[str, dict[tuple[str, tuple[tuple[str, str], ...]], float]] = {}
        for text in texts:
            for family in text_string_to_metric_families(text.decode()):
                self._add(family)

    def _add(self, family: Metric) -> None:
        self._families.setdefault(family.name, family)
        values = self._values.setdefault(family.name, {})
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            if family.name in _LARGEST:
                values[key] = max(values.get(key, sample.value), sample.value)
            else:
                values[key] = values.get(key, 0.0) + sample.value

    def collect(self) -> Iterable[Metric]:
        """Return the families in the order in which they were met."""
        for name, family in self._families.items():
            summed = Metric(name, family.documentation, family.type, family.unit)
            for (sample, labels), value in self._values[name].items():
                summed.add_sample(sample, dict(labels), value)
            yield summed


def sum_metrics(texts: Iterable[bytes]) -> bytes:
    """Return one text for those of several processes of the same kind.

    Raises:
        ValueError: One of them is no text of the format.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Sum(texts))
    return generate_latest(registry)
