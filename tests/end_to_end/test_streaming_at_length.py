"""Half a minute without a pause whose node dies, and many who speak at once on a few slots."""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any

import pytest

from tests.chaos.peers.audio import Speech
from tests.support.peers.raw_client import RawClient, raw_client
from tests.support.peers.raw_node import Ability, audio_of
from tests.support.peers.raw_streaming_node import RawStreamingNode, raw_streaming_node
from tests.support.peers.raw_wire import Message, Pair, over_sockets
from tests.support.processes.scheduler_process import SchedulerProcess

pytestmark = pytest.mark.takes(15)

CHUNK_MS = 200
MANY = 50


@pytest.fixture
def scheduler(scheduler_for_crowds: SchedulerProcess) -> SchedulerProcess:
    return scheduler_for_crowds


@pytest.mark.parametrize("audio_format", ["pcm16", "opus"])
@over_sockets
async def test_half_a_minute_without_a_pause_outlives_the_node_that_hears_it(
    scheduler: SchedulerProcess, pair: Pair, audio_format: str
) -> None:
    """Its node dies at second 12; the next one hears all of it from the beginning."""
    chunks = Speech(f"{pair}", audio_format, 30_000).chunks(CHUNK_MS)
    audio, died = b"".join(chunks), 12_000 // CHUNK_MS
    declared: dict[str, Any] = {"audio_format": audio_format, "sample_rate": 16_000}
    ability = Ability.of(pair, 2)
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(raw_streaming_node(scheduler.node_url, ability))
        client = await stack.enter_async_context(
            raw_client(scheduler.session_url, *pair, **declared)
        )
        for chunk in chunks[:died]:
            await client.chunk(chunk)
        job = await first.job()
        await first.heard_of(job, b"".join(chunks[:died]))
        await first.partial(job, "so far")
        await client.hear("asr_partial", text="so far")
        second = await stack.enter_async_context(raw_streaming_node(scheduler.node_url, ability))
        first.abort()
        said = died
        while not second.unread("job_assign"):
            await client.chunk(chunks[said])
            said += 1
            await asyncio.sleep(0.05)
        again = await second.job()
        assert again["streaming"] is True
        for chunk in chunks[said:]:
            await client.chunk(chunk)
        ended = await second.hear("job_end", job_id=again["job_id"])
        assert (ended["cut_reason"], ended["duration_ms"]) == ("max_turn", 30_000)
        assert second.spoken(again) == audio
        await second.answer(again, "all of it")
        result = await client.result()
        assert (result["text_asr"], result["utterance_index"]) == ("all of it", 0)
        assert (result["speech_start_ms"], result["speech_end_ms"]) == (0, 30_000)
        await client.final()
        await client.fence()
        assert len(client.outcomes()) == 1


class WorkingNode(RawStreamingNode):
    """Answers whole utterances soon after they came, and others soon after their end."""

    def __init__(self, url: str, ability: Ability) -> None:
        super().__init__(url, ability)
        self.streamed: dict[str, Message] = {}
        self.whole = 0
        self.ended = 0
        self._answers: set[asyncio.Task[None]] = set()

    def take(self, message: Message) -> None:
        super().take(message)
        match message["type"]:
            case "job_assign" if message.get("streaming"):
                self.streamed[message["job_id"]] = message
            case "job_assign":
                assert audio_of(message)
                self.whole += 1
                self._begin(self._soon(message))
            case "job_cancel":
                self.streamed.pop(message["job_id"], None)
            case "job_end":
                job = self.streamed.pop(message["job_id"], None)
                assert job is not None, message
                assert message["frames"] == len(self.frames.get(job["job_id"], ()))
                self.ended += 1
                self._begin(self._soon(job))

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._answers.add(task)
        task.add_done_callback(self._answers.discard)

    async def _soon(self, job: Message) -> None:
        await asyncio.sleep(0.05)
        await self.answer(job)


@over_sockets
async def test_many_who_are_heard_while_they_speak_take_no_slot_from_many_who_are_not(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    """Fifty streams and fifty whole utterances on ten slots: each has its one outcome.

    While whole ones wait, streams give way; as soon as none does, they come back.
    """
    speech = Speech(f"{pair}", "pcm16", 8_000)
    async with AsyncExitStack() as stack:
        nodes = []
        for _ in range(2):
            node = WorkingNode(scheduler.node_url, Ability.of(pair, 5))
            await stack.enter_async_context(node)
            await node.register()
            nodes.append(node)
        clients = [
            await stack.enter_async_context(
                raw_client(scheduler.session_url, *pair, audio_format="pcm16", sample_rate=16_000)
            )
            for _ in range(2 * MANY)
        ]

        async def speaks(client: RawClient) -> None:
            for chunk in speech.chunks(CHUNK_MS):
                await client.chunk(chunk)
                await asyncio.sleep(CHUNK_MS / 2000)
            await client.final()

        async def says_it_whole(client: RawClient) -> None:
            for _ in range(3):
                await client.speak(Speech(f"{pair}", "pcm16", 200).audio())
                await asyncio.sleep(0.2)

        def each(
            act: Callable[[RawClient], Coroutine[Any, Any, None]], some: list[RawClient]
        ) -> list[Coroutine[Any, Any, None]]:
            return [act(client) for client in some]

        await asyncio.gather(*each(speaks, clients[:MANY]), *each(says_it_whole, clients[MANY:]))
        for client in clients[:MANY]:
            assert (await client.result(seconds=30))["utterance_index"] == 0
        for client in clients[MANY:]:
            found = [await client.result(seconds=30) for _ in range(3)]
            assert [one["utterance_index"] for one in found] == [0, 1, 2]
        outcomes = Counter(len(client.outcomes()) for client in clients)
        assert outcomes == Counter({1: MANY, 3: MANY})
        assert all(node.peak <= 5 for node in nodes)
        assert sum(node.ended for node in nodes) > 0, "some were heard while they spoke"
        assert sum(node.whole + node.ended for node in nodes) == 4 * MANY
