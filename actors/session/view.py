"""SessionView: one session as operators see it. Reads its parts, changes nothing."""

from actors.messages.operator import SessionRow
from actors.session.parts import Parts
from protocol.ids import SessionId


class PartsView:
    """Implements `SessionView`. Life: from its session's beginning to its end on this instance."""

    __slots__ = ("_opened_at_ms", "_parts")

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._opened_at_ms = parts.setup.wall_ms()

    def __repr__(self) -> str:
        return f"<PartsView {self._parts.profile.session_ref}>"

    @property
    def session_id(self) -> SessionId:
        """Its id: a secret of its client."""
        return self._parts.session_id

    def row(self) -> SessionRow:
        """Return what may be shown of it, as it is now."""
        parts, profile = self._parts, self._parts.profile
        return SessionRow(
            session_ref=profile.session_ref,
            instance_id=parts.setup.directory.instance_id,
            tenant_id=profile.tenant_id,
            platform=profile.platform,
            src_lang=profile.source,
            tgt_lang=profile.target,
            state=parts.life.phase.name.lower(),
            is_resumable=profile.is_resumable,
            in_room=parts.room.member is not None and parts.room.member.is_seated,
            open_utterances=len(parts.uplink.open),
            opened_at_ms=self._opened_at_ms,
        )
