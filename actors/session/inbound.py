"""All that a session is sent, and what its actor asks of a message besides its type."""

from typing import TypeAlias

from actors.messages.job import (
    JobDispatched,
    JobEnded,
    JobProgressed,
    JobQueued,
    PartialArrived,
    ResultReplaced,
    SpeechConverted,
    UtteranceWanted,
)
from actors.messages.process import DispatcherRestarted, StoreEmptied
from actors.messages.room import (
    MemberMessage,
)
from actors.messages.session import (
    AudioConverted,
    CancelRequested,
    ChunkArrived,
    ClientBeat,
    CloseRequested,
    ConversionFailed,
    GraceRevoked,
    PlaybackEnded,
    PlaybackStarted,
    SessionClaimed,
    SessionRefused,
    SocketAttached,
    SocketLost,
    UpdateRequested,
    UtteranceArrived,
)
from actors.messages.stream import StreamEnded, StreamOpened
from actors.messages.takeover import (
    DrainRequested,
    OwnershipConfirmed,
    SessionRecorded,
    SessionReleased,
    SocketDraining,
    SocketResumed,
)

SessionMessage: TypeAlias = (
    ChunkArrived | UtteranceArrived | ClientBeat | PlaybackStarted | PlaybackEnded
    | UpdateRequested | CancelRequested | SpeechConverted | ResultReplaced
    | JobEnded | JobDispatched | JobQueued | JobProgressed | PartialArrived
    | UtteranceWanted | SocketLost | SocketAttached | SocketResumed | SocketDraining
    | CloseRequested | DrainRequested | GraceRevoked | MemberMessage
    | SessionClaimed | SessionRefused | AudioConverted | ConversionFailed
    | StreamOpened | StreamEnded
    | SessionRecorded | SessionReleased | OwnershipConfirmed | StoreEmptied | DispatcherRestarted
)  # fmt: skip
"""All that a session is sent."""

CLIENT_SPOKE = (
    ChunkArrived, UtteranceArrived, ClientBeat, PlaybackStarted, PlaybackEnded, UpdateRequested,
    CancelRequested,
)  # fmt: skip
"""What only a client sends that has read its acknowledgement."""
MOVE_NO_DEADLINE = (JobDispatched, JobQueued, JobProgressed, ClientBeat)
"""After these the alarm of a session without `resume` stands as it stood."""
