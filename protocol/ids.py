"""Identifiers: one type each, so that one cannot be taken for another."""

import binascii
import random
import secrets
from typing import NewType

SessionId = NewType("SessionId", str)
JobId = NewType("JobId", str)
NodeId = NewType("NodeId", str)
InstanceId = NewType("InstanceId", str)
TurnId = NewType("TurnId", str)
TraceId = NewType("TraceId", str)
RequestId = NewType("RequestId", str)
"""`session:index:language`: what makes a repeated request the same job."""
NodeJobId = NewType("NodeJobId", str)
"""A job id as one node sees it: with a suffix per attempt and per further language."""

NO_INSTANCE = InstanceId("")
"""Stands for this instance, or for none."""

_LONGEST_SESSION_ID = 64
_unique = random.Random(secrets.randbits(256))  # noqa: S311 - for ids that open no door
"""Unique, not secret: two ids per utterance from the system's source would cost 6 µs."""


def new_session_id() -> SessionId:
    """Return an id nobody can guess: 128 random bits."""
    return SessionId(f"s-{secrets.token_hex(16)}")


def could_be_session_id(text: str) -> bool:
    """Return whether a session could be called so: who made it up is not looked for in the store.

    Ids of ours are letters, digits and a hyphen; another one could be the name of something else.
    """
    is_short = len(text) <= _LONGEST_SESSION_ID
    return is_short and text.isascii() and text.replace("-", "").isalnum()


def new_job_id(session_id: SessionId) -> JobId:
    """Return an id that no node has seen before; it carries the place of its session."""
    return JobId(f"job-{place_of_session(session_id):04x}{_unique.getrandbits(112):028x}")


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
    """Return an id for a node that came without one."""
    return NodeId(f"node-{secrets.token_hex(8)}")


def new_turn_id() -> TurnId:
    """Return an id for one turn of speech."""
    return TurnId(f"turn-{_unique.getrandbits(64):016x}")


def new_trace_id() -> TraceId:
    """Return an id that follows one session or utterance through logs and messages."""
    return TraceId(secrets.token_hex(16))


def request_id(session_id: SessionId, utterance_index: int, language: str) -> RequestId:
    """Return the id under which a repetition of this request is recognised."""
    return RequestId(f"{session_id}:{utterance_index}:{language}")


def session_of(request: RequestId) -> SessionId:
    """Return the session that a request id begins with."""
    return SessionId(request.rsplit(":", 2)[0])
