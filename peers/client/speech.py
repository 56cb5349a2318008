"""Speech on its way out and in: PCM16 to chunks of a session, `tts_audio` to PCM16.

Owns the client's use of the opus codec. Knows no socket.
"""

import base64
import binascii

from peers.engines import opus
from protocol.audio.framing import AudioFormat, join_packets, split_packets
from protocol.messages.session_outbound import TranslationResult


class SpeechFormatError(Exception):
    """This speech cannot be encoded or decoded here; the text says why, in one line."""


class ChunkEncoder:
    """One stream of speech to the payloads of its chunks, in one format."""

    def __init__(self, audio_format: AudioFormat) -> None:
        self._opus = opus.OpusEncoder() if audio_format is AudioFormat.OPUS else None

    def encode(self, pcm: bytes) -> bytes:
        """Return the payload of the next chunk; opus may keep up to 20 ms for the one after it."""
        if self._opus is None:
            return pcm
        return join_packets(self._opus.encode(pcm))

    def flush(self) -> bytes:
        """Return what was kept; empty if nothing was."""
        return b"" if self._opus is None else join_packets(self._opus.flush())


def best_format() -> AudioFormat:
    """Return opus where it is installed, else PCM16."""
    return AudioFormat.OPUS if opus.is_installed() else AudioFormat.PCM16


def spoken_pcm(result: TranslationResult) -> bytes:
    """Return a result's speech as PCM16 16 kHz; empty if there is none.

    Raises:
        SpeechFormatError: it is broken, or opus is not installed.
    """
    try:
        data = base64.b64decode(result.tts_audio, validate=True)
        if not data or result.tts_format != AudioFormat.OPUS:
            return data
        if not opus.is_installed():
            raise SpeechFormatError("the speech is opus, which needs PyAV: pip install av")
        return opus.decode(split_packets(data))
    except (binascii.Error, ValueError, opus.OpusError) as error:
        raise SpeechFormatError(f"the speech cannot be decoded: {error}") from None
