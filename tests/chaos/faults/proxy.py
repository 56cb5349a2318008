"""A TCP proxy that breaks: every way in which a network can fail, for one connection or for all.

Bytes pass unchanged and in order unless told otherwise. A connection is a `Link`; the near end is
who connected, the far end the server behind the proxy.
"""

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path

_HIGH_WATER = 1 << 20
_NO_LINGER = struct.pack("ii", 1, 0)
"""For SO_LINGER: a close is a reset."""

Target = Path | tuple[str, int]


class Way(Enum):
    """A direction."""

    UP = auto()
    """From the near end to the far end."""
    DOWN = auto()


@dataclass(slots=True)
class Weather:
    """What happens to bytes on their way."""

    delay_seconds: float = 0.0
    bytes_per_second: float | None = None
    is_stalled: bool = False
    """Bytes wait, in the proxy and then in front of it."""
    is_swallowed: bool = False
    """Bytes vanish, ends of streams too: nobody notices anything."""


class _Pipe:
    """One direction of a link."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.weather = Weather()
        self.source: asyncio.Transport | None = None
        self.sink: asyncio.Transport | None = None
        self._loop = loop
        self._waiting: deque[tuple[float, bytes | None]] = deque()
        """When it is due, and what: bytes, or None for the end."""
        self._held_bytes = 0
        self._last_due = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._sink_is_full = False

    def feed(self, data: bytes | None) -> None:
        """Take what came from the source."""
        if self.weather.is_swallowed:
            return
        due = max(self._loop.time() + self.weather.delay_seconds, self._last_due)
        if data and self.weather.bytes_per_second:
            due += len(data) / self.weather.bytes_per_second
        self._last_due = due
        self._waiting.append((due, data))
        self._held_bytes += len(data or b"")
        self.pump()
        self._balance()

    def pump(self) -> None:
        """Pass on what is due."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self.sink is None or self.weather.is_stalled:
            return
        while self._waiting:
            due, data = self._waiting[0]
            if due > self._loop.time():
                self._timer = self._loop.call_at(due, self.pump)
                break
            self._waiting.popleft()
            self._held_bytes -= len(data or b"")
            if data is None:
                self.sink.close()
            else:
                self.sink.write(data)
        self._balance()

    def swallow(self) -> None:
        """Let everything vanish from now on, what waits included."""
        self.weather.is_swallowed = True
        self._waiting.clear()
        self._held_bytes = 0

    def note_full(self, *, is_full: bool) -> None:
        """The sink does not take more, or does again."""
        self._sink_is_full = is_full
        self._balance()

    def _balance(self) -> None:
        if self.source is None or self.source.is_closing():
            return
        if self._sink_is_full or self._held_bytes > _HIGH_WATER:
            self.source.pause_reading()
        else:
            self.source.resume_reading()

    def stop(self) -> None:
        """Pass on nothing any more."""
        if self._timer is not None:
            self._timer.cancel()
        self._waiting.clear()


class _End(asyncio.Protocol):
    """One of a link's two sockets: what it hears goes outbound, what comes inbound it writes."""

    def __init__(self, outbound: _Pipe, inbound: _Pipe, on_lost: Callable[[], None]) -> None:
        self._outbound = outbound
        self._inbound = inbound
        self._on_lost = on_lost

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._outbound.source = transport
        self._inbound.sink = transport
        self._inbound.pump()

    def data_received(self, data: bytes) -> None:
        self._outbound.feed(data)

    def pause_writing(self) -> None:
        self._inbound.note_full(is_full=True)

    def resume_writing(self) -> None:
        self._inbound.note_full(is_full=False)

    def connection_lost(self, _error: Exception | None) -> None:
        self._outbound.source = None
        self._inbound.sink = None
        self._outbound.feed(None)
        self._on_lost()


class Link:
    """One connection through the proxy. Life: until both ends are gone."""

    def __init__(self, loop: asyncio.AbstractEventLoop, on_gone: Callable[["Link"], None]) -> None:
        self.near_port = 0
        """The TCP port of who connected."""
        self._pipes = {way: _Pipe(loop) for way in Way}
        self._on_gone = on_gone
        self._ends_left = 2

    def _end(self, outbound: Way, inbound: Way) -> _End:
        return _End(self._pipes[outbound], self._pipes[inbound], self._end_lost)

    def near_end(self) -> asyncio.Protocol:
        """Return the protocol for the accepted socket."""
        return self._end(Way.UP, Way.DOWN)

    def far_end(self) -> asyncio.Protocol:
        """Return the protocol for the socket to the server."""
        return self._end(Way.DOWN, Way.UP)

    def _end_lost(self) -> None:
        self._ends_left -= 1
        if self._ends_left == 0:
            self._on_gone(self)

    def weather(self, *ways: Way) -> list[Weather]:
        """Return what may be changed, for these directions or both."""
        return [self._pipes[way].weather for way in ways or Way]

    # ---- faults -----------------------------------------------------------------------------

    def reset(self) -> None:
        """End it with RST to both sides."""
        for transport in self._transports():
            raw: socket.socket | None = transport.get_extra_info("socket")
            if raw is not None:
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
            transport.abort()
        self._stop()

    def finish(self) -> None:
        """End it with FIN to both sides."""
        for transport in self._transports():
            transport.close()
        self._stop()

    def swallow(self, *ways: Way) -> None:
        """Make it half-open: nothing arrives any more, and nobody is told. For good."""
        for way in ways or Way:
            self._pipes[way].swallow()

    def stall(self) -> None:
        """Hold everything back until `release`, as a stopped process does."""
        for weather in self.weather():
            weather.is_stalled = True

    def release(self) -> None:
        """Let what was held back go on."""
        for pipe in self._pipes.values():
            pipe.weather.is_stalled = False
            pipe.pump()

    def _transports(self) -> list[asyncio.Transport]:
        ends = [self._pipes[Way.UP].source, self._pipes[Way.DOWN].source]
        return [end for end in ends if end is not None]

    def _stop(self) -> None:
        for pipe in self._pipes.values():
            pipe.stop()


class FaultProxy:
    """Listens on a port of its own and passes on to the target. Life: `start` to `close`."""

    def __init__(self, target: Target) -> None:
        self.port = 0
        self.links: set[Link] = set()
        self.is_partitioned = False
        """True: who connects gets a connection on which nothing ever happens."""
        self.is_refusing = False
        """True: who connects is reset at once."""
        self.target = target
        """Where new connections go."""
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def _accept(self) -> asyncio.Protocol:
        loop = asyncio.get_running_loop()
        link = Link(loop, self.links.discard)
        if self.is_partitioned:
            link.swallow()
        task = loop.create_task(self._connect(link))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return link.near_end()

    async def _connect(self, link: Link) -> None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(0)  # the near end is connected when its factory has returned
        near = link._pipes[Way.UP].source
        if near is None:
            return
        link.near_port = near.get_extra_info("peername")[1]
        self.links.add(link)
        if self.is_refusing:
            link._end_lost()
            link.reset()
            return
        try:
            if isinstance(self.target, Path):
                await loop.create_unix_connection(link.far_end, str(self.target))
            else:
                await loop.create_connection(link.far_end, *self.target)
        except OSError:  # nobody listens there
            link._end_lost()
            link.reset()

    def link_of(self, near_port: int) -> Link | None:
        """Return the connection that came from this port."""
        return next((link for link in self.links if link.near_port == near_port), None)

    async def close(self) -> None:
        """End everything."""
        assert self._server is not None
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        for link in list(self.links):
            link.reset()
        await asyncio.sleep(0)
