"""A client of one's own: speech in, outcomes out, coming back when the line is cut."""

from peers.client import (
    CannotConnectError,
    ClientEvent,
    ClientOptions,
    SessionLostError,
    SessionRefusedError,
    SpeechClient,
    SpeechFormatError,
    UtteranceRecord,
    recorded,
    spoken_pcm,
    standard_input,
)
from peers.wav import WavError, read_wav, write_wav

__all__ = [
    "CannotConnectError",
    "ClientEvent",
    "ClientOptions",
    "SessionLostError",
    "SessionRefusedError",
    "SpeechClient",
    "SpeechFormatError",
    "UtteranceRecord",
    "WavError",
    "read_wav",
    "recorded",
    "spoken_pcm",
    "standard_input",
    "write_wav",
]
