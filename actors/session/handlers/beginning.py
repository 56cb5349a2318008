"""How a session begins: in the store, or here where another instance has stopped."""

from actors.messages.session import SessionOpened
from actors.session.handlers.connection import Connection
from actors.session.life import Event
from actors.session.parts import Parts
from actors.session.record.moved import TakenOverSession
from actors.session.resume.downlink import DownlinkRestore
from actors.session.resume.parts import ResumeParts
from actors.session.resume.takeover import go_on
from actors.session.speech import Speech


def open_in_store(parts: Parts, resume: ResumeParts | None) -> None:
    """Have the store know of it."""
    profile = parts.profile
    claim = None if resume is None else resume.notes.claim()
    parts.dispatcher.tell(SessionOpened(parts.ref, profile.session_id, profile.tenant_id, claim))


def go_on_here(
    parts: Parts,
    resume: ResumeParts | None,
    speaking: tuple[Speech, Connection],
    moved: TakenOverSession,
    now_ms: float,
) -> None:
    """It comes from another instance, and its client is on the way: as if it were detached.

    Raises:
        ValueError: it is none that can be resumed, which is a bug of the caller.
    """
    life, gate = parts.life, parts.downlink.gate
    if resume is None or resume.again is None or gate is None:
        raise ValueError("a session was taken over that cannot be resumed")
    speech, connection = speaking
    life.acknowledge = moved.saved.acknowledge
    life.take(Event.CLOSE if moved.saved.closing else Event.LOSE_SOCKET)
    life.grace_ends_ms = now_ms + parts.setup.grace_ms
    go_on(parts, resume.again, DownlinkRestore(parts.downlink, gate, moved), moved, now_ms)
    speech.send_filled()
    if life.is_closing:
        life.lingers = life.acknowledge
        life.ends_ms = now_ms + parts.setup.close_flush_ms
    else:
        life.ends_ms = life.grace_ends_ms
        parts.uplink.has_spoken = True
        connection.wait_for_client()
    parts.log.info("session goes on here", open=len(parts.uplink.open))
