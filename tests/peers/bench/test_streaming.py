"""Streaming beside whole utterances, on a small scale and without engines."""

import asyncio

import pytest

from peers.bench import streaming
from peers.bench.plan import BenchOptions
from peers.bench.stamped_chunk import chunk, read_stamp_of
from peers.bench.streaming import run_streaming

pytestmark = pytest.mark.takes(20)


def test_a_small_comparison_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "PROGRAMS", ())
    options = BenchOptions(nodes=2, few=6, seconds=1.0, warm_up_seconds=2.0)
    row = asyncio.run(run_streaming(options))
    assert row.problems == []
    assert (row.figures["streamed_percent"] or 0) > 30
    assert (row.figures["streamed_goodput_per_second"] or 0) > 0
    assert row.figures["streamed_chunk_ratio"] is not None


def test_the_moment_that_audio_carries_is_read_from_its_last_chunk() -> None:
    assert read_stamp_of(chunk(1) + chunk(2_000_000)) == 2_000_000
    assert read_stamp_of(chunk(1)[:-1]) is None
    assert read_stamp_of(b"") is None
