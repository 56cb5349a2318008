"""Attacks on a whole server: what attackers send is what it says, and a small run of them holds."""

import asyncio
from dataclasses import replace

import pytest

from gateway.edge.frame_reader import BINARY, PING, TEXT, FrameReader
from peers.bench.attacks import WEAPONS, Attack, batch, opening_batch
from peers.bench.flood import Harm, run_attacks, run_flood, too_much
from peers.bench.plan import BenchOptions
from protocol.codec import parse_session_message

SMALL = BenchOptions(
    nodes=2,
    flooders=5,
    slow_readers=5,
    flood_seconds=1.0,
    warm_up_seconds=0.1,
    most_times_slower=100.0,
)


@pytest.mark.parametrize("attack", list(Attack))
def test_what_attackers_send_is_read_as_whole_frames(attack: Attack) -> None:
    reader = FrameReader(64 * 1024 * 1024, small_most=1 << 30)
    data = WEAPONS[attack].opening() + opening_batch(attack) + batch(attack, "s-1")
    found = reader.feed(data)
    while reader.has_more:
        found += reader.feed(b"")
    kinds = {received.kind for received in found}
    assert kinds <= {TEXT, BINARY, PING}
    is_endless = attack is Attack.EMPTY_CONTINUATIONS  # its message never ends
    assert bool(reader.held_bytes) is is_endless
    if WEAPONS[attack].languages is not None:
        parse_session_message(found[0].data)
    if attack in (Attack.FLOOD, Attack.SLOW_READER, Attack.LOOKUPS, Attack.FRAGMENTS):
        for received in found:
            if received.kind is TEXT:
                parse_session_message(received.data)


def test_the_long_json_has_very_many_values() -> None:
    data = FrameReader(64 * 1024 * 1024).feed(batch(Attack.NODE_JSON, ""))[0].data
    assert 15 << 20 < len(data) < 16 << 20
    assert data.count(b"{},") > 5_000_000


def test_a_small_flood_harms_nobody() -> None:
    row = asyncio.run(run_flood(SMALL))
    assert row.problems == []
    assert row.figures["outcomes"]
    assert "attacking 10" in row.notes[0]


def test_single_attacks_harm_nobody() -> None:
    row = asyncio.run(run_attacks(replace(SMALL, flood_seconds=0.5)))
    assert row.problems == []
    assert len(row.notes) == len(Attack) - 2


def testtoo_much_is_said() -> None:
    quiet, harm = Harm(60.0, 70.0, 80.0, 70.0, 9), Harm(60.0, 250.0, 300.0, 500.0, 9)
    assert too_much(quiet, harm, BenchOptions()) == [
        "500 MiB were resident: 400 are the bound",
        "the neighbour's results took 250.0 instead of 70.0 ms",
    ]
    nothing = replace(harm, p95_ms=None, most_resident_mib=None)
    assert too_much(quiet, nothing, BenchOptions()) == ["the neighbour heard no result"]
