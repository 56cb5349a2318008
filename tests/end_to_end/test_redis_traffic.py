"""What Redis gets to see: no audio in any form, no scan, two scripts per utterance, no leak."""

import asyncio
import base64
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.support.encoded_audio import encodings_of
from tests.end_to_end.support.processes.redis_tap import RedisEyes, RedisTap
from tests.support.peers.raw_client import RawClient, noise, raw_client
from tests.support.peers.raw_node import Ability, audio_of, next_job, raw_node
from tests.support.peers.raw_wire import over_sockets
from tests.support.processes.redis_server import real_server
from tests.support.processes.scheduler_process import SchedulerProcess

PATTERN = noise(20, 64)
"""Audio that nothing else in the world contains."""
VOICE = noise(21, 64)
"""Likewise, what the node says."""
WORDS = "xyzzy-unheard-of-words"
RECORDED = "words of a session that may come back"

PERMANENT = {
    "insts",
    "cells",
    "gen",
    "seq",
    "secret",
    "schema",
    "jobs:done",
    "jobs:empty",
    "jobs:failed",
    "jobs:cancelled",
}
"""Keys that stay when nobody is there any more: one of each, and of bounded size."""


@pytest.fixture
def server() -> Iterator[str]:
    with real_server("redis") as url:
        yield url


async def utter(client: RawClient, way: str) -> None:
    """Say the pattern in one of the ways in which clients send audio."""
    audio = PATTERN * 400
    match way:
        case "json":
            await client.chunk(audio)
            await client.final()
        case "binary":
            await client.binary_chunk(audio)
            await client.binary_final()
        case _:
            fields = {"src_lang": "en", "tgt_lang": "es"}
            await client.utterance(1000 + client.seq, audio, **fields)
            client.seq += 1


@over_sockets
async def test_redis_sees_no_audio_and_no_more_than_it_must(server: str, tmp_path: Path) -> None:
    flags = ("--session-grace-seconds", "0.3", "--job-timeout-ms", "700", "--close-flush-ms", "300")
    async with RedisTap(server, tmp_path) as tap:
        scheduler = await asyncio.to_thread(
            SchedulerProcess, "--port", "0", "--redis-url", tap.url, *flags
        )
        try:
            await _all_kinds_of_work(scheduler, tap)
            await asyncio.to_thread(scheduler.wait_until_idle)
            _no_scan(tap)  # before this test looks at the keys itself
            await asyncio.to_thread(_nothing_is_left, server)  # the tap has to go on meanwhile
            scheduler.terminate()
            assert await asyncio.to_thread(scheduler.wait) == 0
            assert not scheduler.complaints(), scheduler.log()
        finally:
            scheduler.kill()
            scheduler.close()
        _no_audio(tap)
        assert RECORDED.encode() in tap.received  # so the tap sees what is recorded on purpose
        assert WORDS.encode() not in tap.received, "recorded for a session that cannot come back"


async def _all_kinds_of_work(scheduler: SchedulerProcess, tap: RedisTap) -> None:
    """Results, a frozen node, a refusal, a lost node, a lost client."""
    ability = Ability(capacity=2)
    async with (
        raw_node(scheduler.node_url, ability) as one,
        raw_node(scheduler.node_url, ability) as two,
        raw_client(scheduler.session_url) as client,
    ):
        nodes = [one, two]
        for way in ("json", "binary", "utterance"):
            await utter(client, way)
            node, job = await next_job(nodes)
            assert PATTERN in audio_of(job)
            await node.answer(job, WORDS, tts_audio=base64.b64encode(VOICE * 50).decode())
            await client.result()
        await utter(client, "json")
        frozen, _ = await next_job(nodes)
        node, again = await next_job(nodes)
        assert node is not frozen
        await node.refuse(again, "PROCESSING_ERROR")
        await client.missing()
        lost = await RawClient(scheduler.session_url).open()
        await lost.init("en", "es")
        await utter(lost, "json")
        await next_job(nodes)
        lost.abort()
        await utter(client, "binary")
        doomed, _ = await next_job(nodes)
        doomed.abort()
        node, again = await next_job([other for other in nodes if other is not doomed])
        while again["speaker_key"].partition("~")[0] != client.known_as:
            node, again = await next_job([node])
        await node.answer(again, WORDS)
        await client.result()
        async with raw_client(scheduler.session_url, resume=True) as resuming:
            await utter(resuming, "json")
            node, job = await next_job([other for other in nodes if other is not doomed])
            while job["speaker_key"] != resuming.known_as:  # the lost client's may come again
                node, job = await next_job([node])
            await node.answer(job, RECORDED)
            await resuming.result()
    await asyncio.to_thread(scheduler.wait_until_idle)
    await _two_scripts_per_utterance(scheduler, tap)


