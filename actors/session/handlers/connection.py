"""Connection: the sockets that speak for one session, one after the other.

A socket is lost, another one attaches, or the client resumes on one; each time the phase of the
session, its pause clock and its place in rooms follow. Must not: end the session.
"""

from actors.messages.session import SocketAttached, SocketLost
from actors.messages.takeover import SocketDraining, SocketResumed
from actors.ports import Outbox
from actors.session.life import Event, Phase
from actors.session.parts import Parts
from actors.session.presence.detached import Waiter
from actors.session.resume.parts import ResumeParts
from actors.session.speech import Speech
from protocol.errors import CloseCode
from protocol.messages.session_outbound import Reconnect


class Connection:
    """The socket of one session, or none at the moment."""

    def __init__(self, parts: Parts, speech: Speech, resume: ResumeParts | None) -> None:
        self._parts = parts
        self._life = parts.life
        self._downlink = parts.downlink
        self._presence = parts.setup.presence
        self._speech = speech
        self._resume = resume
        self._reconnect_notice: Reconnect | None = None
        """What clients are sent while the process shuts down."""
        self.draining: Outbox | None = None
        """A socket that goes with the instance that relays it, once what is open has its end."""

    @property
    def is_claimed(self) -> bool:
        """Whether a client is on its way back."""
        return self._resume is not None and self._resume.resumption.is_claimed

    def lost(self, message: SocketLost, now_ms: float) -> None:
        """The socket is gone; the grace begins."""
        if message.outbox is not self._downlink.outbox:
            return  # the end of a socket that this session has left
        life, member = self._life, self._parts.room.member
        was_active = life.phase is Phase.ACTIVE
        self._downlink.disconnect()
        life.take(Event.LOSE_SOCKET)
        setup, is_gateway = self._parts.setup, self._parts.profile.is_gateway
        life.grace_ends_ms = now_ms + (setup.gateway_grace_ms if is_gateway else setup.grace_ms)
        if not was_active:
            return
        life.ends_ms = life.grace_ends_ms
        self._parts.uplink.detached(now_ms)
        self.wait_for_client(message.outbox.owner)
        if member is not None and self._resume is None:
            member.listen(is_listening=False)
        self._parts.log.info("session detached", open=len(self._parts.uplink.open))

    def wait_for_client(self, owner: str = "") -> None:
        """Let it be found by its client, and count in its owner's share of those that wait."""
        profile, session_id = self._parts.profile, self._parts.session_id
        waiter = Waiter(
            owner,
            has_spoken=self._parts.uplink.has_spoken,
            is_resumable=self._resume is not None,
            is_gateway=profile.is_gateway,
            is_answered=self._downlink.has_delivered,
        )
        # gateways only name the session; who may come back to another one needs its token
        may_attach = profile.is_gateway and self._resume is None
        attachable_by = profile.credential if may_attach else None
        self._presence.detach(session_id, self._parts.ref, attachable_by, waiter)

    def on(self, message: SocketAttached | SocketDraining, now_ms: float) -> None:
        """Another socket speaks for the session, or its own goes away in order."""
        if isinstance(message, SocketAttached):
            self._attached(message)
        else:
            self._drain(message, now_ms)

    def _attached(self, message: SocketAttached) -> None:
        """A socket without a session of its own speaks for this one."""
        was_detached = self._life.phase is Phase.DETACHED
        if not self._life.take(Event.ATTACH):
            return
        self._downlink.connect(message.outbox)
        if was_detached:
            self._become_active()
            self._parts.log.info("session attached to another socket")

    def resumed(self, message: SocketResumed, now_ms: float) -> bool:
        """Speak with the client on this socket: the ack, what it has missed, then what comes.

        False: not now, or not any more.
        """
        resume, uplink = self._resume, self._parts.uplink
        if resume is None or resume.welcome.puts_off(message, now_ms):
            return False
        if not resume.resumption.meet():
            return False  # a later resume is on its way
        if not self._life.take(Event.RESUME):
            message.outbox.close(CloseCode.SESSION_TAKEN_OVER, "the session was resumed elsewhere")
            return False
        self._downlink.connect(message.outbox)
        if self._life.is_open:
            self._become_active()
            uplink.resumed(now_ms)
        resume.welcome.acknowledge(resumed=True)
        if self._reconnect_notice is not None:
            self._downlink.send(self._reconnect_notice)
        self._downlink.replay(message.last_delivery_seq, now_ms)
        self._parts.log.info("session resumed", open=len(uplink.open))
        return True

    def _become_active(self) -> None:
        self._presence.attach(self._parts.session_id, self._parts.profile.tenant_id)
        if self._parts.room.member is not None:
            self._parts.room.member.listen(is_listening=True)

    def notice_cut(self, now_ms: float) -> bool:
        """Count a socket that takes no more as lost: what its client says does not arrive."""
        outbox = self._downlink.outbox
        self._downlink.is_cut = False
        if self._resume is None or self.is_claimed or outbox is None:
            return False
        self.lost(SocketLost(outbox), now_ms)
        return True

    # ---- instances that go away -------------------------------------------------------------

    def send_away(self, after_ms: int, reason: str) -> None:
        """Tell the client, on whatever socket, to come back later."""
        self._reconnect_notice = Reconnect(after_ms=after_ms, reason=reason)
        self._downlink.send(self._reconnect_notice)

    def _drain(self, message: SocketDraining, now_ms: float) -> None:
        """Ask the client to come back on another socket; what it spoke is answered first."""
        if message.outbox is not self._downlink.outbox:
            return
        self._downlink.send(Reconnect(after_ms=message.reconnect_after_ms, reason=message.reason))
        if self._life.phase is Phase.ACTIVE:
            self.draining = message.outbox
            self._speech.dispatch(self._parts.uplink.flush(now_ms))
            self.let_go()

    def let_go(self) -> None:
        """Close a socket that drains, once nothing is open."""
        draining = self.draining
        if draining is not None and not len(self._parts.uplink.open):
            self.draining = None
            draining.close(CloseCode.GOING_AWAY, "the service restarts")
