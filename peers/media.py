"""Recordings of every kind as PCM16 16 kHz mono: files, and what comes through a pipe.

Owns the client's use of PyAV's containers; WAV goes without. Blocks: callers on a loop use a
thread. Knows no socket.
"""

import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final

from peers.engines import opus
from peers.pcm import RATE_HZ
from peers.wav import WavError, read_wav
from protocol.audio.containers import Container, Undecided, recognise

_HEAD_BYTES: Final = 4_096
_NEEDS_PYAV: Final = (
    "needs PyAV (pip install av); a WAV of PCM, or raw PCM16 16 kHz mono, goes without"
)


class MediaError(Exception):
    """This recording cannot be read; the text says why, in one line."""


def read_audio(path: Path) -> bytes:
    """Return a file as PCM16, 16 kHz, mono, whatever it is.

    Raises:
        MediaError: missing, unreadable, or without audio.
    """
    if not path.exists():
        raise MediaError(f"{path}: no such file")
    try:
        return read_wav(path)
    except WavError as error:
        if not opus.is_installed():
            text = str(error) if path.suffix.lower() == ".wav" else f"{path}: {_NEEDS_PYAV}"
            raise MediaError(text) from None
    try:
        with path.open("rb") as file:
            pcm = b"".join(_decoded(file))
    except (MediaError, OSError) as error:
        raise MediaError(f"{path}: {getattr(error, 'strerror', None) or error}") from None
    return pcm


def piped(pipe: BinaryIO, size: int) -> Iterator[bytes]:
    """Yield what comes through a pipe in pieces of this many bytes of PCM16 16 kHz mono.

    A container is recognised by its first bytes; anything else is taken for such PCM.

    Raises:
        MediaError: it begins as a container, and cannot be read.
    """
    head = b""
    while recognise(head) is Undecided.MORE and len(head) < _HEAD_BYTES:
        more = pipe.read(64)
        if not more:
            break
        head += more
    found = recognise(head)
    source = _Joined(head, pipe)
    if not isinstance(found, Container):
        yield from _pieces(iter(lambda: source.read(size), b""), size)
        return
    if not opus.is_installed():
        raise MediaError(f"{found.value} {_NEEDS_PYAV}")
    is_whole = found is Container.MP4  # its index may be at its end
    yield from _pieces(_decoded(io.BytesIO(_all_of(source)) if is_whole else source), size)


class _Joined:
    """A file that begins with bytes that were read already, and cannot be sought."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        self._head, self._rest = io.BytesIO(head), rest

    def read(self, size: int = -1) -> bytes:
        return self._head.read(size) or self._rest.read(size)


def _all_of(source: _Joined) -> bytes:
    return b"".join(iter(lambda: source.read(1 << 16), b""))


def _pieces(parts: Iterable[bytes], size: int) -> Iterator[bytes]:
    waiting = bytearray()
    for part in parts:
        waiting += part
        while len(waiting) >= size:
            yield bytes(waiting[:size])
            del waiting[:size]
    if waiting:
        yield bytes(waiting)


def _decoded(source: Any) -> Iterator[bytes]:
    """Yield a container's first audio stream; damage in the middle is passed over."""
    import av  # noqa: PLC0415 - an extra

    has_any = False
    try:
        with av.open(source, metadata_errors="ignore") as container:
            if not container.streams.audio:
                raise MediaError("no audio in it")
            resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE_HZ)
            for packet in container.demux(container.streams.audio[0]):
                try:
                    frames = packet.decode()
                except av.error.FFmpegError:
                    continue
                for frame in frames:
                    frame.pts, has_any = None, True
                    yield from _samples(resampler.resample(frame))
            if has_any:
                yield from _samples(resampler.resample(None))
    except (av.error.FFmpegError, ValueError) as error:
        if not has_any:
            raise MediaError(f"not audio ({getattr(error, 'strerror', None) or error})") from None
    if not has_any:
        raise MediaError("no audio in it")


def _samples(frames: list[Any]) -> Iterator[bytes]:
    for frame in frames:
        yield bytes(frame.planes[0])[: frame.samples * 2]
