"""Request: what is asked of the nodes for one utterance, and in which languages. Pure."""

from collections.abc import Sequence
from dataclasses import replace

from pydantic_core import to_json

from actors.room.audience import Track
from actors.session.profile.profile import SessionProfile, known_values
from protocol.ids import TraceId
from protocol.messages.session_inbound import Utterance
from protocol.messages.shared import Features, Pipeline
from protocol.value import value


@value
class Request:
    """One utterance of the session, as it is asked of the nodes."""

    source: str
    target: str
    pipeline: Pipeline
    dialect: str | None
    features: Features | None
    trace_id: TraceId
    mode: str | None
    lang_a: str | None
    lang_b: str | None
    auto_langs: tuple[str, ...] | None
    targets: tuple[str, ...] = ()
    """In place of `target`, where the speaker alone hears it; empty: that one."""
    hints: tuple[str, ...] = ()
    voice: str | None = None
    traceparent: str | None = None

    def text(self) -> str:
        """Return it as JSON, for the store."""
        return to_json(self).decode()

    @classmethod
    def restored(cls, text: str) -> "Request":
        """Read what `text` wrote."""
        return cls(**known_values(cls, text))


def asked_by(profile: SessionProfile, message: Utterance | None) -> Request:
    """Return what is asked: the session's wishes, or those of an utterance message.

    A message has to name a target; one that names a target of the session's asks for all of them.
    """
    asked = Request(
        profile.source,
        profile.target,
        profile.pipeline,
        profile.dialect,
        profile.features,
        profile.trace_id,
        profile.mode,
        profile.lang_a,
        profile.lang_b,
        profile.auto_langs,
        profile.targets,
        profile.hints,
        profile.voice,
        profile.traceparent,
    )
    if message is None:
        return asked
    is_of_session = message.tgt_lang in (profile.target, *profile.targets)
    return replace(
        asked,
        source=message.src_lang,
        target=message.tgt_lang,
        targets=profile.targets if is_of_session else (),
        pipeline=message.pipeline or profile.pipeline,
        dialect=message.dialect or profile.dialect,
        features=message.features or profile.features,
        trace_id=TraceId(message.trace_id) if message.trace_id else profile.trace_id,
        mode=message.mode or profile.mode,
        lang_a=message.lang_a or profile.lang_a,
        lang_b=message.lang_b or profile.lang_b,
        auto_langs=message.auto_langs or profile.auto_langs,
    )


def own_tracks(languages: Sequence[str]) -> list[Track]:
    """Return the languages in which a speaker hears itself; nodes know the first by no suffix."""
    return [
        Track(language, for_speaker=True, further_language=language if at else None)
        for at, language in enumerate(languages)
    ]


def in_language(request: Request, track: Track) -> Request:
    """Return the request for one of several languages.

    A pair of languages has no place in it: nodes would choose the direction by what they hear.
    """
    if track.for_speaker and track.language == request.target and not request.targets:
        return request
    pipeline = request.pipeline
    if not track.translates:
        pipeline = pipeline.model_copy(update={"use_nmt": False, "use_tts": False})
    return replace(
        request,
        target=track.language,
        targets=(),
        pipeline=pipeline,
        mode=None if request.lang_a else request.mode,
        lang_a=None,
        lang_b=None,
    )
