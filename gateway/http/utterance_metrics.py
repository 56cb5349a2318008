"""The figures of utterances: by pair of languages, by stage, by node. Labels are bounded.

Clients name languages, so a pair gets a label of its own once a node has had a job of it, or while
few pairs have one that no node ever had; all others are `other`. Of nodes, those that need
attention are shown: the slowest and those that fail. It must not know who measures.
"""

from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator
from statistics import median

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric

from actors.dispatcher.open_jobs import OpenJob
from actors.messages.operator import NodeSeen
from actors.metrics import COMPLETED, UtteranceEnded
from gateway.http.histogram import Histogram
from gateway.http.scaling import PairLoad, loads_of

_SECONDS = (0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 30.0)
_STAGES = {
    "wait": "from the cut to the first node; to the end where no node ever had it",
    "node": "from the last node's assignment to its answer",
    "asr": "as nodes report it",
    "nmt": "as nodes report it",
    "tts": "as nodes report it",
}
_OTHER = ("other", "other")
_UNSERVED_SHARE = 4
_JOBS_OF_A_NODE = 50
_MOST_NODES = 10_000
_LONGEST_MS = 3_600_000.0
_NODE_FAILURES = frozenset({"job_timeout", "node_lost", "model_not_available", "processing_error"})
"""Outcomes that a node has brought about."""
_FEWEST_JOBS = 5
"""Of fewer a node's speed says nothing."""

Pair = tuple[str, str]


class NodeFigures:
    """What was seen of one node's last jobs, by this instance."""

    __slots__ = ("failed", "ratios")

    def __init__(self) -> None:
        self.ratios: deque[float] = deque(maxlen=_JOBS_OF_A_NODE)
        """Time at the node per time of speech."""
        self.failed: deque[bool] = deque(maxlen=_JOBS_OF_A_NODE)

    @property
    def ratio(self) -> float | None:
        """The median; None: too few jobs."""
        return median(self.ratios) if len(self.ratios) >= _FEWEST_JOBS else None


