"""Three seconds of speech in the files that people have, made by PyAV."""

import io
from functools import cache
from pathlib import Path
from typing import Any

_SPEECH = Path(__file__).parents[2] / "peers" / "data" / "speech" / "librivox-0880.wav"
_SECONDS = 3
_CODECS: dict[str, tuple[str, str, int, str, dict[str, str]]] = {
    "voice-memo.m4a": ("mp4", "aac", 44_100, "mono", {}),
    "song.mp3": ("mp3", "libmp3lame", 44_100, "stereo", {}),
    "disc.flac": ("flac", "flac", 48_000, "stereo", {}),
    "disc.ogg": ("ogg", "flac", 44_100, "mono", {}),
    "radio.aac": ("adts", "aac", 48_000, "mono", {}),
    "phone.webm": ("webm", "libopus", 48_000, "mono", {}),
}
"""Name → container, codec, Hertz, channels, options of the container."""


def _av() -> Any:
    import av  # noqa: PLC0415 - an extra

    return av


@cache
def encoded(name: str) -> bytes:
    """Return the speech as this file; `hour.flac` is an hour of silence."""
    av = _av()
    if name == "hour.flac":
        return _silent_flac(av)
    container, codec, rate_hz, layout, options = _CODECS[name]
    out = io.BytesIO()
    with (
        av.open(str(_SPEECH)) as source,
        av.open(out, "w", format=container, options=options) as target,
    ):
        stream = target.add_stream(codec, rate=rate_hz)
        stream.layout = layout
        context = stream.codec_context
        resampler = av.AudioResampler(context.format, layout, rate_hz, context.frame_size or 1024)
        for frame in [*source.decode(audio=0), None]:
            for ready in resampler.resample(frame):
                target.mux(stream.encode(ready))
        target.mux(stream.encode(None))
    return out.getvalue()


def _silent_flac(av: Any) -> bytes:
    out = io.BytesIO()
    with av.open(out, "w", format="flac") as target:
        stream = target.add_stream("flac", rate=48_000)
        stream.layout = "mono"
        frame = av.AudioFrame(format="s16", layout="mono", samples=4608)
        frame.sample_rate = 48_000
        frame.planes[0].update(bytes(9216))
        for number in range(3600 * 48_000 // 4608):
            frame.pts = number * 4608
            target.mux(stream.encode(frame))
        target.mux(stream.encode(None))
    return out.getvalue()


def mulaw(pcm: bytes) -> bytes:
    """Return PCM16 as mu-law."""
    av = _av()
    encoder = av.CodecContext.create("pcm_mulaw", "w")
    encoder.sample_rate, encoder.layout, encoder.format = 8_000, "mono", "s16"
    frame = av.AudioFrame(format="s16", layout="mono", samples=len(pcm) // 2)
    frame.sample_rate = 8_000
    frame.planes[0].update(pcm)
    return b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)])
