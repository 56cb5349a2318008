"""What a session asked for when it began, and what follows from it for its jobs. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

from pydantic_core import from_json, to_json

from protocol.audio.framing import AudioFormat, DeclaredFormat
from protocol.ids import SessionId, SessionRef, TraceId, session_ref
from protocol.languages import parse
from protocol.messages.session_inbound import SessionInit
from protocol.messages.session_outbound import SessionInitAck, Unserved
from protocol.messages.shared import FULL_PIPELINE, NO_FEATURES, EndpointingMode, Features, Pipeline
from storage.capability import Abilities, is_auto, requirement, with_format

ANONYMOUS = ""
"""Stands for the tenant of a client that showed no credential."""
_ANONYMOUS_TENANT = "default"
GATEWAY_PLATFORM = "api-gateway"
_BROWSER = "web"
_AUTO = "auto"
_STEREO = 2
_STOCK_PAGE = "web-client-v1.0"
"""It ends its utterances itself, 3.25 s after the last word."""


def tenant_of(init: SessionInit, proven: str | None, *, needs_proof: bool = False) -> str:
    """Return whose a session is: a credential's tenant, else the client's own word.

    `needs_proof`: where clients can show a credential, the word alone counts for nothing. Whoever
    shows none would take the share, the slots and the sessions of a tenant that has one.
    """
    claimed = None if needs_proof else init.tenant_id
    return proven or claimed or _ANONYMOUS_TENANT


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
    """What the client has declared of its audio and nobody can read without the extra `media`."""
    encoding: str | None = None
    """What its samples are, where that is not PCM16: a name of `DeclaredFormat`."""
    channels: int = 1
    """Of samples without a container."""
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
    targets: tuple[str, ...] = ()
    """Outside of rooms: translated into each of these, in place of `target`; empty: into that."""
    preferred_lang: str | None = None
    """What it asked to hear in rooms, after it began."""
    hints: tuple[str, ...] = ()
    voice: str | None = None
    traceparent: str | None = None
    tts_format: AudioFormat | None = None
    """How it asked for speech, wherever it comes from; None: it did not."""

    @property
    def room_language(self) -> str:
        """What it hears in a room unless it asks for another language: its own."""
        own = self.source if self.source != _AUTO else self.lang_a or self.target
        return self.preferred_lang or own

    @property
    def is_browser(self) -> bool:
        """Whether it is a page.

        The existing one shows each index once in its life, and plays PCM16 alone in rooms.
        """
        return self.platform == _BROWSER

    @property
    def is_gateway(self) -> bool:
        """Whether it is the public API's gateway.

        Its utterances are whole, however short and whatever their `manual_cut` says; and it waits
        for a `translation_result` without a limit, whatever else it hears.
        """
        return self.platform == GATEWAY_PLATFORM

    @property
    def session_ref(self) -> SessionRef:
        """What everybody but the client calls the session: its id is the client's secret."""
        return session_ref(self.session_id)

    @classmethod
    def of(
        cls,
        init: SessionInit,
        session_id: SessionId,
        trace_id: TraceId,
        proven: str | None,
        *,
        needs_proof: bool = False,
    ) -> "SessionProfile":
        """Return the profile of a `session_init`; `proven`: the tenant of its credential."""
        return cls(
            session_id=session_id,
            trace_id=TraceId(init.trace_id) if init.trace_id else trace_id,
            tenant_id=tenant_of(init, proven, needs_proof=needs_proof),
            platform=init.platform,
            source=init.src_lang,
            target=init.tgt_lang,
            dialect=init.dialect,
            features=NO_FEATURES if init.features == NO_FEATURES else init.features,
            mode=init.mode,
            lang_a=init.lang_a,
            lang_b=init.lang_b,
            auto_langs=tuple(init.auto_langs) if init.auto_langs else None,
            audio_format=init.audio_format.as_sent if init.audio_format else None,
            unsupported=_unsupported(init),
            encoding=_encoding(init),
            channels=init.channels or 1,
            sample_rate_hz=init.sample_rate or _usual_rate(init),
            endpointing=_endpointing(init),
            use_binary_frame=bool(init.use_binary_frame),
            credential=proven or ANONYMOUS,
            is_resumable=init.resume is True,
            wants_pcm16=_wants_pcm16(init),
            targets=distinct_languages(init.tgt_langs or ()),
            pipeline=_pipeline(init),
            hints=init.hints or (),
            voice=init.voice,
            traceparent=init.traceparent,
            tts_format=init.tts_format or init.room_tts_format,
        )

    def text(self) -> str:
        """Return it as JSON, for the store."""
        return to_json(self).decode()

    @classmethod
    def restored(cls, text: str) -> "SessionProfile":
        """Read what `text` wrote; what a later version added is passed over."""
        values = known_values(cls, text)
        if values.get("audio_format") is not None:
            values["audio_format"] = AudioFormat(values["audio_format"])
        if values.get("endpointing") is not None:
            values["endpointing"] = EndpointingMode(values["endpointing"])
        if values.get("tts_format") is not None:
            values["tts_format"] = AudioFormat(values["tts_format"])
        return cls(**values)

    def acknowledgement(self, abilities: Abilities) -> SessionInitAck:
        """Return the answer to `session_init`; it says at once what nobody would do."""
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
            unserved=self.unserved(abilities) or None,
        )

    def unserved(self, abilities: Abilities) -> tuple[Unserved, ...]:
        """Return what no node does of what is asked for."""
        use_nmt, use_tts = self.pipeline.use_nmt, self.pipeline.use_tts
        found: list[Unserved] = []
        for src, tgt in self._directions():
            what = abilities.lacking(src, tgt, use_nmt=use_nmt, use_tts=use_tts)
            lacks = None if what == "translation" else self._unread_format(src, tgt, abilities)
            if lacks is not None:
                what = "translation"
            if what is not None:
                found.append(Unserved(src_lang=src, tgt_lang=tgt, what=what, audio_format=lacks))
        both_ways = self._needs_both_ways()
        if not found and both_ways and not abilities.serve(both_ways):
            found = [
                Unserved(src_lang=src, tgt_lang=tgt, what="translation")
                for src, tgt in self._directions()
            ]
        return tuple(found)

    def _unread_format(self, src: str, tgt: str, abilities: Abilities) -> str | None:
        """Return the format of its audio, where it is known and no node of the pair reads it."""
        if self.audio_format is None:
            return None
        needed = requirement(src, tgt, use_nmt=self.pipeline.use_nmt)
        return abilities.lacks_format(with_format(needed, self.audio_format))

    def _directions(self) -> list[tuple[str, str]]:
        pair = self._pair()
        if pair is not None:
            return [pair, pair[::-1]]
        return [(self.source, target) for target in self.targets or (self.target,)]

    def _pair(self) -> tuple[str, str] | None:
        """Return the two languages between which a node chooses by what it hears."""
        if not is_auto(self.source) or self.targets or not self.lang_a or not self.lang_b:
            return None
        return self.lang_a, self.lang_b

    def _needs_both_ways(self) -> str | None:
        """Return what one node must do, which several may do between them."""
        pair, use_nmt = self._pair(), self.pipeline.use_nmt
        return None if pair is None else requirement(self.source, "", *pair, use_nmt=use_nmt)


