"""Values that messages of both sockets carry: pipeline, features, mode, timings."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Self

from protocol.wire import WireModel


class SessionMode(StrEnum):
    """How a session's languages are meant."""

    ONE_WAY = "one_way"
    """From the source to the target language."""
    TWO_WAY_AUTO = "two_way_auto"
    """Two speakers: whichever of the pair is heard is translated into the other."""


class EndpointingMode(StrEnum):
    """Who ends utterances."""

    AUTO = "auto"
    """The server, as long as the client has ended none itself."""
    SERVER = "server"
    """The server; the client may, too."""
    CLIENT = "client"
    """The client alone."""


class Pipeline(WireModel):
    """The stages that a job runs through."""

    use_asr: bool
    use_nmt: bool
    use_tts: bool
    use_semantic: bool = False
    use_tone: bool = False
    use_phonetic: bool | None = None
    use_lexicon: bool | None = None


FULL_PIPELINE = Pipeline(use_asr=True, use_nmt=True, use_tts=True)
"""Recognise, translate, speak: what streamed audio gets."""


class Features(WireModel):
    """What a client asks for beyond translation, or a node offers."""

    emotion_detection: bool | None = None
    voice_style_detection: bool | None = None
    speech_rate_detection: bool | None = None
    speech_rate_control: bool | None = None
    speaker_identification: bool | None = None
    persona_adaptation: bool | None = None


NO_FEATURES = Features()
"""What most clients ask for: one for all of their sessions."""


class ServiceTimings(WireModel):
    """How long a node's stages took, in ms."""

    asr_ms: float | None = None
    nmt_ms: float | None = None
    tts_ms: float | None = None
    total_ms: float | None = None

    @classmethod
    def pick(cls, sent: Mapping[str, Any], total_ms: float | None) -> Self:
        """Take the numbers among what a node sent; anything else it put there is dropped."""
        total_ms = sensible_ms(total_ms)
        if not sent:
            return cls(total_ms=total_ms)
        found = {name: sensible_ms(sent.get(name)) for name in cls.model_fields}
        timings = {name: value for name, value in found.items() if value is not None}
        if total_ms is not None:
            timings.setdefault("total_ms", total_ms)
        return cls(**timings)


LONGEST_TIMING_MS = 60_000
"""What is said to have lasted longer was measured by clocks that do not agree."""


def sensible_ms(value: Any) -> float | None:
    """Return a duration in ms; None for what can be none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value <= LONGEST_TIMING_MS else None


class NetworkTimings(WireModel):
    """How long a job's messages travelled, in ms; a leg nobody could measure is absent."""

    web_to_scheduler_ms: float | None = None
    scheduler_to_node_ms: float | None = None
    node_to_scheduler_ms: float | None = None
    scheduler_to_web_ms: float | None = None


class ErrorDetail(WireModel):
    """What went wrong, inside another message."""

    code: str
    message: str = ""
