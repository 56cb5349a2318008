"""The process in which the audio of one session becomes PCM16 16 kHz mono.

Run as a script (`python -I worker.py CPU_SHARE MEMORY_BYTES`) by `process.py`; it reads what
strangers have made, so it has no environment, writes no files, opens none, and has limits of its
own: memory, a share of one core, CPU for one piece. It ends when its input or its parent does.

In: frames of `<BI` (kind, length) and content. BEGIN says in JSON what a stream is: `container`, or
`encoding` with `rate_hz` and `channels`. FEED is a piece of it, LAST the last one. Out: for each
FEED or LAST any number of MORE (PCM), then DONE with the rest of the PCM that is known by now, or
FAILED with a text, after which the stream comes to nothing. The input is read only as far as the
decoder wants it, so who does not read the output stops the work.

It must not import anything of this project.
"""

import ctypes
import io
import json
import os
import resource
import signal
import struct
import sys
import time
from collections.abc import Iterator
from typing import Any, BinaryIO, Final, NoReturn

BEGIN, FEED, LAST = 0, 1, 2
MORE, DONE, FAILED = 0, 1, 2
HEAD: Final = struct.Struct("<BI")
RATE_HZ: Final = 16_000
PIECE_BYTES: Final = 6_400
"""200 ms of output."""

_NICE: Final = 10
_BURST_S: Final = 2.0
"""CPU that a session may use at once beyond its share."""
_PIECE_CPU_S: Final = 8
"""CPU for one piece of input; beyond it the kernel ends the process."""
_LONGEST_SLEEP_S: Final = 0.5
_MOST_WHOLE_BYTES: Final = 64 << 20
"""An MP4 whose index is at its end is kept up to here."""
_MOST_HEAD_BYTES: Final = 1 << 20
_BOX_BYTES: Final = 8
_LARGE_BOX_BYTES: Final = 16
_LOWEST_HZ, _HIGHEST_HZ = 4_000, 384_000
_MOST_CHANNELS: Final = 16
_PR_SET_PDEATHSIG: Final = 1
_AVIO_BYTES: Final = 4_096
_PROBING: Final = {"analyzeduration": "100000", "probesize": "4096"}
"""Short: a live stream must not wait for seconds of itself."""
_DEMUXERS: Final = {"webm": "matroska", "ogg": "ogg", "mp4": "mp4", "mp3": "mp3"}
_DEMUXERS.update({"flac": "flac", "aac": "aac", "wav": "wav"})
_SAMPLE_BYTES: Final = {
    "mulaw": 1, "alaw": 1, "u8": 1, "s16le": 2, "s24le": 3, "s32le": 4, "f32le": 4, "f64le": 8,
}  # fmt: skip


class UnreadableError(Exception):
    """It cannot be read; the text says why."""


class Feeder:
    """The input of one stream as a file that cannot be sought, and the way out for its PCM."""

    def __init__(self, source: BinaryIO, sink: BinaryIO, cpu: "CpuShare") -> None:
        self._source, self._sink, self._cpu = source, sink, cpu
        self._piece = memoryview(b"")
        self._is_open = False
        """A piece is not answered yet."""
        self._is_last = False
        self._pcm = bytearray()

    def read(self, size: int = -1) -> bytes:
        """Return some bytes as soon as there are any; none at the end of the stream."""
        while not self._piece:
            if self._is_last:
                return b""
            self._answer(DONE)
            kind, content = self._next()
            self._piece, self._is_open, self._is_last = memoryview(content), True, kind == LAST
            self._cpu.next_piece()
        size = len(self._piece) if size < 0 else size
        some, self._piece = self._piece[:size], self._piece[size:]
        return bytes(some)

    def emit(self, pcm: bytes) -> None:
        """Send PCM; less than a piece of it waits for more."""
        self._pcm += pcm
        while len(self._pcm) > PIECE_BYTES:
            self._write(MORE, bytes(self._pcm[:PIECE_BYTES]))
            del self._pcm[:PIECE_BYTES]
        self._cpu.settle()

    def end(self, failure: str | None) -> None:
        """Answer all that is left of the stream."""
        if failure is not None:
            self._pcm.clear()
            if not self._is_open:
                self.read(0)
            self._write(FAILED, failure.encode()[:400])
            self._is_open = False
        while not self._is_last:
            self._piece = memoryview(b"")
            self.read(0)
        self._answer(DONE)

    def _answer(self, kind: int) -> None:
        if self._is_open:
            self._write(kind, bytes(self._pcm))
            self._pcm.clear()
            self._is_open = False

    def _next(self) -> tuple[int, bytes]:
        frame = read_frame(self._source)
        if frame is None or frame[0] == BEGIN:
            os._exit(0)
        return frame

    def _write(self, kind: int, content: bytes) -> None:
        self._sink.write(HEAD.pack(kind, len(content)) + content)
        self._sink.flush()


