"""A client: speech in, its translation out, over one session."""

from peers.client.client import ClientEvent, SessionLostError, SpeechClient
from peers.client.connector import CannotConnectError, SessionRefusedError
from peers.client.microphone import recorded, standard_input
from peers.client.options import ClientOptions
from peers.client.speech import SpeechFormatError, spoken_pcm
from peers.client.timeline import UtteranceRecord

__all__ = [
    "CannotConnectError",
    "ClientEvent",
    "ClientOptions",
    "SessionLostError",
    "SessionRefusedError",
    "SpeechClient",
    "SpeechFormatError",
    "UtteranceRecord",
    "recorded",
    "spoken_pcm",
    "standard_input",
]
