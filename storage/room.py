"""A room's members as the store keeps them: one `Seat` each, written by its own instance alone."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from protocol.ids import InstanceId, SessionId


@dataclass(frozen=True, slots=True)
class Seat:
    """One member of a room: where its session is and what it wants to hear."""

    session_id: SessionId
    instance_id: InstanceId
    """The instance that has the session."""
    language: str
    """What it wants to hear."""
    joined_at_ms: int
    """Unix ms by its instance's clock."""
    display_name: str | None = None
    preferred_lang: str | None = None
    """As it was asked for; None: the session's own source language stands."""
    raw_voice: Mapping[SessionId, bool] = field(default_factory=dict)
    """Speaker to whether this member wants its untranslated voice; absent: yes."""
    is_listening: bool = True
    """False while nobody could hear: no jobs are made for it."""
    wants_pcm16: bool = False
    """Speech comes as PCM16, not as the node sent it."""
    resumes: bool = False
    """Its session may go on at another instance, and tells what it has heard of others."""
    epoch: int = 0
    """Under which its instance claimed the session, if it came from another one: who has moved has
    another place, even where instances are named alike."""

    def text(self) -> str:
        """Return it as the store keeps it: `instance json`."""
        fields = {
            "language": self.language,
            "joined": self.joined_at_ms,
            "name": self.display_name,
            "preferred": self.preferred_lang,
            "raw": dict(self.raw_voice),
            "listens": self.is_listening,
            "pcm16": self.wants_pcm16,
            "resumes": self.resumes,
            "epoch": self.epoch,
        }
        return f"{self.instance_id} {json.dumps(fields, ensure_ascii=False, sort_keys=True)}"

    @classmethod
    def read(cls, session_id: SessionId, text: str) -> Self:
        """Read what `text` wrote."""
        instance, _, document = text.partition(" ")
        fields = json.loads(document)
        return cls(
            session_id,
            InstanceId(instance),
            language=fields["language"],
            joined_at_ms=fields["joined"],
            display_name=fields["name"],
            preferred_lang=fields["preferred"],
            raw_voice=fields["raw"],
            is_listening=fields["listens"],
            wants_pcm16=fields["pcm16"],
            resumes=fields.get("resumes", False),
            epoch=fields.get("epoch", 0),
        )
