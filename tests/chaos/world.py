"""What all peers of a chaos run share: where to connect, the log, and who else is there."""

import asyncio
import itertools
import json
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from tests.chaos.faults.clocks import WallClock
from tests.chaos.faults.proxy import FaultProxy, Link
from tests.chaos.log import Complaint, Disturbed, Event, SpeechBegan, Undisturbed
from tests.chaos.peers.audio import Speech, digest_of
from tests.chaos.plan import ChaosOptions
from tests.chaos.store import ChaosStore
from tests.support.wire_oracle import check_message

Message = dict[str, Any]


def no_event(_event: Event) -> None:
    """Take an event and drop it."""


@dataclass(slots=True)
class World:
    """One run. Times are seconds since its start."""

    options: ChaosOptions
    store: ChaosStore
    client_proxy: FaultProxy
    node_proxy: FaultProxy
    scheduler_pid: int
    clock: WallClock
    """The scheduler's."""
    on_event: Callable[[Event], None] = no_event
    started: float = field(default_factory=time.monotonic)
    numbers: Iterator[int] = field(default_factory=itertools.count)
    """For what must be unique in a run."""
    is_slow: bool = False
    """The machine does not keep up: nothing is expected in time, and less is said."""
    spoken: dict[str, dict[int, Speech]] = field(default_factory=dict)
    """What was said, by session as nodes know it and index: to them an index means something else.
    """
    recent_jobs: deque[tuple[str, str]] = field(default_factory=lambda: deque(maxlen=50))
    """Node and job id of the latest assignments: what a node may mistake for its own."""

    def now(self) -> float:
        """Return the time of the run."""
        return time.monotonic() - self.started

    def log(self, kind: type[Event], **fields: Any) -> None:
        """Put an event into the log, now."""
        self.on_event(kind(at=self.now(), **fields))

    def begin_speech(self, session: str, index: int, speech: Speech) -> None:
        """A client begins to say something."""
        self.spoken.setdefault(session, {})[index] = speech
        self.log(SpeechBegan, session=session, index=index, speech=speech)

    def index_of(self, session: str, audio: bytes) -> int:
        """Return which of the session's utterances the audio is, or begins; else the next.

        Silence that only ends a turn is the next one behind what was said.
        """
        said = self.spoken.get(session, {})
        digest = digest_of(audio)
        for index, speech in said.items():
            if speech.digest(len(audio)) == digest:
                return index
        return max(said, default=-1) + 1

    def check(self, message: Message, who: str) -> None:
        """Complain if a message does not look as it must."""
        try:
            check_message(message)
        except AssertionError as error:
            self.log(Complaint, text=f"{who}: {error}")

    @contextmanager
    def disturbance(self, subject: str) -> Iterator[None]:
        """Mark a time in which nothing is expected of or for this one."""
        self.log(Disturbed, subject=subject)
        try:
            yield
        finally:
            self.log(Undisturbed, subject=subject)


class Wire:
    """One WebSocket through a proxy."""

    def __init__(self, socket: ClientConnection, proxy: FaultProxy) -> None:
        self.socket = socket
        self._proxy = proxy
        self._port = socket.local_address[1]

    @classmethod
    async def open(cls, proxy: FaultProxy, path: str, *, queue: int = 16) -> "Wire":
        """Connect.

        Raises:
            OSError, WebSocketException, TimeoutError: nobody answers.
        """
        url = f"ws://127.0.0.1:{proxy.port}{path}"
        socket = await connect(
            url,
            compression=None,
            max_size=None,
            max_queue=queue,
            ping_interval=None,
            close_timeout=2,
            open_timeout=5,
            proxy=None,
        )
        return cls(socket, proxy)

    @property
    def link(self) -> Link | None:
        """The connection inside the proxy, while it lives."""
        return self._proxy.link_of(self._port)

    async def say(self, message: Message) -> None:
        """Send a message as JSON."""
        await self.socket.send(json.dumps(message))

    def cut(self) -> None:
        """End it without a word."""
        self.socket.transport.abort()

    async def close(self) -> None:
        """End it in good order, unless that takes long."""
        try:
            async with asyncio.timeout(1):
                await self.socket.close()
        except TimeoutError:
            self.cut()
