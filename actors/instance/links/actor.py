"""LinkActor: everything this instance has to say to one other instance, in order.

It decides when to dial, what to send again, and when to give up: what then is not known to have
arrived is handed back, so that whoever sent it can do without. It must not know sockets (it has a
wire) or what its messages mean (who hands them back does).

Life: made with the first message for its instance, ended when that instance has no lease any more.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any, Protocol, TypeAlias, assert_never

from loguru import logger

from actors.instance.links.window import LinkBounds, LinkBrokenError, OutgoingLink, UnderWay
from actors.messages.link import (
    Crossing,
    FlushAsked,
    Flushed,
    LinkAcknowledged,
    LinkBeat,
    LinkFailed,
    LinkOpened,
    LinkWire,
)
from actors.messages.process import PeerSuspected
from actors.metrics import Metrics
from actors.ports import Mailbox
from actors.runtime.actor import LoopActor, tell
from protocol.ids import InstanceId
from protocol.instances.link import DISPATCHER, Address, Hello, LinkMessage, pack_message

_FIRST_RETRY_MS = 50
_LONGEST_RETRY_MS = 1000
_BEATS_PER_SILENCE = 3
"""While nothing is sent, so many beats show in time whether the other end is there."""
_SMALL_BYTES = 512
"""About what a message without audio takes."""


class LinkContext(Protocol):
    """What a link needs of the instance it belongs to."""

    @property
    def instance_id(self) -> InstanceId:
        """Which instance that is."""

    @property
    def metrics(self) -> Metrics:
        """Where frames are counted."""

    def dial(self, hello: Hello, link: Mailbox) -> None:
        """Make a connection; tell the link `LinkOpened` or `LinkFailed`, later."""

    def pack(self, address: Address, message: Any) -> LinkMessage:
        """Return a message as it crosses."""

    def hand_back(self, entries: Sequence[UnderWay]) -> None:
        """Take what did not arrive."""

    def reachable(self, peer: InstanceId, *, is_reachable: bool) -> None:
        """Note whether sending there makes sense."""

    def suspect(self, suspicion: PeerSuspected) -> None:
        """Have the peer's lease looked at."""

    def link_ended(self, peer: InstanceId, link: Mailbox) -> None:
        """Forget the link."""


@dataclass(frozen=True, slots=True)
class LinkPatience:
    """How long a link waits."""

    silence_ms: float
    """What is not acknowledged for so long is handed back: the lease of an instance."""
    bounds: LinkBounds = field(default_factory=LinkBounds)


LinkActorMessage: TypeAlias = Crossing | LinkAcknowledged | FlushAsked | LinkOpened | LinkFailed
"""All messages that a link takes."""


