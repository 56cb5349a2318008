"""VoiceLinks: relays what members say to each other about their direct voice links.

The signals of a pair pass through the one of the two with the smaller session id (see
`signalling`). Relayed is only between members, and never to one who does not want to hear
the sender's voice.
"""

from actors.messages.room import RoomView, SignalRelayed
from actors.ownership import Foreign
from actors.room.setup import RoomSetup
from actors.runtime.actor import tell
from actors.session.downlink.downlink import Downlink
from actors.session.member.aliases import Aliases
from actors.session.member.signalling import Exchange, Passed
from protocol.errors import ErrorCode
from protocol.ids import SessionId
from protocol.messages.rooms import RoomError
from protocol.messages.webrtc import WebrtcSignal


class VoiceLinks:
    """The voice links of one member. All times are monotonic ms."""

    __slots__ = ("_aliases", "_downlink", "_exchanges", "_me", "_setup")

    def __init__(
        self, me: SessionId, setup: RoomSetup, downlink: Downlink, aliases: Aliases
    ) -> None:
        self._me = me
        self._aliases = aliases
        self._setup = setup
        self._downlink = downlink
        self._exchanges: dict[SessionId, Exchange] = {}
        """By the other member; only of those whose id is the larger one."""

    @property
    def deadline_ms(self) -> float | None:
        """When a signal has waited long enough."""
        if not self._exchanges:
            return None
        deadlines = (exchange.deadline_ms for exchange in self._exchanges.values())
        return min((at_ms for at_ms in deadlines if at_ms is not None), default=None)

    def signal(self, signal: WebrtcSignal, view: RoomView | None, now_ms: float) -> None:
        """Take a signal of this member's client; to it, `to` is the other's alias."""
        if view is None or signal.room_code != view.code:
            self._setup.directory.ownership.refused(Foreign.ROOM, session_id=self._me)
            self._refuse(ErrorCode.ROOM_NOT_FOUND, "this session is not in that room")
            return
        other = self._aliases.session(signal.to)
        if other is None or other == self._me or view.seat(other) is None:
            self._setup.directory.ownership.refused(Foreign.MEMBER, session_id=self._me)
            self._refuse(ErrorCode.INVALID_SESSION, "no such member is in the room")
        elif self._me < other:
            if _wants(view, other, self._me):
                passed = self._exchange(other).take(self._me, signal, now_ms)
                self._pass(other, passed, view)
        else:
            self._send(other, SignalRelayed(self._me, signal), view)

    def relayed(
        self, sender: SessionId, signal: WebrtcSignal, view: RoomView | None, now_ms: float
    ) -> None:
        """Take a signal of another member for this one."""
        if view is None or signal.room_code != view.code or view.seat(sender) is None:
            return
        if not _wants(view, self._me, sender):
            return  # before the exchange: what is not heard stands in nobody's way
        if self._me < sender:
            self._pass(sender, self._exchange(sender).take(sender, signal, now_ms), view)
        else:
            self._hear(sender, signal, view)

    def poll(self, view: RoomView | None, now_ms: float) -> None:
        """Pass on what has waited long enough."""
        for other, exchange in self._exchanges.items():
            passed = exchange.poll(now_ms)
            if passed and view is not None:
                self._pass(other, passed, view)

    def keep_only(self, members: set[SessionId]) -> None:
        """Forget the links with those who are not in the room any more."""
        for other in [other for other in self._exchanges if other not in members]:
            del self._exchanges[other]

    def _exchange(self, other: SessionId) -> Exchange:
        exchange = self._exchanges.get(other)
        if exchange is None:
            exchange = Exchange(self._me, self._setup.options.ice_hold_ms)
            self._exchanges[other] = exchange
        return exchange

    def _pass(self, other: SessionId, passed: list[Passed], view: RoomView) -> None:
        for sender, signal in passed:
            if sender == self._me:
                self._send(other, SignalRelayed(self._me, signal), view)
            else:
                self._hear(sender, signal, view)

    def _send(self, receiver: SessionId, message: SignalRelayed, view: RoomView) -> None:
        """Tell the other member's session."""
        seat = view.seat(receiver)
        session = None
        if seat is not None:
            session = self._setup.directory.session_at(seat.instance_id, receiver)
        if session is not None:
            tell(session, message)

    def _hear(self, sender: SessionId, signal: WebrtcSignal, view: RoomView) -> None:
        """Tell this member's client; to it, `to` is the alias of who says it."""
        if _wants(view, self._me, sender):
            alias = self._aliases.of(sender, view.code)
            self._downlink.send(signal.model_copy(update={"to": alias}))

    def _refuse(self, code: ErrorCode, text: str) -> None:
        self._downlink.send(RoomError(code=code, message=text))


def _wants(view: RoomView, receiver: SessionId, sender: SessionId) -> bool:
    """Return whether a member wants to hear another one's own voice; it does unless it declined."""
    seat = view.seat(receiver)
    return seat is not None and seat.raw_voice.get(sender, True)
