"""The process in which speech is decoded for listeners who play PCM16 only.

Run as a module by `opus_codec.py`. In: pieces of framed opus, each behind its length (four bytes,
little-endian). Out: for each, PCM16 16 kHz mono behind its length; nothing at all where nothing can
be decoded. Ends by itself when its input ends: it never outlives its parent.
"""

import sys
from typing import BinaryIO

from peers.engines.opus import OpusError, decode, unframed

LENGTH_BYTES = 4


def main() -> None:
    """Answer piece by piece."""
    while (framed := _read(sys.stdin.buffer)) is not None:
        try:
            pcm = decode(unframed(framed))
        except OpusError:
            pcm = b""
        sys.stdout.buffer.write(len(pcm).to_bytes(LENGTH_BYTES, "little") + pcm)
        sys.stdout.buffer.flush()


def _read(pipe: BinaryIO) -> bytes | None:
    head = pipe.read(LENGTH_BYTES)
    if len(head) < LENGTH_BYTES:
        return None
    return pipe.read(int.from_bytes(head, "little"))


if __name__ == "__main__":
    main()