class LinkActor(LoopActor):
    """The way to one instance."""

    def __init__(self, peer: InstanceId, context: LinkContext, patience: LinkPatience) -> None:
        super().__init__()
        self.key = peer
        self._peer = peer
        self._context = context
        self._patience = patience
        self._link = OutgoingLink(patience.bounds)
        self._name = _new_name()
        self._wire: LinkWire | None = None
        self._is_dialling = False
        self._retry_ms = _FIRST_RETRY_MS
        self._retry_at_ms: float | None = None
        self._heard_at_ms = 0.0
        """When the peer last acknowledged something, or there first was something to."""
        self._given_up = False
        self._is_gone = False
        self._sent = 0
        """The last number that was ever written."""
        self._flushes: list[tuple[int, Mailbox]] = []
        """Who wants to know when that number has arrived; earlier ones first."""
        self._log = logger.bind(peer=peer)

    def __repr__(self) -> str:
        state = "up" if self._wire else "dialling" if self._is_dialling else "down"
        return f"<LinkActor {self._peer} {state} {self._link!r}>"

    def on_receive(self, message: LinkActorMessage) -> None:
        """Handle one message."""
        match message:
            case Crossing():
                self._on_crossing(message)
            case LinkAcknowledged():
                self._on_acknowledged(message)
            case FlushAsked():
                self._on_flush_asked(message)
            case LinkOpened():
                self._on_opened(message)
            case LinkFailed():
                self._on_failed(message)
            case _:
                assert_never(message)

    def on_wake(self, now_ms: float) -> None:
        """Time for another attempt, or the peer has been silent for too long."""
        if self._is_gone:
            self._leave()
            return
        if self._link and now_ms >= self._heard_at_ms + self._patience.silence_ms:
            self._log.warning("another instance does not answer", under_way=len(self._link))
            self._drop_wire()
            self._give_up()
            self._dial_later()
        if self._retry_at_ms is not None and now_ms >= self._retry_at_ms:
            self._retry_at_ms = None
            self._dial()
        if self._wire is not None and not self._link and now_ms >= self._beat_at_ms:
            self._on_crossing(Crossing(DISPATCHER, LinkBeat()))
        self._arm()

    def on_failure(self, *_exception: object) -> None:
        """A bug ended this actor: hand back what was under way; the next message begins anew."""
        self._drop_wire()
        self._hand_back(self._link.give_up())
        self._context.reachable(self._peer, is_reachable=True)
        self._context.link_ended(self._peer, self.actor_ref)

    def on_stop(self) -> None:
        """The process ends."""
        wire, self._wire = self._wire, None
        if wire is not None:
            wire.close()

    # ---- messages ---------------------------------------------------------------------------

    def _on_crossing(self, message: Crossing) -> None:
        size = _SMALL_BYTES + len(getattr(message.message, "audio", b""))
        if self._link.is_full or self._is_gone:
            self._context.hand_back([UnderWay(0, message.address, message.message, size)])
            return
        if not self._link:
            self._heard_at_ms = self.now_ms()
        entry = self._link.add(message.address, message.message, size)
        if self._wire is not None:
            self._write(self._wire, entry)
        elif not self._is_dialling and self._retry_at_ms is None:
            self._dial()
        if len(self._link) == 1:
            self._arm()

    def _write(self, wire: LinkWire, entry: UnderWay) -> None:
        frame = pack_message(entry.seq, self._context.pack(entry.address, entry.message))
        wire.send(frame)
        self._context.metrics.link_sent(len(frame), again=entry.seq <= self._sent)
        self._sent = max(self._sent, entry.seq)

    def _on_acknowledged(self, message: LinkAcknowledged) -> None:
        if message.wire is not self._wire:
            return
        try:
            if self._link.acknowledge(message.seq):
                self._heard_at_ms = self.now_ms()
                self._answer_flushes()
            if not self._link:
                self._arm()
        except LinkBrokenError as error:
            self._begin_anew(str(error))

    def _on_flush_asked(self, message: FlushAsked) -> None:
        self._flushes.append((self._link.last, message.asker))
        self._answer_flushes()

    def _answer_flushes(self) -> None:
        while self._flushes and self._flushes[0][0] <= self._link.acknowledged:
            _, asker = self._flushes.pop(0)
            tell(asker, Flushed())

    def _hand_back(self, left: Sequence[UnderWay]) -> None:
        """It cannot arrive by this link; nobody waits for that any longer."""
        self._context.hand_back(left)
        flushes, self._flushes = self._flushes, []
        for _, asker in flushes:
            tell(asker, Flushed())

    # ---- connection -------------------------------------------------------------------------

    def _dial(self) -> None:
        self._is_dialling = True
        hello = Hello(self._context.instance_id, self._peer, self._name)
        self._context.dial(hello, self.actor_ref)

    def _dial_later(self) -> None:
        if self._retry_at_ms is None and not self._is_dialling:
            self._retry_at_ms = self.now_ms() + self._retry_ms
            self._retry_ms = min(2 * self._retry_ms, _LONGEST_RETRY_MS)

    def _on_opened(self, message: LinkOpened) -> None:
        self._is_dialling = False
        if message.link != self._name:  # it was given up while this was under way
            message.wire.abort()
            self._dial()
            return
        try:
            to_send = self._link.resume(message.received)
        except LinkBrokenError as error:
            message.wire.abort()
            self._begin_anew(str(error))
            return
        self._wire = message.wire
        self._retry_ms = _FIRST_RETRY_MS
        self._heard_at_ms = self.now_ms()
        if self._given_up:
            self._given_up = False
            self._context.reachable(self._peer, is_reachable=True)
        self._log.info("linked to another instance")
        for entry in to_send:
            self._write(message.wire, entry)
        self._answer_flushes()
        self._arm()

    def _on_failed(self, message: LinkFailed) -> None:
        if message.wire is not self._wire:
            return  # of a wire that was dropped before
        if message.wire is None:
            self._is_dialling = False
        self._wire = None
        if message.is_gone:
            self._end(message)
            return
        self._log.debug("link is down", reason=message.reason)
        if message.lease_left_ms is not None:
            self._context.suspect(PeerSuspected(self._peer, message.lease_left_ms))
        if message.wire is not None or self._link or self._given_up:
            self._dial_later()
        self._arm()

    def _begin_anew(self, why: str) -> None:
        """The peer does not know this link (any more): another process, or a bug in it."""
        self._log.info("the link begins anew", why=why)
        self._drop_wire()
        self._give_up(is_reachable=True)
        self._dial_later()
        self._arm()

    def _give_up(self, *, is_reachable: bool = False) -> None:
        left, self._link = self._link.give_up(), OutgoingLink(self._patience.bounds)
        self._name = _new_name()
        self._sent = 0
        if not is_reachable and not self._given_up:
            self._given_up = True
            self._context.reachable(self._peer, is_reachable=False)
        self._hand_back(left)

    def _drop_wire(self) -> None:
        wire, self._wire = self._wire, None
        if wire is not None:
            wire.abort()

    def _end(self, message: LinkFailed) -> None:
        """The instance is dead: hand everything back, and leave once nothing waits here."""
        if not self._is_gone:
            self._is_gone = True
            self._log.info("another instance is gone", reason=message.reason)
            self._hand_back(self._link.give_up())
            self._context.reachable(self._peer, is_reachable=True)
            self._context.link_ended(self._peer, self.actor_ref)
        self._leave()

    def _leave(self) -> None:
        if len(self.actor_inbox):
            self.wake_at(self.now_ms())  # what waits is handed back first
        else:
            self.stop()

    def _arm(self) -> None:
        """Wake at the next attempt, or when the peer has been silent for long, or too long."""
        silence_ms = self._patience.silence_ms
        at_ms = inf if self._retry_at_ms is None else self._retry_at_ms
        if self._link:
            at_ms = min(at_ms, self._heard_at_ms + silence_ms)
        elif self._wire is not None:
            at_ms = min(at_ms, self._beat_at_ms)
        self.wake_at(None if at_ms == inf else at_ms)

    @property
    def _beat_at_ms(self) -> float:
        return self._heard_at_ms + self._patience.silence_ms / _BEATS_PER_SILENCE


def _new_name() -> str:
    return secrets.token_hex(8)
