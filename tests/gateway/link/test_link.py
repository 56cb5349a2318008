"""Both ends of a link over real sockets: who is let in, what crosses, what a broken line costs."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from actors.messages.job import PartialArrived
from actors.messages.link import LinkAcknowledged, LinkFailed, LinkOpened
from gateway.link.codec import CROSSING_KINDS, pack
from gateway.link.dialler import PeerDialler, PeerWire
from gateway.link.options import PeerOptions
from gateway.link.server import PeerInside, PeerServer
from protocol.ids import InstanceId, JobId
from protocol.instances.link import (
    PEER_VERSION,
    Address,
    Hello,
    LinkMessage,
    Place,
    pack_ack,
    pack_message,
    pack_welcome,
)
from storage.instances import InstanceRecord
from storage.store import StorageUnavailable
from tests.chaos.faults.proxy import FaultProxy
from tests.support.null_metrics import NullMetrics
from tests.support.recording import RecordingRef
from tests.support.waiting import until

A, B = InstanceId("a"), InstanceId("b")
SESSION = Address(Place.SESSION, "s")
SECRET = "open sesame"


def partial(number: int) -> PartialArrived:
    return PartialArrived(JobId("job"), 1, f"word {number}", is_final=False)


def frame(seq: int) -> bytes:
    return pack_message(seq, pack(SESSION, partial(seq)))


class Counted(NullMetrics):
    """Counts frames that came."""

    def __init__(self) -> None:
        self.came, self.again, self.dropped = 0, 0, 0

    def link_received(self, size: int, *, again: bool) -> None:
        assert size > 0
        self.came += not again
        self.again += again

    def link_dropped(self) -> None:
        self.dropped += 1


@dataclass
class Delivered:
    """Keeps what arrives."""

    messages: list[tuple[InstanceId, Address, Any]] = field(default_factory=list)

    def take(self, sender: InstanceId, address: Address, message: Any) -> None:
        self.messages.append((sender, address, message))


@dataclass
class Book:
    """Says where b is."""

    record: InstanceRecord | None
    is_away: bool = False

    async def find(self, instance_id: InstanceId) -> InstanceRecord | None:
        assert instance_id == B
        if self.is_away:
            raise StorageUnavailable("away")
        return self.record


class Line:
    """Instance b's port, and a dialler of instance a."""

    def __init__(self, server: PeerServer, delivered: Delivered, metrics: Counted) -> None:
        self.server = server
        self.delivered = delivered
        self.metrics = metrics
        self.shown = SECRET
        self.book = Book(InstanceRecord(B, 3000, {"peer_url": server.url}))
        self.dialler = PeerDialler(self.book, lambda: self.shown, timeout_s=0.5)
        self.link = RecordingRef("link")

    async def dial(self, name: str = "l", **changes: Any) -> Any:
        """Call; return the first word that the link hears of it."""
        self.link.take()
        self.dialler.dial(Hello(A, B, name, **changes), self.link)
        await until(lambda: self.link.messages)
        return self.link.messages[0]

    async def open(self, name: str = "l") -> tuple[PeerWire, int]:
        opened = await self.dial(name)
        assert isinstance(opened, LinkOpened), opened
        assert isinstance(opened.wire, PeerWire)
        return opened.wire, opened.received

    @property
    def acknowledged(self) -> int:
        return max((ack.seq for ack in self.link.of(LinkAcknowledged)), default=0)

    def texts(self) -> list[str]:
        return [message.text for _, _, message in self.delivered.messages]


@asynccontextmanager
async def a_line(instance_id: InstanceId = B, secret: str = SECRET) -> AsyncIterator[Line]:
    delivered, metrics = Delivered(), Counted()
    inside = PeerInside(instance_id, delivered, lambda *_: None, metrics, lambda: secret)
    server = PeerServer(PeerOptions(), inside)
    await server.start()
    line = Line(server, delivered, metrics)
    try:
        yield line
    finally:
        await line.dialler.close()
        await server.close()


def over_a_line(test: Callable[[Line], Awaitable[None]]) -> Callable[[], None]:
    """Let pytest run a test with a line."""

    def run() -> None:
        async def main() -> None:
            async with a_line() as line:
                await test(line)

        asyncio.run(main())

    return run