async def _two_scripts_per_utterance(scheduler: SchedulerProcess, tap: RedisTap) -> None:
    """Every script is loaded by now: count what thirty utterances of six sessions run."""
    async with raw_node(scheduler.node_url, Ability(capacity=3)) as node:
        node.answers()
        clients = [await RawClient(scheduler.session_url).open() for _ in range(6)]
        for client in clients:
            await client.init("en", "es")
            await utter(client, "utterance")  # its first words wait for the session's claim
            await client.result()
        await tap.settle()
        before = len(tap.lines())
        for index in range(5):
            for client in clients:
                fields = {"src_lang": "en", "tgt_lang": "es"}
                await client.utterance(index, PATTERN * 400, **fields)
        for client in clients:
            for _ in range(5):
                await client.result()
        await tap.settle()
        run = tap.scripts_run(since=before)
        names = Counter(name for name, _ in run)
        assert names["dispatch_task"] == names["complete_task"] == 30, names
        rest = set(names) - {
            "dispatch_task",
            "complete_task",
            "beat",
            "sweep",
            "heartbeat",
            "add_usage",
        }
        assert not rest, names
        for client in clients:
            await client.end()
            await client.aclose()


def _no_audio(tap: RedisTap) -> None:
    seen = {"received": bytes(tap.received), "commands": b"\n".join(_flat(tap))}
    for where, data in seen.items():
        for whose in (PATTERN, VOICE):
            found = [form for form, text in encodings_of(whose).items() if text in data]
            assert not found, f"audio in {where}: {found}"


def _flat(tap: RedisTap) -> list[bytes]:
    return [argument for command in tap.commands() for argument in command]


def _no_scan(tap: RedisTap) -> None:
    counts = tap.command_counts()
    forbidden = {"KEYS", "SCAN", "SSCAN", "HSCAN", "ZSCAN", "FLUSHALL", "FLUSHDB", "CONFIG"}
    assert not forbidden & set(counts), counts
    assert counts["EVALSHA"] > 0
    assert counts["FCALL"] > 0
    assert counts["EVAL"] == 1, "scripts are loaded once; the start tries whether it may run any"


def _nothing_is_left(server: str) -> None:
    """Look at the keys when everything has ended; the last scripts may still be under way."""
    eyes = RedisEyes(server)
    try:
        deadline = time.monotonic() + 5
        while left := _left(eyes):
            nodes = [key for key in eyes.all_keys() if key.startswith("lingua:v1:node:")]
            records = [eyes.ask("HGETALL", key) for key in nodes]
            assert time.monotonic() < deadline, (left, records)
            time.sleep(0.05)
    finally:
        eyes.close()


USAGE_KEPT_S = 400 * 86_400


def _left(eyes: RedisEyes) -> list[str]:
    """Return slots, waiting jobs, and keys without an end that nobody needs any more."""
    left = []
    for key in eyes.all_keys():
        assert key.startswith("lingua:v1:"), key
        kind, ttl = key.removeprefix("lingua:v1:"), eyes.number("TTL", key)
        longest_s = USAGE_KEPT_S if kind.startswith("usage:") else 3700
        assert ttl <= longest_s, (key, ttl)
        is_open = kind.endswith((":slots", ":queued")) or kind.startswith(("q:", "qs", "pin:"))
        is_active = kind in {"jobs:assigned", "jobs:running", "jobs:queued"}
        if is_open or is_active or (ttl == -1 and kind not in PERMANENT):
            left.append(key)
    return left
