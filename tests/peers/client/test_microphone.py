"""Speech in the pattern in which it is spoken."""

import asyncio
import io
import sys
from collections.abc import AsyncIterator
from types import SimpleNamespace

import pytest

from peers.client.microphone import SilenceCutter, recorded, standard_input
from peers.pcm import silence
from tests.support.virtual_time import run_virtual

LOUD = b"\x00\x10" * 1600
"""100 ms."""
QUIET = silence(100)


async def arrivals(source: AsyncIterator[bytes]) -> list[tuple[float, int]]:
    clock = asyncio.get_running_loop()
    return [(round(clock.time(), 3), len(piece)) async for piece in source]


def test_a_recording_comes_piece_by_piece_when_each_has_been_spoken() -> None:
    pcm = silence(600)
    assert run_virtual(arrivals(recorded(pcm, 256))) == [
        (0.256, 8192),
        (0.512, 8192),
        (0.6, 2816),
    ]
    assert run_virtual(arrivals(recorded(pcm, 256, speed=2.0)))[-1] == (0.3, 2816)


def test_late_pieces_are_caught_up_with() -> None:
    async def main() -> list[float]:
        times = []
        async for _ in recorded(silence(300), 100):
            times.append(round(asyncio.get_running_loop().time(), 3))
            if len(times) == 1:
                await asyncio.sleep(0.15)
        return times

    assert run_virtual(main()) == [0.1, 0.25, 0.3]


def test_standard_input_is_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(silence(250))))

    async def main() -> list[int]:
        return [len(piece) async for piece in standard_input(100, speed=50)]

    assert asyncio.run(main()) == [3200, 3200, 1600]


def test_an_utterance_ends_after_enough_silence_behind_speech() -> None:
    cutter = SilenceCutter(silence_ms=300)
    heard = [QUIET] * 5 + [LOUD] * 2 + [QUIET] * 2 + [LOUD] + [QUIET] * 6
    cuts = [index for index, piece in enumerate(heard) if cutter.ends_with(piece)]
    assert cuts == [12]


def test_a_breath_between_loud_and_silent_is_no_silence() -> None:
    breath = b"\xc0\x00" * 1600  # 192 of 32768: between both thresholds
    cutter = SilenceCutter(silence_ms=200)
    assert not any(cutter.ends_with(piece) for piece in [LOUD, breath, breath, breath, QUIET])
    assert cutter.ends_with(QUIET)
