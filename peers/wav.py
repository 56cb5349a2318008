"""WAV files in and out.

Owns the translation between a file on disk and PCM16 at 16 kHz. Knows nothing of sockets.
"""

import wave
from pathlib import Path

from peers.pcm import RATE_HZ, mix_down, resample, to_bytes, widen

MAX_CHANNELS = 8
MIN_RATE_HZ = 1000


class WavError(Exception):
    """The file is not one that can be streamed; the text says why, in one line."""


def read_wav(path: Path) -> bytes:
    """Return the file as PCM16, 16 kHz, mono, whatever its rate, width and channels are.

    Raises:
        WavError: missing, unreadable, or not integer PCM.
    """
    try:
        with wave.open(str(path), "rb") as file:
            layout = file.getparams()
            data = file.readframes(layout.nframes)
    except FileNotFoundError:
        raise WavError(f"{path}: no such file") from None
    except (wave.Error, EOFError) as error:
        reason = str(error) or "the file ends too early"
        raise WavError(f"{path}: not a PCM WAV file ({reason})") from None
    except OSError as error:
        raise WavError(f"{path}: {error.strerror or error}") from None
    if not 1 <= layout.nchannels <= MAX_CHANNELS or layout.framerate < MIN_RATE_HZ:
        raise WavError(f"{path}: {layout.nchannels} channels at {layout.framerate} Hz")
    mono = mix_down(widen(data, layout.sampwidth), layout.nchannels)
    return to_bytes(resample(mono, layout.framerate, RATE_HZ))


def write_wav(path: Path, pcm: bytes) -> None:
    """Write PCM16, 16 kHz, mono; makes the directory if needed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(pcm)