# ---- what crosses ----------------------------------------------------------------------------


@over_a_line
async def test_messages_arrive_in_order_and_are_acknowledged(line: Line) -> None:
    wire, received = await line.open()
    assert received == 0
    for seq in range(1, 101):
        wire.send(frame(seq))
    await until(lambda: line.acknowledged == 100)
    assert line.texts() == [f"word {seq}" for seq in range(1, 101)]
    assert {(sender, str(at)) for sender, at, _ in line.delivered.messages} == {(A, "session:s")}
    assert len(line.link.of(LinkAcknowledged)) < 50  # many together
    assert (line.metrics.came, line.metrics.again) == (100, 0)


@over_a_line
async def test_a_large_message_crosses(line: Line) -> None:
    wire, _ = await line.open()
    text = "x" * 3_000_000
    wire.send(pack_message(1, pack(SESSION, PartialArrived(JobId("j"), 1, text, is_final=True))))
    await until(lambda: line.acknowledged == 1)
    assert line.texts() == [text]


@over_a_line
async def test_a_link_goes_on_after_a_broken_connection(line: Line) -> None:
    wire, _ = await line.open()
    for seq in (1, 2):
        wire.send(frame(seq))
    await until(lambda: line.acknowledged == 2)
    wire.abort()
    again, received = await line.open()
    assert received == 2
    for seq in (2, 3):
        again.send(frame(seq))
    await until(lambda: line.acknowledged == 3)
    assert line.texts() == ["word 1", "word 2", "word 3"]
    assert line.metrics.again == 1


@over_a_line
async def test_a_link_of_another_name_begins_from_one(line: Line) -> None:
    wire, _ = await line.open("first")
    wire.send(frame(1))
    await until(lambda: line.acknowledged == 1)
    _, received = await line.open("second")
    assert received == 0


@over_a_line
async def test_a_second_call_ends_the_first(line: Line) -> None:
    first, _ = await line.open()
    ended = line.link
    line.link = RecordingRef("link")
    await line.open()
    await until(lambda: ended.of(LinkFailed))
    assert ended.only(LinkFailed).wire is first


@over_a_line
async def test_what_this_version_does_not_know_is_acknowledged_and_dropped(line: Line) -> None:
    wire, _ = await line.open()
    wire.send(pack_message(1, LinkMessage("session:s", "SingJob", b"{}")))
    wire.send(pack_message(2, LinkMessage("choir:c", "WithdrawJob", b'{"job_id":"j","attempt":1}')))
    wire.send(frame(3))
    await until(lambda: line.acknowledged == 3)
    assert line.texts() == ["word 3"]
    assert line.metrics.dropped == 2


@over_a_line
async def test_what_cannot_be_read_is_acknowledged_and_dropped_whatever_it_is(line: Line) -> None:
    """A WebRTC object of 199 levels closed the link between two instances for 6 s."""
    deep = b'{"signal":' + b"[" * 5000 + b"]" * 5000 + b"}"
    heads = (b"", b"{}", b"null", b"\xff\xfe", b'{"job_id":', deep)
    parcels = [LinkMessage("session:s", kind, head) for kind in CROSSING_KINDS for head in heads]
    no_fields = ("LinkBeat", "NodeIsAlive")
    parcels = [one for one in parcels if one.head != b"{}" or one.kind not in no_fields]
    wire, _ = await line.open()
    for seq, parcel in enumerate(parcels, start=1):
        wire.send(pack_message(seq, parcel))
    wire.send(frame(len(parcels) + 1))
    await until(lambda: line.acknowledged == len(parcels) + 1)
    assert line.texts() == [f"word {len(parcels) + 1}"]
    assert line.metrics.dropped == len(parcels)
    assert line.link.of(LinkFailed) == []


