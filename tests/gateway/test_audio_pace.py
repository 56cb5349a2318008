"""How fast a session may send. Times and audio are in ms."""

import pytest

from actors.admission import AdmissionOptions
from gateway.audio_pace import IngestMeter
from protocol.audio.framing import AudioFormat

BYTES_PER_MS = 2 * 16


def meter(rate: float, burst_ms: int, now_ms: float) -> IngestMeter:
    options = AdmissionOptions(ingest_rate=rate, ingest_burst_ms=burst_ms)
    return IngestMeter(options, AudioFormat.PCM16, 16_000, now_ms)


def take(taker: IngestMeter, audio_ms: int, now_ms: float) -> float:
    return taker.take(bytes(audio_ms * BYTES_PER_MS), None, now_ms)


def test_a_burst_is_free() -> None:
    assert take(meter(rate=4, burst_ms=20_000, now_ms=0), 20_000, now_ms=0) == 0


def test_audio_beyond_the_burst_is_taken_and_waited_for() -> None:
    taker = meter(rate=4, burst_ms=20_000, now_ms=0)
    take(taker, 20_000, now_ms=0)
    assert take(taker, 1000, now_ms=0) == 250
    assert take(taker, 1000, now_ms=0) == 500


def test_after_the_wait_the_debt_is_paid() -> None:
    taker = meter(rate=4, burst_ms=0, now_ms=0)
    wait_ms = take(taker, 1000, now_ms=0)
    assert take(taker, 0, now_ms=wait_ms) == 0


def test_real_time_never_waits() -> None:
    taker = meter(rate=1, burst_ms=256, now_ms=0)
    assert all(take(taker, 256, now_ms=number * 256) == 0 for number in range(1000))


def test_sustained_speed_is_the_rate() -> None:
    taker = meter(rate=4, burst_ms=20_000, now_ms=1000)
    now_ms = 1000.0
    for _ in range(1000):
        now_ms += take(taker, 256, now_ms)
    assert now_ms - 1000 == pytest.approx((1000 * 256 - 20_000) / 4)


def test_a_long_silence_saves_no_more_than_the_burst() -> None:
    taker = meter(rate=4, burst_ms=1000, now_ms=0)
    assert take(taker, 1000, now_ms=1e9) == 0
    assert take(taker, 400, now_ms=1e9) == 100


def test_a_clock_that_stands_pays_nothing() -> None:
    taker = meter(rate=4, burst_ms=0, now_ms=100)
    assert take(taker, 400, now_ms=100) == 100
    assert take(taker, 0, now_ms=100) == 100


def test_opus_counts_by_the_length_of_its_packets() -> None:
    taker = meter(rate=1, burst_ms=0, now_ms=0)
    assert taker.take(b"any", 20 * 48, now_ms=0) == 20


def test_it_shows_its_state() -> None:
    assert repr(meter(4, 20_000, 0)) == "<IngestMeter 20000 of 20000 ms>"
