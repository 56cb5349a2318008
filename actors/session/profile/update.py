"""Wishes: what a session asks for, and how its client changes it in the middle. Pure."""

from dataclasses import replace
from typing import Any

from pydantic_core import to_json

from actors.session.profile.profile import SessionProfile, distinct_languages, known_values
from protocol.messages.session_inbound import SessionUpdate
from protocol.messages.session_outbound import SessionUpdated
from storage.capability import Abilities

_FIELDS = {
    "src_lang": "source",
    "tgt_lang": "target",
    "tgt_langs": "targets",
    "preferred_lang": "preferred_lang",
    "pipeline": "pipeline",
    "hints": "hints",
    "voice": "voice",
}
"""Of a message, and of a profile."""


def changed(profile: SessionProfile, update: SessionUpdate) -> SessionProfile:
    """Return what is asked for from now on; what the message does not say stays."""
    asked: dict[str, Any] = {
        name: getattr(update, field)
        for field, name in _FIELDS.items()
        if getattr(update, field) is not None
    }
    if "targets" in asked:
        asked["targets"] = distinct_languages(asked["targets"])
    if "voice" in asked:
        asked["voice"] = asked["voice"] or None
    return replace(profile, **asked)


def difference(first: SessionProfile, now: SessionProfile) -> str:
    """Return what has changed since the session began, as JSON; empty: nothing."""
    if now is first:
        return ""
    both = ((name, getattr(first, name), getattr(now, name)) for name in _FIELDS.values())
    other = {name: value for name, before, value in both if value != before}
    return to_json(other).decode() if other else ""


def restored(first: SessionProfile, text: str) -> SessionProfile:
    """Return what `difference` was written for."""
    return replace(first, **known_values(SessionProfile, text)) if text else first


def answer(profile: SessionProfile, abilities: Abilities) -> SessionUpdated:
    """Return all values in force, and what nobody does of them."""
    return SessionUpdated(
        session_id=profile.session_id,
        src_lang=profile.source,
        tgt_lang=profile.target,
        tgt_langs=profile.targets,
        preferred_lang=profile.preferred_lang,
        pipeline=profile.pipeline,
        hints=profile.hints,
        voice=profile.voice,
        unserved=profile.unserved(abilities),
    )
