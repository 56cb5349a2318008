"""The overload scenario: how the peak is found, and that a small run of it holds."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest

from peers.bench.counts import Counts
from peers.bench.figures import Reading
from peers.bench.load import Load
from peers.bench.load_pattern import Pace, Paced
from peers.bench.overload import Offer, Overload, run_overload
from peers.bench.plan import BenchOptions
from peers.bench.server import Metrics, ServerUnderTest, Usage
from tests.support.waiting import until

NOBODY = cast("Any", None)


class Scripted(Overload):
    """A run whose goodput is a function of what is offered."""

    def __init__(self, goodput: Callable[[float], float], busy: float | None) -> None:
        super().__init__(
            cast("ServerUnderTest", NOBODY), cast("Load", NOBODY), BenchOptions(saturation=None)
        )
        self._goodput, self._busy = goodput, busy
        self.offered: list[int] = []

    async def offer(self, utterances_per_second: float, seconds: float) -> Offer:
        self.offered.append(round(utterances_per_second))
        cpu = None if self._busy is None else self._busy * seconds * utterances_per_second / 200
        before = Usage(0.0, 0.0 if cpu is not None else None, None, None)
        after = Usage(seconds, cpu, None, None)
        reading = Reading(before, after, None, Metrics(""), Metrics(""))
        goodput = self._goodput(utterances_per_second)
        return Offer(utterances_per_second, goodput, Counts(), reading)


def test_the_peak_is_the_best_goodput_on_the_way_to_where_it_no_longer_follows() -> None:
    run = Scripted(lambda offered: min(offered, 700.0), busy=0.3)
    assert asyncio.run(run.peak()) == 700
    assert run.offered[:2] == [200, 533]  # 80 % of where a core would be full
    assert run.offered[-2] == run.offered[-1] == 781  # two misses in a row


def test_a_collapse_on_the_way_does_not_lower_the_peak() -> None:
    run = Scripted(lambda offered: offered if offered < 600 else 5.0, busy=0.3)
    assert asyncio.run(run.peak()) == pytest.approx(200 * 0.8 / 0.3 * 1.1, rel=0.01)


def test_one_bad_step_is_not_the_end() -> None:
    steps = iter([0.1])

    def goodput(offered: float) -> float:
        return min(offered * next(steps, 1.0) if offered > 500 else offered, 900.0)

    assert asyncio.run(Scripted(goodput, busy=0.3).peak()) == 900


def test_where_nobody_knows_how_busy_the_server_is_the_way_is_longer() -> None:
    run = Scripted(lambda offered: min(offered, 300.0), busy=None)
    assert asyncio.run(run.peak()) == 300
    assert run.offered[:3] == [200, 220, 242]


def test_a_pace_holds_from_the_next_start_on() -> None:
    class Client:
        said = 0

        def send_chunk(self, *, is_final: bool) -> None:
            self.said += not is_final

    async def main() -> None:
        client, counts = Client(), Counts()
        paced = Paced([cast("Any", client)], Pace(chunks_per_second=1e-6), counts)
        paced.start()
        paced.stop()
        assert client.said == 0
        paced.pace(1000.0)
        paced.start()
        await until(lambda: client.said >= 10)
        paced.stop()

    asyncio.run(main())


def test_a_small_overload_is_survived() -> None:
    """Sizes of a test: what matters is that every utterance has its outcome."""
    options = BenchOptions(
        nodes=2,
        overload_sessions=20,
        saturation=40.0,
        seconds=0.5,
        warm_up_seconds=0.2,
        overload_seconds=0.5,
        least_goodput_kept=0.0,
    )
    row = asyncio.run(run_overload(options))
    assert row.problems == []
    assert row.figures["offered_per_second"] is not None
    assert row.figures["refused"] == 0
