"""What a session asked for when it began, and what follows from it for its jobs. Pure."""

from dataclasses import dataclass, fields, replace
from typing import Any

from pydantic_core import from_json, to_json

from actors.room.audience import Track
from protocol.audio.framing import AudioFormat
from protocol.ids import SessionId, SessionRef, TraceId, session_ref
from protocol.messages.session_inbound import SessionInit, Utterance
from protocol.messages.session_outbound import SessionInitAck, Unserved
from protocol.messages.shared import FULL_PIPELINE, EndpointingMode, Features, Pipeline
from protocol.value import value
from storage.capability import Abilities

ANONYMOUS = ""
"""Stands for the tenant of a client that showed no credential."""
_ANONYMOUS_TENANT = "default"
_GATEWAY = "api-gateway"
_BROWSER = "web"
_AUTO = "auto"
_STEREO = 2
_STOCK_PAGE = "web-client-v1.0"
"""It ends its utterances itself, 3.25 s after the last word."""


@dataclass(frozen=True, slots=True)
class SessionProfile:
    """Who speaks, in which languages, and what of it the client wants."""

    session_id: SessionId
    trace_id: TraceId
    tenant_id: str
    platform: str
    source: str
    target: str
    dialect: str | None = None
    features: Features | None = None
    mode: str | None = None
    lang_a: str | None = None
    lang_b: str | None = None
    auto_langs: tuple[str, ...] | None = None
    pipeline: Pipeline = FULL_PIPELINE
    audio_format: AudioFormat | None = None
    """None: told apart by framing."""
    unsupported: str | None = None
    """What the client has declared of its audio and nobody here can read."""
    sample_rate_hz: int = 16_000
    endpointing: EndpointingMode = EndpointingMode.CLIENT
    """Who ends utterances."""
    use_binary_frame: bool = False
    credential: str = ANONYMOUS
    """Tenant of the client's credential; a client's own word for its tenant does not count."""
    is_resumable: bool = False
    """The client asked for `resume`."""
    wants_pcm16: bool = False
    """In a room its client plays speech as PCM16 only."""

    @property
    def room_language(self) -> str:
        """What it hears in a room unless it asks for another language: its own."""
        return self.source if self.source != _AUTO else self.lang_a or self.target

    @property
    def is_gateway(self) -> bool:
        """Whether it is the public API's gateway.

        Its utterances are whole, however short and whatever their `manual_cut` says; and it waits
        for a `translation_result` without a limit, whatever else it hears.
        """
        return self.platform == _GATEWAY

    @property
    def session_ref(self) -> SessionRef:
        """What everybody but the client calls the session: its id is the client's secret."""
        return session_ref(self.session_id)

    @classmethod
    def of(
        cls, init: SessionInit, session_id: SessionId, trace_id: TraceId, tenant_id: str | None
    ) -> "SessionProfile":
        """Return the profile of a `session_init`; a credential's tenant overrides its own."""
        return cls(
            session_id=session_id,
            trace_id=TraceId(init.trace_id) if init.trace_id else trace_id,
            tenant_id=tenant_id or init.tenant_id or _ANONYMOUS_TENANT,
            platform=init.platform,
            source=init.src_lang,
            target=init.tgt_lang,
            dialect=init.dialect,
            features=init.features,
            mode=init.mode,
            lang_a=init.lang_a,
            lang_b=init.lang_b,
            auto_langs=tuple(init.auto_langs) if init.auto_langs else None,
            audio_format=init.audio_format.as_sent if init.audio_format else None,
            unsupported=_unsupported(init),
            sample_rate_hz=init.sample_rate or 16_000,
            endpointing=_endpointing(init),
            use_binary_frame=bool(init.use_binary_frame),
            credential=tenant_id or ANONYMOUS,
            is_resumable=init.resume is True,
            wants_pcm16=_wants_pcm16(init),
        )

    def text(self) -> str:
        """Return it as JSON, for the store."""
        return to_json(self).decode()

    @classmethod
    def restored(cls, text: str) -> "SessionProfile":
        """Read what `text` wrote; what a later version added is passed over."""
        values = _known(cls, text)
        if values.get("audio_format") is not None:
            values["audio_format"] = AudioFormat(values["audio_format"])
        if values.get("endpointing") is not None:
            values["endpointing"] = EndpointingMode(values["endpointing"])
        return cls(**values)

    def acknowledgement(self, abilities: Abilities) -> SessionInitAck:
        """Return the answer to `session_init`; it says at once what nobody would do."""
        lacking = abilities.lacking(self.source, self.target, self.lang_a, self.lang_b)
        codec = AudioFormat.PCM16 if self.audio_format is AudioFormat.PCM16 else AudioFormat.OPUS
        return SessionInitAck(
            session_id=self.session_id,
            session_ref=self.session_ref,
            trace_id=self.trace_id,
            use_binary_frame=self.use_binary_frame,
            negotiated_codec=codec,
            negotiated_audio_format=codec,
            negotiated_sample_rate=self.sample_rate_hz,
            endpointing=self.endpointing,
            unserved=(
                (Unserved(src_lang=self.source, tgt_lang=self.target, what=lacking),)
                if lacking
                else None
            ),
        )


