"""Messages about rooms, both directions: several sessions that hear each other translated."""

from typing import Literal

from pydantic import Field

from protocol.errors import ErrorCode
from protocol.ids import SessionId
from protocol.wire import ClientTimestamp, Label, LanguageCode, WireMessage, WireModel


class RoomCreate(WireMessage):
    """Client to server: open a room. Answered by `room_create_ack`, then `room_members`."""

    type: Literal["room_create"] = "room_create"
    client_ts: ClientTimestamp
    display_name: Label | None = None
    preferred_lang: LanguageCode | None = None
    """What this member wants to hear; absent: its own source language."""


class RoomJoin(WireMessage):
    """Client to server: enter a room. Answered by `room_create_ack` and `room_members`."""

    type: Literal["room_join"] = "room_join"
    room_code: Label
    display_name: Label | None = None
    preferred_lang: LanguageCode | None = None


class RoomLeave(WireMessage):
    """Client to server: leave. The others hear `room_members`."""

    type: Literal["room_leave"] = "room_leave"
    room_code: Label


class RoomRawVoicePreference(WireMessage):
    """Client to server: whether this member wants the untranslated voice of another."""

    type: Literal["room_raw_voice_preference"] = "room_raw_voice_preference"
    room_code: Label
    target_session_id: SessionId
    """The speaker."""
    receive_raw_voice: bool


class RoomCreateAck(WireMessage):
    """Server to client: you are in; always before the first `room_members`."""

    type: Literal["room_create_ack"] = "room_create_ack"
    room_code: str
    """Six decimal digits."""
    room_id: str | None = None
    tts_format: str | None = None
    """Extension, to a client that plays PCM16 only: the format in which speech will come. `opus`
    where this server cannot decode it."""


class RoomMember(WireModel):
    """One session in a room."""

    participant_id: str
    """The same as `session_id`."""
    session_id: SessionId
    display_name: str | None = None
    preferred_lang: str | None = None
    raw_voice_preferences: dict[str, bool] = Field(default_factory=dict)
    """Speaker's session id to whether this member wants its raw voice."""
    joined_at: str | float
    """RFC 3339, or a number by older servers."""


class RoomMembers(WireMessage):
    """Server to every member: who is in the room now."""

    type: Literal["room_members"] = "room_members"
    room_code: str
    members: tuple[RoomMember, ...]


class RoomError(WireMessage):
    """Server to client: a room request failed."""

    type: Literal["room_error"] = "room_error"
    code: ErrorCode
    message: str | None = None


class RoomExpired(WireMessage):
    """Server to every member: the room is gone."""

    type: Literal["room_expired"] = "room_expired"
    room_code: str
    message: str


RoomRequest = RoomCreate | RoomJoin | RoomLeave | RoomRawVoicePreference
"""What a client may ask about rooms."""

RoomReply = RoomCreateAck | RoomMembers | RoomError | RoomExpired
"""What a client hears about rooms."""
