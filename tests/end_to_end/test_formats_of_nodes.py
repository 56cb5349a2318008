"""Nodes that read one format of audio only: others get what they cannot read."""

import asyncio
import struct
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest

from tests.end_to_end.support.many_peers import nodes_of
from tests.support.peers.raw_client import RawClient, raw_client, tone
from tests.support.peers.raw_node import Ability
from tests.support.peers.raw_wire import Pair, over_sockets
from tests.support.processes.scheduler_process import SchedulerProcess


@pytest.fixture
def scheduler(scheduler_for_crowds: SchedulerProcess) -> SchedulerProcess:
    return scheduler_for_crowds


def opus(packets: int = 15) -> bytes:
    """Return packets of 20 ms that are far from silent, each behind its length."""
    packet = bytes([0xB8, *range(1, 90)])
    return (struct.pack("<H", len(packet)) + packet) * packets


def reads(pair: Pair, *formats: str, capacity: int = 4) -> Ability:
    return replace(Ability.of(pair, capacity), more={"audio_formats": list(formats)})


async def speak_opus(client: RawClient) -> None:
    await client.chunk(opus())
    await client.final()


@over_sockets
async def test_an_opus_client_bars_a_pcm16_node_for_nobody(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with AsyncExitStack() as stack:
        pcm16, both = await nodes_of(
            stack, scheduler, reads(pair, "pcm16"), reads(pair, "pcm16", "opus", capacity=1)
        )
        pcm16.answers()
        both.answers()
        phone = await stack.enter_async_context(
            raw_client(scheduler.session_url, *pair, audio_format="opus")
        )
        pages = [
            await stack.enter_async_context(raw_client(scheduler.session_url, *pair))
            for _ in range(3)
        ]
        for _ in range(3):
            await speak_opus(phone)
            assert (await phone.result())["text_asr"]
            for page in pages:
                await page.speak(tone(300))
                await page.result()
        assert {job["audio_format"] for job in pcm16.jobs} == {"pcm16"}
        assert all(job["attempt_id"] == 1 for job in (*pcm16.jobs, *both.jobs))
        assert sum(job["audio_format"] == "opus" for job in both.jobs) == 3
        assert len(pcm16.jobs) >= 3


@over_sockets
async def test_what_no_node_of_the_pair_reads_ends_at_once_and_is_announced(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with AsyncExitStack() as stack:
        (pcm16,) = await nodes_of(stack, scheduler, reads(pair, "pcm16"))
        phone = await stack.enter_async_context(
            raw_client(scheduler.session_url, *pair, audio_format="opus")
        )
        (lack,) = phone.ack["unserved"]
        assert (lack["what"], lack["audio_format"]) == ("translation", "opus")
        await speak_opus(phone)
        assert (await phone.missing(seconds=3.0))["reason"] == "no_available_node"
        assert not pcm16.jobs
        node = await asyncio.to_thread(scheduler.get, f"/api/v1/nodes/{pcm16.node_id}")
        assert "reads no opus" in node.json["why_not_chosen"]