class UtteranceMetrics:
    """Counts what became of utterances. For the loop's thread."""

    def __init__(self, most_pairs: int, most_nodes: int) -> None:
        self._most_pairs = most_pairs
        self._most_nodes = most_nodes
        self._served: set[Pair] = set()
        self._unserved: set[Pair] = set()
        self._outcomes: Counter[tuple[str, str, str]] = Counter()
        self._without_node: Counter[str] = Counter()
        self._stages = {stage: Histogram(_SECONDS) for stage in _STAGES}
        self._after_speech = Histogram(_SECONDS)
        self.nodes: OrderedDict[str, NodeFigures] = OrderedDict()
        """By node; who was heard of last stands last."""
        self.open_jobs: Callable[[], Iterable[OpenJob]] = tuple
        self.now_ms: Callable[[], float] = float

    def ended(self, ended: UtteranceEnded) -> None:
        """Count an utterance that has its outcome."""
        was_sent = ended.sent_at_ms is not None
        pair = self._label(ended.source, ended.target, is_served=was_sent)
        self._outcomes[(*pair, ended.outcome)] += 1
        first_ms, till_ms = ended.first_sent_at_ms, ended.ended_at_ms
        if ended.has_job:
            waited_ms = (till_ms if first_ms is None else first_ms) - ended.cut_at_ms
            self._stages["wait"].observe(max(0.0, waited_ms) / 1000)
            if not was_sent:
                self._without_node[ended.outcome] += 1
        self._after_speech.observe((till_ms - ended.cut_at_ms + ended.quiet_ms) / 1000)
        if ended.sent_at_ms is None or ended.node_id is None:
            return
        node_ms = till_ms - ended.sent_at_ms
        self._stages["node"].observe(node_ms / 1000)
        for stage, taken_ms in reported_stages(ended.timings):
            self._stages[stage].observe(taken_ms / 1000)
        self._note_node(ended, ended.node_id, node_ms)

    def _note_node(self, ended: UtteranceEnded, node_id: str, node_ms: float) -> None:
        figures = self.nodes.pop(node_id, None) or NodeFigures()
        self.nodes[node_id] = figures
        if len(self.nodes) > _MOST_NODES:
            self.nodes.popitem(last=False)
        figures.failed.append(ended.outcome in _NODE_FAILURES)
        if ended.outcome == COMPLETED and ended.speech_ms > 0:
            figures.ratios.append(node_ms / ended.speech_ms)

    def _label(self, source: str, target: str, *, is_served: bool) -> Pair:
        pair = (source, target)
        if pair in self._served:
            return pair
        if is_served:
            if len(self._served) >= self._most_pairs:
                return _OTHER
            self._served.add(pair)
            self._unserved.discard(pair)
            return pair
        if pair in self._unserved:
            return pair
        if len(self._unserved) >= max(1, self._most_pairs // _UNSERVED_SHARE):
            return _OTHER
        self._unserved.add(pair)
        return pair

    def nodes_seen(self, node_id: str | None) -> tuple[NodeSeen, ...]:
        """Return what this instance has seen of a node's last jobs; of all, latest first."""
        if node_id is None:
            return tuple(_seen(node, figures) for node, figures in reversed(self.nodes.items()))
        figures = self.nodes.get(node_id)
        return () if figures is None else (_seen(node_id, figures),)

    # ---- showing ----------------------------------------------------------------------------

    def latencies_ms(self) -> dict[str, object]:
        """Return where the recent utterances lie, by what was measured."""
        shown = {f"stage_{name}": stage.recent_ms() for name, stage in self._stages.items()}
        shown["result_after_speech"] = self._after_speech.recent_ms()
        return {name: found for name, found in shown.items() if found is not None}

    def families(self) -> Iterator[Metric]:
        """Return all families."""
        labels = ["src_lang", "tgt_lang", "outcome"]
        by_pair = CounterMetricFamily(
            "lingua_pair_jobs", "Utterances by pair and end", labels=labels
        )
        for key, count in self._outcomes.items():
            by_pair.add_metric(key, count)
        yield by_pair
        lost = CounterMetricFamily(
            "lingua_jobs_without_node", "Jobs that no node ever had", labels=["outcome"]
        )
        for outcome, count in self._without_node.items():
            lost.add_metric([outcome], count)
        yield lost
        stages = HistogramMetricFamily(
            "lingua_stage_seconds", "How long each stage of a job took", labels=["stage"]
        )
        for name, stage in self._stages.items():
            stage.add_to(stages, name)
        yield stages
        text = "From the end of speech to the outcome"
        yield self._after_speech.family("lingua_result_after_speech_seconds", text)
        yield from self._loads()
        yield from self._of_nodes()

    def _loads(self) -> Iterator[Metric]:
        """Return what this instance's jobs need of each pair: add them up over instances."""
        loads = loads_of(self.open_jobs(), self.now_ms())
        shown = sorted(loads.items(), key=lambda item: -item[1].desired)[: self._most_pairs]
        rest = PairLoad()
        for pair, load in loads.items():
            if pair not in dict(shown):
                rest.merge(load)
        if rest.desired:
            shown.append((_OTHER, rest))
        for pair in self._served - loads.keys():
            shown.append((pair, PairLoad()))
        for name, text, read in _LOADS:
            family = GaugeMetricFamily(name, text, labels=["src_lang", "tgt_lang"])
            for pair, load in shown:
                family.add_metric(pair, read(load))
            yield family

    def _of_nodes(self) -> Iterator[Metric]:
        ratio = GaugeMetricFamily(
            "lingua_node_seconds_per_speech_second",
            "Median time at a node per time of speech, of the slowest nodes",
            labels=["node"],
        )
        failing = GaugeMetricFamily(
            "lingua_node_recent_failures",
            "Failures among the last 50 jobs, of the nodes that fail most",
            labels=["node"],
        )
        known = [(node, figures.ratio) for node, figures in self.nodes.items()]
        timed = [(node, found) for node, found in known if found is not None]
        for node, found in sorted(timed, key=lambda one: -one[1])[: self._most_nodes]:
            ratio.add_metric([node], found)
        failures = [(node, sum(figures.failed)) for node, figures in self.nodes.items()]
        failures = [one for one in failures if one[1]]
        for node, count in sorted(failures, key=lambda one: -one[1])[: self._most_nodes]:
            failing.add_metric([node], count)
        yield ratio
        yield failing


def _seen(node_id: str, figures: NodeFigures) -> NodeSeen:
    ratio = figures.ratio
    ms_per_second = None if ratio is None else ratio * 1000
    return NodeSeen(node_id, ms_per_second, len(figures.failed), sum(figures.failed))


def reported_stages(timings: object) -> Iterator[tuple[str, float]]:
    """Yield the stages that a node reports, in ms; what is no time is left out."""
    if not isinstance(timings, dict):
        return
    for stage in ("asr", "nmt", "tts"):
        taken = timings.get(f"{stage}_ms")
        if isinstance(taken, bool) or not isinstance(taken, int | float):
            continue
        if 0 <= taken <= _LONGEST_MS:
            yield stage, float(taken)


_LOADS: tuple[tuple[str, str, Callable[[PairLoad], float]], ...] = (
    ("lingua_queue_length", "Jobs that wait for a node", lambda load: load.waiting),
    (
        "lingua_queue_oldest_wait_seconds",
        "How long the first of them has waited",
        lambda load: load.oldest_ms / 1000,
    ),
    ("lingua_slots_used", "Slots at nodes that jobs of a pair take", lambda load: len(load.used)),
    (
        "lingua_slots_desired",
        "Slots that a pair needs for what runs and waits, at 80 % use: scale by the sum of it",
        lambda load: load.desired,
    ),
)
