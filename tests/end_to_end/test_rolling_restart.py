"""All instances are replaced one by one while people speak: nothing is lost, nothing comes twice.

The oracle stands outside: what each client said, byte by byte, against what nodes were given and
what clients heard.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import pytest
from websockets.exceptions import WebSocketException

from tests.end_to_end.support.peers.resuming_client import ResumingClient
from tests.end_to_end.support.processes.cluster import Cluster, instances
from tests.support.peers.raw_client import noise
from tests.support.peers.raw_node import Ability, RawNode, audio_of
from tests.support.peers.raw_wire import Message, over_sockets
from tests.support.waiting import PATIENCE_S

pytestmark = pytest.mark.takes(13)

FLAGS = ("--drain-seconds=10", "--audio-ack-interval-ms=100", "--instance-lease-ms=1000")
SPEAKERS = 6
UTTERANCES = 16
PIECE = 4096


@dataclass
class Speaker:
    """One person with a client that comes back as the wire asks it to."""

    cluster: Cluster
    name: int
    client: ResumingClient | None = None
    pieces: list[tuple[bytes, bool]] = field(default_factory=list)
    """What was said, by `seq`."""
    said: list[bytes] = field(default_factory=list)
    outcomes: dict[int, Message] = field(default_factory=dict)
    """By `delivery_seq`."""
    moves: int = 0

    async def run(self) -> None:
        self.client = await ResumingClient(self._url()).open()
        await self.client.init("en", "es")
        for number in range(UTTERANCES):
            audio = noise(1000 * self.name + number, 3 * PIECE + 2 * number)
            self.said.append(audio)
            for start in range(0, len(audio), PIECE):
                await self._say(audio[start : start + PIECE], final=False)
                await asyncio.sleep(0.05)
            await self._say(b"", final=True)
            await asyncio.sleep(0.3)
        async with asyncio.timeout(2 * PATIENCE_S):
            while len(self.outcomes) < UTTERANCES:
                await self._keep_up()
                await asyncio.sleep(0.05)

    async def leave(self) -> None:
        """End the session; it may have been silent when its instance went."""
        await self._keep_up()
        assert self.client is not None
        await self.client.end()
        await self.client.aclose_all()

    async def _say(self, piece: bytes, *, final: bool) -> None:
        self.pieces.append((piece, final))
        await self._keep_up()
        assert self.client is not None
        if self.client.seq == len(self.pieces) - 1:  # else it went out with what was sent again
            await self._send(len(self.pieces) - 1)

    async def _send(self, seq: int) -> None:
        assert self.client is not None
        piece, final = self.pieces[seq]
        with suppress(WebSocketException, OSError):
            await self.client.chunk_at(seq, piece, final=final)

    async def _keep_up(self) -> None:
        """Read what came; come back if the line is down, and send again what is asked for."""
        assert self.client is not None
        self._read()
        while not self.client.is_open:
            self.client = await self._come_back(self.client)
            self.moves += 1
            for seq in range(self.client.ack["next_seq"], len(self.pieces)):
                await self._send(seq)

    async def _come_back(self, former: ResumingClient) -> ResumingClient:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                former.url = self._url()
                try:
                    client = await former.resume()
                except (WebSocketException, OSError):
                    await asyncio.sleep(0.1)  # that one is going away as well
                    self.name += 1
                else:
                    self.client = client
                    self._read()
                    return client

    def _read(self) -> None:
        assert self.client is not None
        for client in self.client.family:
            with suppress(WebSocketException, OSError):
                client.look()
            for outcome in client.outcomes():
                self.outcomes[outcome["delivery_seq"]] = outcome

    def _url(self) -> str:
        members = self.cluster.members
        return members[(self.name + self.moves) % len(members)].session_url


@asynccontextmanager
async def roaming_nodes(cluster: Cluster) -> AsyncIterator[list[RawNode]]:
    """One node per place; each connects again, as another node, when its instance goes."""
    nodes: list[RawNode] = []

    async def stay(place: int) -> None:
        while True:
            url = cluster.members[place].node_url
            try:
                node = await RawNode(url, Ability(capacity=50)).open()
                nodes.append(node)
                node.answers(0.1)
                await node.register()
                while node.is_open:
                    await asyncio.sleep(0.05)
            except (WebSocketException, OSError, AssertionError):
                await asyncio.sleep(0.1)

    tasks = [asyncio.create_task(stay(place)) for place in range(len(cluster.members))]
    try:
        await asyncio.sleep(0.5)
        yield nodes
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for node in nodes:
            await node.aclose()


@over_sockets
async def test_three_instances_are_replaced_under_load() -> None:
    with instances(3, *FLAGS) as cluster:
        async with roaming_nodes(cluster) as nodes:
            speakers = [Speaker(cluster, number) for number in range(SPEAKERS)]
            talk = [asyncio.create_task(speaker.run()) for speaker in speakers]
            for place in range(3):
                await asyncio.sleep(1.0)
                await asyncio.to_thread(cluster.replace, place)
            await asyncio.gather(*talk)
            given = [audio_of(job) for node in nodes for job in node.jobs]
            for speaker in speakers:
                assert sorted(speaker.outcomes) == [*range(1, UTTERANCES + 1)]
                heard = [speaker.outcomes[seq] for seq in range(1, UTTERANCES + 1)]
                assert [one["type"] for one in heard] == ["translation_result"] * UTTERANCES
                assert [one["utterance_index"] for one in heard] == [*range(UTTERANCES)]
                assert all(audio in given for audio in speaker.said)
                await speaker.leave()
            everything = [audio for speaker in speakers for audio in speaker.said]
            assert Counter(given) == Counter(everything), "not each word went to one node, once"
            assert sum(speaker.moves for speaker in speakers) >= 3
