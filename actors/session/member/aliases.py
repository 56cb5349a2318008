"""Aliases: under which names a member's client knows the others in its room. Pure.

The id of a session is its client's secret, so the others hear `p-` and 8 hexadecimal digits. They
follow from room and session, so that every member, on every instance, finds the same; in the rare
case that two members would be called alike, the one who came later is called otherwise.
"""

import hashlib

from actors.messages.room import RoomView
from protocol.ids import MemberAlias, SessionId

_DIGITS = 8


class Aliases:
    """The names that one member's client hears. Its own session has its own id."""

    __slots__ = ("_code", "_me", "_names", "_sessions")

    def __init__(self, me: SessionId) -> None:
        self._me = me
        self._code = ""
        self._names: dict[SessionId, MemberAlias] = {}
        self._sessions: dict[MemberAlias, SessionId] = {}

    def __repr__(self) -> str:
        return f"<Aliases of {len(self._names)}>"

    def seen(self, view: RoomView) -> None:
        """Name who is there, in the order in which they came; forget who left."""
        if view.code != self._code:
            self._forget(view.code)
        present = {seat.session_id for seat in view.seats}
        for gone in self._names.keys() - present:
            del self._sessions[self._names.pop(gone)]
        for seat in view.seats:
            if seat.session_id not in self._names:
                self._name(seat.session_id)

    def of(self, session_id: SessionId, code: str) -> SessionId:
        """Return what the client hears in the place of a session id, of a room of this code."""
        if session_id == self._me:
            return session_id
        known = self._names.get(session_id) if code == self._code else None
        return SessionId(known or alias_of(code, session_id))

    def session(self, alias: str) -> SessionId | None:
        """Return the member whom the client means; None if it knows none by that name."""
        return self._me if alias == self._me else self._sessions.get(MemberAlias(alias))

    def _name(self, session_id: SessionId) -> None:
        further = 0
        alias = alias_of(self._code, session_id)
        while alias in self._sessions:
            further += 1
            alias = alias_of(self._code, session_id, further)
        self._names[session_id] = alias
        self._sessions[alias] = session_id

    def _forget(self, code: str) -> None:
        self._code = code
        self._names.clear()
        self._sessions.clear()


def alias_of(code: str, session_id: SessionId, further: int = 0) -> MemberAlias:
    """Return the name of a session in a room: 32 bits of a hash, which leads to no id."""
    source = f"{code}:{session_id}:{further}" if further else f"{code}:{session_id}"
    digits = hashlib.blake2b(source.encode(), digest_size=_DIGITS // 2, person=b"room").hexdigest()
    return MemberAlias(f"p-{digits}")
