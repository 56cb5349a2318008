"""The words for what goes wrong: error codes, reasons for a missing result, close codes."""

from enum import IntEnum, StrEnum


class ErrorCode(StrEnum):
    """Codes of `error`, `room_error`, `ui_event` ERROR and of a refused registration."""

    # The peer's own message or request
    INVALID_MESSAGE = "INVALID_MESSAGE"
    INVALID_SESSION = "INVALID_SESSION"
    INTERNAL_ERROR = "INTERNAL_ERROR"
    SESSION_CLOSED = "SESSION_CLOSED"
    UNSUPPORTED_FEATURE = "UNSUPPORTED_FEATURE"
    UNSUPPORTED_AUDIO = "UNSUPPORTED_AUDIO"
    INVALID_PAIRING_CODE = "INVALID_PAIRING_CODE"
    RATE_LIMITED = "RATE_LIMITED"
    # Work that could not be done
    NO_AVAILABLE_NODE = "NO_AVAILABLE_NODE"
    NODE_UNAVAILABLE = "NODE_UNAVAILABLE"
    NODE_OVERLOADED = "NODE_OVERLOADED"
    MODEL_NOT_AVAILABLE = "MODEL_NOT_AVAILABLE"
    MODEL_LOAD_FAILED = "MODEL_LOAD_FAILED"
    MODEL_VERIFY_FAILED = "MODEL_VERIFY_FAILED"
    MODEL_CORRUPTED = "MODEL_CORRUPTED"
    PROCESSING_ERROR = "PROCESSING_ERROR"
    JOB_TIMEOUT = "JOB_TIMEOUT"
    NMT_TIMEOUT = "NMT_TIMEOUT"
    TTS_TIMEOUT = "TTS_TIMEOUT"
    WS_DISCONNECTED = "WS_DISCONNECTED"
    SCHEDULER_DEPENDENCY_DOWN = "SCHEDULER_DEPENDENCY_DOWN"
    # A node that may not register
    NO_GPU_AVAILABLE = "NO_GPU_AVAILABLE"
    NODE_ID_CONFLICT = "NODE_ID_CONFLICT"
    NODE_ID_IN_USE = "NODE_ID_IN_USE"
    """Another socket of a node of this id is alive."""
    INVALID_CAPABILITY_SCHEMA = "INVALID_CAPABILITY_SCHEMA"
    # Rooms
    ROOM_NOT_FOUND = "ROOM_NOT_FOUND"
    ALREADY_IN_ROOM = "ALREADY_IN_ROOM"
    INVALID_ROOM_CODE = "INVALID_ROOM_CODE"
    ROOM_FULL = "ROOM_FULL"


class MissingReason(StrEnum):
    """Why an utterance ends without a translation. Each utterance has exactly one outcome."""

    SILENCE_DETECTED = "silence_detected"
    """The recogniser found no text."""
    MERGED = "merged"
    """Its words came with a later segment of the same turn."""
    NO_AVAILABLE_NODE = "no_available_node"
    QUEUE_FULL = "queue_full"
    JOB_TIMEOUT = "job_timeout"
    NODE_LOST = "node_lost"
    INSTANCE_LOST = "instance_lost"
    MODEL_NOT_AVAILABLE = "model_not_available"
    PROCESSING_ERROR = "processing_error"
    SESSION_CLOSED = "session_closed"
    CANCELLED = "cancelled"
    """Its speaker, or an operator, did not want it any more."""
    STORE_UNAVAILABLE = "store_unavailable"


class CloseCode(IntEnum):
    """WebSocket close codes we send: RFC 6455 section 7.4 below 4000, our own above."""

    NORMAL = 1000
    GOING_AWAY = 1001
    """This instance shuts down (clients)."""
    PROTOCOL_ERROR = 1002
    """The peer broke a rule of WebSockets."""
    POLICY_VIOLATION = 1008
    """Too many invalid messages in a row."""
    MESSAGE_TOO_BIG = 1009
    INTERNAL_ERROR = 1011
    SERVICE_RESTART = 1012
    """This instance shuts down (nodes)."""
    TRY_AGAIN_LATER = 1013
    """No room for another session."""
    SESSION_TAKEN_OVER = 4001
    """The session was resumed on another socket."""
    RECEIVER_TOO_SLOW = 4008
    """The peer does not read what it is sent; it may resume."""


class ProtocolError(Exception):
    """The peer broke the protocol. The message is safe to send: it never echoes a payload."""

    def __init__(
        self,
        code: ErrorCode,
        message: str,
        close_code: CloseCode | None = None,
        message_type: str | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.close_code = close_code
        """Set when the socket has to be closed; None when it lives on."""
        self.message_type = message_type
        """The tag of the refused message where it is a known one, so that it can be answered."""