def distinct_languages(tags: Iterable[str]) -> tuple[str, ...]:
    """Return the languages as they are written first, each once."""
    found: dict[str, str] = {}
    for tag in tags:
        found.setdefault(parse(tag).text, tag)
    return tuple(found.values())


def _encoding(init: SessionInit) -> str | None:
    declared = init.audio_format
    return declared.value if declared is not None and declared.is_raw else None


def _usual_rate(init: SessionInit) -> int:
    """Return the rate of who declares none: telephone lines have half of what all others have."""
    is_telephone = init.audio_format in {DeclaredFormat.MULAW, DeclaredFormat.ALAW}
    return 8_000 if is_telephone else 16_000


def _pipeline(init: SessionInit) -> Pipeline:
    """Return what is asked for; the usual one is one for all sessions."""
    is_usual = init.pipeline is None or init.pipeline == FULL_PIPELINE
    return FULL_PIPELINE if is_usual or init.pipeline is None else init.pipeline


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
    knows_ends = init.platform == GATEWAY_PLATFORM or init.client_version == _STOCK_PAGE
    return EndpointingMode.CLIENT if mode is EndpointingMode.AUTO and knows_ends else mode


def _wants_pcm16(init: SessionInit) -> bool:
    """Return what the client says, else what it is known to do: browsers take all for PCM16."""
    asked = init.tts_format or init.room_tts_format
    return init.platform == _BROWSER if asked is None else asked is AudioFormat.PCM16


def known_values(kind: type[Any], text: str) -> dict[str, Any]:
    """Return the fields that both the class and the text have, as values."""
    data = from_json(text)
    values = {each.name: data[each.name] for each in fields(kind) if each.name in data}
    for name, model in (("features", Features), ("pipeline", Pipeline)):
        if values.get(name) is not None:
            values[name] = model.model_validate(values[name])
    for name in ("auto_langs", "targets", "hints"):
        if values.get(name) is not None:
            values[name] = tuple(values[name])
    return values