def test_what_cannot_be_written_uses_up_its_number() -> None:
    half = PartialArrived(JobId("job"), 1, "half a \ud83d surrogate", is_final=False)
    assert pack(SESSION, half).kind not in CROSSING_KINDS


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"nonsense",
        pack_ack(1),
        pack_welcome(1),
        frame(2),
    ],
    ids=["empty", "nonsense", "ack", "welcome", "gap"],
)
def test_who_breaks_the_protocol_is_let_go(data: bytes) -> None:
    async def main() -> None:
        async with a_line() as line:
            wire, _ = await line.open()
            wire.send(data)
            await until(lambda: line.link.of(LinkFailed))
            assert line.link.only(LinkFailed).wire is wire
            _, received = await line.open()
            assert received in (0, 1)
            assert line.texts() == []

    asyncio.run(main())


@over_a_line
async def test_the_end_of_the_other_instance_is_heard_once(line: Line) -> None:
    wire, _ = await line.open()
    await line.server.close()
    await until(lambda: line.link.of(LinkFailed))
    wire.send(frame(1))
    await asyncio.sleep(0.02)
    assert line.link.only(LinkFailed).wire is wire


@over_a_line
async def test_a_wire_that_is_dropped_says_nothing_more(line: Line) -> None:
    wire, _ = await line.open()
    wire.send(frame(1))
    wire.abort()
    await asyncio.sleep(0.05)
    assert line.link.of(LinkFailed) == []


# ---- who is let in ---------------------------------------------------------------------------


@over_a_line
async def test_a_wrong_secret_is_refused(line: Line) -> None:
    line.shown = "open barley"
    failed = await line.dial()
    assert isinstance(failed, LinkFailed)
    assert "401" in failed.reason
    assert failed.wire is None
    assert failed.lease_left_ms == 3000
    assert not failed.is_gone


@over_a_line
async def test_another_version_is_refused(line: Line) -> None:
    failed = await line.dial(version=PEER_VERSION + 1)
    assert "426" in failed.reason


def test_nobody_is_let_in_before_the_secret_is_known() -> None:
    async def main() -> None:
        async with a_line(secret="") as line:
            line.shown = ""
            assert "401" in (await line.dial()).reason

    asyncio.run(main())


def test_whoever_has_the_port_of_another_instance_says_so() -> None:
    async def main() -> None:
        async with a_line(InstanceId("c")) as line:
            assert "421" in (await line.dial()).reason

    asyncio.run(main())


# ---- who cannot be reached -------------------------------------------------------------------


@pytest.mark.parametrize("record", [None, InstanceRecord(B, 0, {"peer_url": "ws://127.0.0.1:1"})])
def test_an_instance_without_a_lease_is_gone(record: InstanceRecord | None) -> None:
    async def main() -> None:
        async with a_line() as line:
            line.book.record = record
            assert (await line.dial()).is_gone

    asyncio.run(main())


@over_a_line
async def test_while_the_store_is_away_nobody_is_gone(line: Line) -> None:
    line.book.is_away = True
    failed = await line.dial()
    assert not failed.is_gone
    assert failed.lease_left_ms is None


@pytest.mark.parametrize("url", ["", "http://127.0.0.1:1/", "ws://127.0.0.1:1/ws/peer"])
def test_an_address_where_nobody_is_fails(url: str) -> None:
    async def main() -> None:
        async with a_line() as line:
            line.book.record = InstanceRecord(B, 500, {"peer_url": url})
            failed = await line.dial()
            assert failed.wire is None
            assert failed.lease_left_ms == 500

    asyncio.run(main())


@over_a_line
async def test_a_line_on_which_nothing_happens_is_given_up_in_time(line: Line) -> None:
    proxy = FaultProxy(("127.0.0.1", 1))
    await proxy.start()
    proxy.is_partitioned = True
    url = f"ws://127.0.0.1:{proxy.port}/ws/peer"
    line.book.record = InstanceRecord(B, 3000, {"peer_url": url})
    failed = await line.dial()
    assert isinstance(failed, LinkFailed)
    await proxy.close()


def test_the_address_that_is_told_can_be_given() -> None:
    options = PeerOptions(peer_url="wss://lingua.example/ws/peer")
    inside = PeerInside(B, Delivered(), lambda *_: None, NullMetrics(), lambda: SECRET)
    assert PeerServer(options, inside).url == "wss://lingua.example/ws/peer"
    assert PeerServer(PeerOptions(peer_host="::1"), inside).url == "ws://[::1]:0/ws/peer"
