"""A node as a test scripts it that hears what is spoken while it is: it joins the frames."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from websockets.exceptions import ConnectionClosed

from tests.support.peers.raw_node import Ability, RawNode
from tests.support.peers.raw_wire import SECONDS, Message

_HEAD = struct.Struct("<BBI")


class RawStreamingNode(RawNode):
    """One socket on `/ws/node` of a node that registers with `streaming`."""

    def __init__(self, url: str, ability: Ability) -> None:
        super().__init__(url, replace(ability, more={**ability.more, "streaming": True}))
        self.frames: dict[str, list[bytes]] = {}
        """Node-facing job to its frames so far."""

    def spoken(self, job: Message) -> bytes:
        """Return what has come of a job."""
        return b"".join(self.frames.get(job["job_id"], ()))

    async def heard_of(self, job: Message, audio: bytes) -> None:
        """Return when all of this has come of a job, and no more."""
        async with asyncio.timeout(SECONDS):
            while self.spoken(job) != audio:
                self.look()
                await self.news()

    async def _listen(self) -> None:
        try:
            async for data in self.socket:
                if isinstance(data, bytes):
                    self._frame(data)
                else:
                    self._text(data)
                self._news.set()
        except ConnectionClosed:
            pass
        finally:
            self._news.set()

    def _frame(self, data: bytes) -> None:
        kind, length, number = _HEAD.unpack_from(data)
        job_id = data[_HEAD.size : _HEAD.size + length].decode()
        frames = self.frames.setdefault(job_id, [])
        if kind != 0x20 or number != len(frames):
            self.failure = self.failure or AssertionError(f"frame {number} of {job_id}")
        frames.append(data[_HEAD.size + length :])

    async def partial(self, job: Message, text: str, **fields: object) -> None:
        """Say what was recognised so far."""
        usual = {"type": "asr_partial", "job_id": job["job_id"], "text": text, "is_final": False}
        await self.say({**usual, **fields})


@asynccontextmanager
async def raw_streaming_node(
    url: str, ability: Ability | None = None
) -> AsyncIterator[RawStreamingNode]:
    """Connect and register such a node."""
    async with RawStreamingNode(url, ability or Ability()) as node:
        ack = await node.register()
        assert node.node_id, ack
        yield node
