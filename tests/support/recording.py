"""Recorders that stand where an actor, an outbox or a running loop is expected.

With them an actor is built, not started: `on_receive` is called directly and what it told, sent
and set is read from the recorders.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf, nextafter
from typing import Any, TypeVar, cast

from pydantic import BaseModel

from actors.ports import AudioFlow, SocketJobs
from actors.runtime.actor import LoopActor
from protocol.codec import parse_node_command, parse_session_reply
from protocol.errors import ProtocolError

MOST_WAKES_AT_ONCE = 100
"""Of one moment; more never end."""

M = TypeVar("M")
A = TypeVar("A", bound=LoopActor)


@dataclass(eq=False, slots=True)
class RecordingRef:
    """A mailbox that keeps what it is told."""

    name: str = "recorder"
    messages: list[Any] = field(default_factory=list)

    def tell(self, message: Any) -> None:
        """Keep the message."""
        self.messages.append(message)

    def of(self, message_class: type[M]) -> list[M]:
        """Return the messages of one class, oldest first."""
        return [message for message in self.messages if isinstance(message, message_class)]

    def only(self, message_class: type[M]) -> M:
        """Return the one message of this class; fails if there is another number of them."""
        found = self.of(message_class)
        assert len(found) == 1, f"{self.name} has {len(found)} {message_class.__name__}: {self}"
        return found[0]

    def take(self) -> list[Any]:
        """Return all messages and forget them."""
        taken, self.messages = self.messages, []
        return taken


@dataclass(eq=False, slots=True)
class RecordingOutbox:
    """A peer's socket that keeps what is sent; `is_open = False` makes it a gone one."""

    is_open: bool = True
    messages: list[BaseModel] = field(default_factory=list)
    closed_with: tuple[int, str] | None = None
    is_backed_up: bool = False
    owner: str = ""
    jobs: SocketJobs = field(default_factory=SocketJobs)
    is_unread: bool = False
    is_heard: bool = False
    """Whether the peer answers a probe."""
    probes: int = 0
    is_full: bool = False
    """It takes no frames now."""
    frames: list[bytes] = field(default_factory=list)

    flow: AudioFlow = AudioFlow.METERED

    def set_flow(self, flow: AudioFlow) -> None:
        """Keep it."""
        self.flow = flow

    def probe(self) -> None:
        """Count it."""
        self.probes += 1

    def send(self, message: BaseModel | bytes) -> bool:
        """Keep the message, unless the socket is gone."""
        if self.is_open:
            self.messages.append(as_message(message))
        return self.is_open

    def send_frame(self, head: bytes, body: bytes, most_unsent_bytes: int) -> bool:
        """Keep the frame, unless the socket is gone or full."""
        is_taken = self.is_open and not self.is_full and most_unsent_bytes >= 0
        if is_taken:
            self.frames.append(head + body)
        return is_taken

    def close(self, code: int, reason: str) -> None:
        """Note the close."""
        self.is_open = False
        self.closed_with = (code, reason)

    def of(self, message_class: type[M]) -> list[M]:
        """Return the messages of one class, oldest first."""
        return [message for message in self.messages if isinstance(message, message_class)]

    def only(self, message_class: type[M]) -> M:
        """Return the one message of this class; fails if there is another number of them."""
        found = self.of(message_class)
        assert len(found) == 1, f"{len(found)} {message_class.__name__}: {self.messages}"
        return found[0]

    def take(self) -> list[BaseModel]:
        """Return all messages and forget them."""
        taken, self.messages = self.messages, []
        return taken


def as_message(sent: BaseModel | bytes) -> BaseModel:
    """Return what was sent as its model, also where it was encoded without one."""
    if not isinstance(sent, bytes):
        return sent
    try:
        return parse_session_reply(sent)
    except ProtocolError:  # it is for a node
        return parse_node_command(sent)


class HandClock:
    """The time of actors that were not started; it moves when the test says so.

    `actor = clock.hold(NodeActor(...))`, then `clock.advance_to(45_000)` calls `on_wake` of the
    actors whose deadline comes, in order of time.
    """

    def __init__(self, now_ms: float = 0.0) -> None:
        self.now_ms = now_ms
        self._held: list[LoopActor] = []

    def hold(self, actor: A) -> A:
        """Give the actor this time; return it."""
        actor._loop = cast("asyncio.AbstractEventLoop", self)
        self._held.append(actor)
        return actor

    def deadline_of(self, actor: LoopActor) -> float | None:
        """Return the time at which the actor wants to be woken."""
        deadline_ms = inf if actor._alarm is None else actor._alarm.deadline_ms
        return None if deadline_ms == inf else deadline_ms

    def advance_to(self, now_ms: float) -> None:
        """Move the time and wake who asked for it; for actors with a synchronous on_wake."""
        wakes_at_once = 0
        while due := [actor for actor in self._held if self._is_due(actor, now_ms)]:
            actor = min(due, key=lambda one: self.deadline_of(one) or 0.0)
            deadline_ms = self.deadline_of(actor) or 0.0
            wakes_at_once = 0 if deadline_ms > self.now_ms else wakes_at_once + 1
            assert wakes_at_once < MOST_WAKES_AT_ONCE, f"{actor} wakes itself again and again"
            self.now_ms = max(self.now_ms, deadline_ms)
            assert actor._alarm is not None
            actor._alarm.set(None)
            actor.on_wake(self.now_ms)
        self.now_ms = max(self.now_ms, now_ms)

    def _is_due(self, actor: LoopActor, now_ms: float) -> bool:
        deadline_ms = self.deadline_of(actor)
        return deadline_ms is not None and deadline_ms <= now_ms

    def time(self) -> float:
        """Return the time in seconds, as a loop does: never before a deadline that has come."""
        seconds = self.now_ms / 1000
        return seconds if seconds * 1000 >= self.now_ms else nextafter(seconds, inf)

    def call_at(self, _when: float, _callback: Callable[..., object]) -> "HandClock":
        """Take a timer, as a loop does; `advance_to` asks the actor instead."""
        return self

    def cancel(self) -> None:
        """Drop a timer, as its handle does."""