class CpuShare:
    """How much of a core this process may use, over its life; it sleeps until it has earned it."""

    def __init__(self, share: float) -> None:
        self._share = share
        self._began_s = time.monotonic() - time.process_time() / share

    def settle(self) -> None:
        """Sleep while more was used than may be."""
        while True:
            earned_s = _BURST_S + self._share * (time.monotonic() - self._began_s)
            owed_s = time.process_time() - earned_s
            if owed_s <= 0:
                return
            time.sleep(min(_LONGEST_SLEEP_S, owed_s / self._share))

    def next_piece(self) -> None:
        """Let the kernel end what one piece keeps busy for too long."""
        self.settle()
        limit = int(time.process_time()) + 1 + _PIECE_CPU_S
        resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.RLIM_INFINITY))


class _Boxes:
    """An MP4 as it comes; the head of a box is never cut, since the demuxer steps back over it."""

    def __init__(self, head: bytes, rest: Feeder) -> None:
        self._head, self._rest = io.BytesIO(head), rest
        self._ready = b""
        self._left = 0
        """Bytes to come of the box that is being read; below zero: it never ends."""

    def read(self, size: int = -1) -> bytes:
        """Return some bytes; none at the end."""
        if self._left:
            some = self._read(size if self._left < 0 else min(size, self._left))
            self._left -= len(some) if self._left > 0 else 0
            return some
        head = self._ready
        while len(head) < _LARGE_BOX_BYTES and (more := self._read(_LARGE_BOX_BYTES - len(head))):
            head += more
        box = _box_size(head)
        if box < len(head):
            self._ready, self._left = (head[box:], 0) if box >= _BOX_BYTES else (b"", -1)
            return head[:box] if box >= _BOX_BYTES else head
        self._ready, self._left = b"", box - len(head)
        return head

    def _read(self, size: int) -> bytes:
        return self._head.read(size) or self._rest.read(size)


def _box_size(head: bytes) -> int:
    """Return the size of the box that begins like this; 0 where it goes on to the end."""
    size = int.from_bytes(head[:4], "big")
    return int.from_bytes(head[_BOX_BYTES:_LARGE_BOX_BYTES], "big") if size == 1 else size


def read_frame(source: BinaryIO) -> tuple[int, bytes] | None:
    """Return the next frame: kind and content; None at the end."""
    head = source.read(HEAD.size)
    if len(head) < HEAD.size:
        return None
    kind, length = HEAD.unpack(head)
    content = source.read(length)
    return (kind, content) if len(content) == length else None


def _mp4_input(feeder: Feeder) -> _Boxes | io.BytesIO:
    """Return the file as it comes if its index is in front, else all of it."""
    head, at = b"", 0
    while True:
        while len(head) < at + _LARGE_BOX_BYTES:
            more = feeder.read(_AVIO_BYTES)
            if not more:
                return io.BytesIO(head)
            head += more
        name = head[at + 4 : at + _BOX_BYTES]
        if name in {b"moov", b"moof", b"sidx"}:
            return _Boxes(head, feeder)
        if name == b"mdat":
            return _whole(head, feeder)
        size = _box_size(head[at : at + _LARGE_BOX_BYTES])
        at += size
        if size < _BOX_BYTES or at > _MOST_HEAD_BYTES:
            raise UnreadableError("mp4 without audio")


def _whole(head: bytes, feeder: Feeder) -> io.BytesIO:
    file = io.BytesIO()
    file.write(head)
    while more := feeder.read(1 << 16):
        if file.tell() > _MOST_WHOLE_BYTES:
            raise UnreadableError("an MP4 with its index at the end that is too long")
        file.write(more)
    file.seek(0)
    return file


