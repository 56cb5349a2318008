"""One link's life: when it dials, what it sends again, and when it gives up."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from actors.instance.links.actor import LinkActor, LinkPatience
from actors.instance.links.window import LinkBounds, UnderWay
from actors.messages.link import (
    Crossing,
    FlushAsked,
    Flushed,
    LinkAcknowledged,
    LinkFailed,
    LinkOpened,
)
from actors.messages.process import PeerSuspected
from actors.ports import Mailbox
from protocol.ids import InstanceId
from protocol.instances.link import DISPATCHER, Address, Hello, LinkMessage, MessageFrame, unpack
from tests.support.null_metrics import NullMetrics
from tests.support.recording import HandClock, RecordingRef

PEER = InstanceId("b")
SILENCE_MS = 3000.0


@dataclass(eq=False)
class Wire:
    """A connection that keeps what is sent."""

    frames: list[tuple[int, str]] = field(default_factory=list)
    is_aborted: bool = False
    is_closed: bool = False

    def send(self, frame: bytes) -> None:
        message = unpack(frame)
        assert isinstance(message, MessageFrame)
        self.frames.append((message.seq, message.parcel.head.decode()))

    def close(self) -> None:
        self.is_closed = True

    def abort(self) -> None:
        self.is_aborted = True


class CountingLinks(NullMetrics):
    """Counts frames sent for the first time and again."""

    def __init__(self) -> None:
        self.first, self.again = 0, 0

    def link_sent(self, size: int, *, again: bool) -> None:
        assert size > 0
        self.first += not again
        self.again += again


class Home:
    """What the link asks for, recorded."""

    instance_id = InstanceId("a")

    def __init__(self) -> None:
        self.metrics = CountingLinks()
        self.dialled: list[Hello] = []
        self.back: list[str] = []
        self.unreachable: set[InstanceId] = set()
        self.suspected: list[PeerSuspected] = []
        self.ended: list[InstanceId] = []

    def dial(self, hello: Hello, link: Mailbox) -> None:
        del link
        self.dialled.append(hello)

    def pack(self, address: Address, message: Any) -> LinkMessage:
        return LinkMessage(str(address), "Word", str(message).encode())

    def hand_back(self, entries: Sequence[UnderWay]) -> None:
        self.back += [entry.message for entry in entries]

    def reachable(self, peer: InstanceId, *, is_reachable: bool) -> None:
        (self.unreachable.discard if is_reachable else self.unreachable.add)(peer)

    def suspect(self, suspicion: PeerSuspected) -> None:
        self.suspected.append(suspicion)

    def link_ended(self, peer: InstanceId, link: Mailbox) -> None:
        del link
        self.ended.append(peer)


class Bench:
    """A link that was built, not started."""

    def __init__(self, bounds: LinkBounds | None = None) -> None:
        self.clock = HandClock(1000.0)
        self.home = Home()
        patience = LinkPatience(SILENCE_MS, bounds or LinkBounds())
        self.link = self.clock.hold(LinkActor(PEER, self.home, patience))

    def send(self, *words: str) -> None:
        for word in words:
            self.link.on_receive(Crossing(DISPATCHER, word))

    def open(self, received: int = 0) -> Wire:
        wire = Wire()
        self.link.on_receive(LinkOpened(wire, self.home.dialled[-1].link, received))
        return wire

    def fail(self, wire: Wire | None = None, **changes: Any) -> None:
        self.link.on_receive(LinkFailed(wire, "test", **changes))

    def acknowledge(self, wire: Wire, seq: int) -> None:
        self.link.on_receive(LinkAcknowledged(wire, seq))

    def pass_time(self, ms: float) -> None:
        self.clock.advance_to(self.clock.now_ms + ms)


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_the_first_message_dials_once_and_waits(bench: Bench) -> None:
    bench.send("one", "two")
    [hello] = bench.home.dialled
    assert (hello.caller, hello.callee) == ("a", "b")
    wire = bench.open()
    bench.send("three")
    assert wire.frames == [(1, "one"), (2, "two"), (3, "three")]


def test_a_broken_connection_is_made_again_and_the_rest_sent_again(bench: Bench) -> None:
    bench.send("one", "two", "three")
    wire = bench.open()
    bench.acknowledge(wire, 1)
    bench.fail(wire)
    bench.send("four")
    bench.pass_time(60)
    assert len(bench.home.dialled) == 2
    assert bench.home.dialled[0].link == bench.home.dialled[1].link
    again = bench.open(received=2)
    assert again.frames == [(3, "three"), (4, "four")]
    assert (bench.home.metrics.first, bench.home.metrics.again) == (4, 1)
    assert bench.home.back == []


def test_attempts_come_at_growing_intervals_up_to_a_second(bench: Bench) -> None:
    bench.send("one")
    at = []
    for _ in range(8):
        bench.fail()
        before = len(bench.home.dialled)
        waited = 0
        while len(bench.home.dialled) == before:
            bench.pass_time(10)
            waited += 10
        at.append(waited)
    assert at == [50, 100, 200, 400, 800, 1000, 1000, 1000]


def test_what_is_not_acknowledged_in_time_is_handed_back(bench: Bench) -> None:
    bench.send("one")
    wire = bench.open()
    bench.pass_time(SILENCE_MS - 1)
    assert bench.home.back == []
    bench.pass_time(1)
    assert bench.home.back == ["one"]
    assert wire.is_aborted
    assert bench.home.unreachable == {PEER}


def test_whoever_acknowledges_something_is_alive(bench: Bench) -> None:
    bench.send("one", "two")
    wire = bench.open()
    bench.pass_time(SILENCE_MS - 1)
    bench.acknowledge(wire, 1)
    bench.pass_time(SILENCE_MS - 1)
    assert bench.home.back == []
    bench.pass_time(1)
    assert bench.home.back == ["two"]


def test_who_has_nothing_to_say_beats(bench: Bench) -> None:
    bench.send("one")
    wire = bench.open()
    bench.acknowledge(wire, 1)
    for seq in range(2, 12):
        bench.pass_time(SILENCE_MS / 3)
        assert wire.frames[-1] == (seq, "LinkBeat()")
        bench.acknowledge(wire, seq)
    bench.send("two")
    bench.pass_time(SILENCE_MS - 1)
    assert not wire.is_aborted


def test_an_idle_connection_on_which_nothing_comes_back_is_noticed(bench: Bench) -> None:
    bench.send("one")
    wire = bench.open()
    bench.acknowledge(wire, 1)
    bench.pass_time(SILENCE_MS / 3)
    bench.pass_time(SILENCE_MS)
    assert wire.is_aborted
    assert bench.home.unreachable == {PEER}


def test_while_something_is_said_there_are_no_beats(bench: Bench) -> None:
    bench.send("one")
    wire = bench.open()
    for seq in range(1, 20):
        bench.pass_time(SILENCE_MS / 4)
        bench.acknowledge(wire, seq)
        bench.send("more")
    assert "LinkBeat()" not in [text for _, text in wire.frames]


def test_an_instance_out_of_reach_is_dialled_until_it_answers(bench: Bench) -> None:
    bench.send("one")
    bench.fail()
    bench.pass_time(SILENCE_MS)
    assert bench.home.unreachable == {PEER}
    for _ in range(5):
        bench.fail()
        bench.pass_time(1000)
    first, last = bench.home.dialled[0], bench.home.dialled[-1]
    assert first.link != last.link
    bench.open()
    assert bench.home.unreachable == set()
    assert bench.home.back == ["one"]


def test_an_answer_to_a_call_of_the_given_up_link_is_not_used(bench: Bench) -> None:
    bench.send("one")
    old = bench.home.dialled[-1].link
    bench.pass_time(SILENCE_MS)
    wire = Wire()
    bench.link.on_receive(LinkOpened(wire, old, 1))
    assert wire.is_aborted
    assert bench.home.dialled[-1].link != old


def test_another_process_under_the_same_name_gets_nothing_of_what_the_first_had(
    bench: Bench,
) -> None:
    bench.send("one", "two")
    wire = bench.open()
    bench.acknowledge(wire, 1)
    bench.fail(wire)
    bench.pass_time(60)
    forgetful = bench.open(received=0)
    assert forgetful.is_aborted
    assert bench.home.back == ["two"]
    bench.pass_time(200)
    bench.send("three")
    assert bench.open().frames == [(1, "three")]


def test_a_dead_instance_is_given_up_at_once(bench: Bench) -> None:
    bench.send("one", "two")
    bench.fail(is_gone=True)
    assert bench.home.back == ["one", "two"]
    assert bench.home.ended == [PEER]
    assert not bench.link.actor_inbox.empty()  # the stop it asked of itself


def test_what_comes_behind_the_end_is_handed_back_too(bench: Bench) -> None:
    bench.send("one")
    bench.fail(is_gone=True)
    bench.send("two")
    assert bench.home.back == ["one", "two"]


def test_a_full_link_refuses_what_comes_then(bench: Bench) -> None:
    bench = Bench(LinkBounds(max_messages=2))
    bench.send("one", "two", "three")
    assert bench.home.back == ["three"]
    wire = bench.open()
    bench.acknowledge(wire, 1)
    bench.send("four")
    assert wire.frames == [(1, "one"), (2, "two"), (3, "four")]


def test_a_lost_connection_raises_suspicion(bench: Bench) -> None:
    bench.send("one")
    wire = bench.open()
    bench.acknowledge(wire, 1)
    bench.fail(wire)
    bench.pass_time(60)
    bench.fail(lease_left_ms=700)
    assert bench.home.suspected == [PeerSuspected(PEER, 700)]
    dialled = len(bench.home.dialled)
    bench.pass_time(60_000)
    assert len(bench.home.dialled) == dialled  # nobody has anything to say to it


def test_words_of_a_dropped_connection_change_nothing(bench: Bench) -> None:
    bench.send("one")
    old = bench.open()
    bench.fail(old)
    bench.pass_time(60)
    current = bench.open()
    bench.acknowledge(old, 1)
    bench.fail(old)
    bench.send("two")
    assert current.frames == [(1, "one"), (2, "two")]


def test_a_receiver_that_says_nonsense_is_left(bench: Bench) -> None:
    bench.send("one")
    wire = bench.open()
    bench.acknowledge(wire, 7)
    assert wire.is_aborted
    assert bench.home.back == ["one"]


def test_a_bug_hands_back_what_was_under_way(bench: Bench) -> None:
    bench.send("one")
    wire = bench.open()
    bench.link.on_failure(ValueError, ValueError(), None)
    assert wire.is_aborted
    assert bench.home.back == ["one"]
    assert bench.home.ended == [PEER]


def test_at_the_end_of_the_process_the_connection_ends(bench: Bench) -> None:
    bench.send("one")
    wire = bench.open()
    bench.link.on_stop()
    assert wire.is_closed  # after what was sent


def test_an_unknown_message_is_a_bug(bench: Bench) -> None:
    with pytest.raises(AssertionError, match="unreachable"):
        bench.link.on_receive(RecordingRef())  # type: ignore[arg-type]


# ---- whether all has arrived -----------------------------------------------------------------


def flushes(bench: Bench) -> RecordingRef:
    asker = RecordingRef("asker")
    bench.link.on_receive(FlushAsked(asker))
    return asker


def test_where_nothing_is_under_way_all_has_arrived(bench: Bench) -> None:
    assert flushes(bench).only(Flushed)


def test_all_has_arrived_when_what_was_said_before_is_acknowledged(bench: Bench) -> None:
    bench.send("one", "two")
    early = flushes(bench)
    wire = bench.open()
    bench.send("three")
    late = flushes(bench)
    bench.acknowledge(wire, 1)
    assert early.messages == []
    bench.acknowledge(wire, 2)
    assert early.only(Flushed)
    assert late.messages == []
    bench.acknowledge(wire, 3)
    assert late.only(Flushed)


def test_what_a_new_connection_says_has_arrived_counts(bench: Bench) -> None:
    bench.send("one")
    wire = bench.open()
    asker = flushes(bench)
    bench.fail(wire)
    bench.pass_time(60)
    bench.open(received=1)
    assert asker.only(Flushed)


def test_nobody_waits_for_what_was_handed_back(bench: Bench) -> None:
    bench.send("one")
    bench.open()
    asker = flushes(bench)
    bench.pass_time(SILENCE_MS)
    assert bench.home.back == ["one"]
    assert asker.only(Flushed)


def test_nobody_waits_for_an_instance_that_is_gone(bench: Bench) -> None:
    bench.send("one")
    asker = flushes(bench)
    bench.fail(is_gone=True)
    assert asker.only(Flushed)
