"""What a session's actor learns from small messages of its client. Pure."""

from typing import TypeAlias

from actors.messages.session import (
    CancelRequested,
    ClientBeat,
    PlaybackEnded,
    PlaybackStarted,
    UpdateRequested,
)
from protocol.messages.session_inbound import (
    ClientHeartbeat,
    SessionUpdate,
    TtsPlayEnded,
    TtsStarted,
    UtteranceCancel,
)

SmallMessage: TypeAlias = (
    ClientHeartbeat | TtsStarted | TtsPlayEnded | SessionUpdate | UtteranceCancel
)
SMALL = (ClientHeartbeat, TtsStarted, TtsPlayEnded, SessionUpdate, UtteranceCancel)
"""They name their session, carry no audio and go to its actor at once."""


def told_of(
    message: SmallMessage,
) -> ClientBeat | PlaybackStarted | PlaybackEnded | UpdateRequested | CancelRequested:
    """Return the actor's message for one of the client's."""
    match message:
        case ClientHeartbeat():
            return ClientBeat(message.last_delivery_seq)
        case TtsStarted():
            return PlaybackStarted(message.group_id)
        case TtsPlayEnded():
            return PlaybackEnded(message.group_id)
        case SessionUpdate():
            return UpdateRequested(message)
        case UtteranceCancel():
            return CancelRequested(message.utterance_index)