class Resampler:
    """Whatever is decoded, as PCM16 16 kHz mono."""

    def __init__(self, av: Any) -> None:
        self._av = av
        self._form: tuple[int, str, str] | None = None
        self._resampler: Any = None

    def take(self, frame: Any) -> bytes:
        """Return what is ready with this frame; its form may change in the middle."""
        form = (frame.sample_rate, frame.layout.name, frame.format.name)
        before = b""
        if form != self._form:
            before, self._form = self.flush(), form
            if not _LOWEST_HZ <= form[0] <= _HIGHEST_HZ:
                raise UnreadableError(f"{form[0]} samples in a second")
            if frame.layout.nb_channels > _MOST_CHANNELS:
                raise UnreadableError(f"{frame.layout.nb_channels} channels")
            self._resampler = self._av.AudioResampler("s16", "mono", RATE_HZ)
        frame.pts = None
        return before + self._joined(self._resampler.resample(frame))

    def flush(self) -> bytes:
        """Return what is left."""
        if self._resampler is None:
            return b""
        resampler, self._resampler, self._form = self._resampler, None, None
        return self._joined(resampler.resample(None))

    @staticmethod
    def _joined(frames: list[Any]) -> bytes:
        return b"".join(bytes(frame.planes[0])[: frame.samples * 2] for frame in frames)


def _contained(av: Any, spec: dict[str, Any], feeder: Feeder) -> Iterator[Any]:
    """Yield the frames of a container's first audio stream; damage in the middle is passed over."""
    name = spec["container"]
    source = _mp4_input(feeder) if name == "mp4" else feeder
    with av.open(
        source, format=_DEMUXERS[name], options=_PROBING, buffer_size=_AVIO_BYTES,
        metadata_errors="ignore",
    ) as container:  # fmt: skip
        if not container.streams.audio:
            raise UnreadableError(f"{name} without audio")
        stream = container.streams.audio[0]
        if stream.codec_context is None:
            raise UnreadableError(f"{name} of a codec that is not known")
        stream.codec_context.thread_count = 1
        packets = container.demux(stream)
        while True:
            try:
                packet = next(packets, None)
            except av.error.FFmpegError:  # cut off, or damaged: what came before counts
                return
            if packet is None:
                return
            try:
                yield from packet.decode()
            except av.error.FFmpegError:
                continue


def _raw(av: Any, spec: dict[str, Any], feeder: Feeder) -> Iterator[Any]:
    """Yield the frames of samples without a container; half a sample waits for the next piece."""
    decoder = av.CodecContext.create(f"pcm_{spec['encoding']}", "r")
    decoder.sample_rate, channels = spec["rate_hz"], spec["channels"]
    decoder.layout = {1: "mono", 2: "stereo"}.get(channels, f"{channels}c")
    block, rest = _SAMPLE_BYTES[spec["encoding"]] * channels, b""
    while some := feeder.read(block * (spec["rate_hz"] // 5)):
        rest += some
        whole = len(rest) - len(rest) % block
        if whole:
            yield from decoder.decode(av.Packet(rest[:whole]))
            rest = rest[whole:]


def convert(av: Any, spec: dict[str, Any], feeder: Feeder) -> None:
    """Answer all pieces of one stream."""
    resampler, failure, has_any = Resampler(av), None, False
    try:
        for frame in (_contained if "container" in spec else _raw)(av, spec, feeder):
            has_any = True
            feeder.emit(resampler.take(frame))
        feeder.emit(resampler.flush())
        if not has_any:
            failure = f"{spec.get('container') or spec['encoding']}: no audio can be read from it"
    except UnreadableError as error:
        failure = str(error)
    except (av.error.FFmpegError, ValueError, OverflowError) as error:
        if not has_any:
            name = spec.get("container") or spec["encoding"]
            failure = f"{name}: {getattr(error, 'strerror', None) or error}"
    feeder.end(failure)


def _limit(memory_bytes: int) -> None:
    """Give up what is not needed to decode."""
    os.nice(_NICE)
    for name, most in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 16),  # PyAV imports parts of itself when it needs them
    ):
        resource.setrlimit(name, (most, most))


def _end_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)


def main() -> NoReturn:
    """Convert one stream after the other."""
    _end_with_parent()
    share, memory_bytes = float(sys.argv[1]), int(sys.argv[2])
    import av  # noqa: PLC0415 - the end of the parent must not be missed meanwhile

    av.logging.set_level(None)
    _limit(memory_bytes)
    source, sink, cpu = sys.stdin.buffer, sys.stdout.buffer, CpuShare(share)
    while (frame := read_frame(source)) is not None:
        convert(av, json.loads(frame[1]), Feeder(source, sink, cpu))
    os._exit(0)


if __name__ == "__main__":
    main()