def _unsupported(init: SessionInit) -> str | None:
    """Return what the client declares that would come to a recogniser as noise."""
    declared = init.audio_format
    if declared is not None and declared.is_raw:
        return declared.value
    if init.channels == _STEREO and (declared is None or declared.as_sent is AudioFormat.PCM16):
        return "PCM16 of two channels"
    return None


def _endpointing(init: SessionInit) -> EndpointingMode:
    """Return what applies: `auto` is of no use to those who are known to end utterances."""
    mode = init.endpointing or EndpointingMode.AUTO
    knows_ends = init.platform == _GATEWAY or init.client_version == _STOCK_PAGE
    return EndpointingMode.CLIENT if mode is EndpointingMode.AUTO and knows_ends else mode


def _wants_pcm16(init: SessionInit) -> bool:
    """Return what the client says, else what it is known to do: browsers take all for PCM16."""
    if init.room_tts_format is None:
        return init.platform == _BROWSER
    return init.room_tts_format is AudioFormat.PCM16


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

    def text(self) -> str:
        """Return it as JSON, for the store."""
        return to_json(self).decode()

    @classmethod
    def restored(cls, text: str) -> "Request":
        """Read what `text` wrote."""
        return cls(**_known(cls, text))


def _known(kind: type[SessionProfile | Request], text: str) -> dict[str, Any]:
    """Return the fields that both have, as values."""
    data = from_json(text)
    values = {each.name: data[each.name] for each in fields(kind) if each.name in data}
    for name, model in (("features", Features), ("pipeline", Pipeline)):
        if values.get(name) is not None:
            values[name] = model.model_validate(values[name])
    if values.get("auto_langs") is not None:
        values["auto_langs"] = tuple(values["auto_langs"])
    return values


def asked_by(profile: SessionProfile, message: Utterance | None) -> Request:
    """Return what is asked: the session's wishes, or those of an utterance message."""
    if message is None:
        return Request(
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
        )
    return Request(
        source=message.src_lang,
        target=message.tgt_lang,
        pipeline=message.pipeline or profile.pipeline,
        dialect=message.dialect or profile.dialect,
        features=message.features or profile.features,
        trace_id=TraceId(message.trace_id) if message.trace_id else profile.trace_id,
        mode=message.mode or profile.mode,
        lang_a=message.lang_a or profile.lang_a,
        lang_b=message.lang_b or profile.lang_b,
        auto_langs=message.auto_langs or profile.auto_langs,
    )


def in_language(request: Request, track: Track) -> Request:
    """Return the request for one of several languages.

    A pair of languages has no place in it: nodes would choose the direction by what they hear.
    """
    if track.for_speaker and track.language == request.target:
        return request
    pipeline = request.pipeline
    if not track.translates:
        pipeline = pipeline.model_copy(update={"use_nmt": False, "use_tts": False})
    return replace(
        request,
        target=track.language,
        pipeline=pipeline,
        mode=None if request.lang_a else request.mode,
        lang_a=None,
        lang_b=None,
    )
