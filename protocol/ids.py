"""Identifiers: one type each, so that one cannot be taken for another.

Every id that is made here has 128 bits of the system's random source, unless it says otherwise: who
has seen any number of them knows nothing about the next, and none holds a session's id.
"""

import binascii
import hashlib
import secrets
from functools import lru_cache
from typing import NewType

SessionId = NewType("SessionId", str)
JobId = NewType("JobId", str)
NodeId = NewType("NodeId", str)
InstanceId = NewType("InstanceId", str)
TurnId = NewType("TurnId", str)
TraceId = NewType("TraceId", str)
GroupId = NewType("GroupId", str)
MemberAlias = NewType("MemberAlias", str)
"""What the other members of a room call a session."""
SessionRef = NewType("SessionRef", str)
"""What logs, reports and operators call a session; nobody can attach with it."""
RequestId = NewType("RequestId", str)
"""`session:index:language`: what makes a repeated request the same job."""
NodeJobId = NewType("NodeJobId", str)
"""A job id as one node sees it: with a suffix per attempt and per further language."""

NO_INSTANCE = InstanceId("")
"""Stands for this instance, or for none."""

_LONGEST_SESSION_ID = 64
_ID_DIGITS = 32
_BLOCK_BYTES = 8192
_REF_DIGITS = 16


class _RandomDigits:
    """Hexadecimal digits of the system's random source, fetched many at once: 0.4 µs, not 1.5."""

    __slots__ = ("_at", "_block")

    def __init__(self) -> None:
        self._block = ""
        self._at = 0

    def take(self, count: int = _ID_DIGITS) -> str:
        """Return so many digits; none is given out twice."""
        start = self._at
        if start + count > len(self._block):
            self._block, start = secrets.token_bytes(_BLOCK_BYTES).hex(), 0
        self._at = start + count
        return self._block[start : self._at]


_random = _RandomDigits()


def new_session_id() -> SessionId:
    """Return an id that is a secret of its client: whoever has it may attach."""
    return SessionId(f"s-{_random.take()}")


@lru_cache(maxsize=64)  # at its beginning several parts of a session ask: they share one text
def session_ref(session_id: SessionId) -> SessionRef:
    """Return what everybody but its client calls a session: it leads to the id by no way."""
    return SessionRef(hashlib.sha256(session_id.encode()).hexdigest()[:_REF_DIGITS])


def node_session_id(turn_id: str) -> str:
    """Return what nodes take for the session of a turn, on every instance the same.

    Existing nodes answer what equals the last text of a session with nothing, and translate its
    utterances in rising order only: so each turn is a session of its own to them.
    """
    named = hashlib.blake2b(turn_id.encode(), digest_size=16, person=b"node")
    return f"n-{named.hexdigest()}"


@lru_cache(maxsize=512)  # each job of a session asks
def speaker_key(session_id: SessionId) -> str:
    """Return by what a node knows a voice again; the same on every instance, no way leads back."""
    named = hashlib.blake2b(session_id.encode(), digest_size=16, person=b"speaker")
    return f"v-{named.hexdigest()}"


def could_be_session_id(text: str) -> bool:
    """Return whether a session could be called so: who made it up is not looked for in the store.

    Ids of ours are letters, digits and a hyphen; another one could be the name of something else.
    """
    is_short = len(text) <= _LONGEST_SESSION_ID
    return is_short and text.isascii() and text.replace("-", "").isalnum()


def new_job_id(place: int) -> JobId:
    """Return an id that no node has seen before; it carries the place of its session."""
    return JobId(f"job-{place:04x}{_random.take()}")


def place_of_session(session_id: SessionId) -> int:
    """Return 16 bits that decide where the store keeps the session; evenly spread."""
    return binascii.crc_hqx(session_id.encode(errors="surrogatepass"), 0)


def place_of_job(job_id: JobId) -> int:
    """Return the place of the session that a job belongs to; any for an id that is not ours."""
    try:
        return int(job_id[4:8], 16)
    except ValueError:
        return 0


def new_node_id() -> NodeId:
    """Return an id for a node that came without one: 64 random bits, it is no secret."""
    return NodeId(f"node-{_random.take(16)}")


def new_turn_id() -> TurnId:
    """Return an id for one turn of speech."""
    return TurnId(f"turn-{_random.take()}")


def new_group_id() -> GroupId:
    """Return an id for one group of results."""
    return GroupId(f"group-{_random.take()}")


def new_trace_id() -> TraceId:
    """Return an id that follows one session or utterance through logs and messages."""
    return TraceId(_random.take())


def request_id(session_id: SessionId, utterance_index: int, language: str) -> RequestId:
    """Return the id under which a repetition of this request is recognised."""
    return RequestId(f"{session_id}:{utterance_index}:{language}")


def session_of(request: RequestId) -> SessionId:
    """Return the session that a request id begins with."""
    return SessionId(request.rsplit(":", 2)[0])
