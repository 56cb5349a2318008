"""What a node says is taken for what it means (wire contract section 5). Pure.

Inference engines put NaN, numbers of another type, nulls and half surrogates into optional fields,
and a finished translation must not be lost for that. Only what does not parse comes here, so it
costs nothing else anything: an optional field or item that is wrong is left out, half a surrogate
becomes U+FFFD, and a `job_result` whose own content is wrong is an error of the node.
"""

import json
import re
from math import isfinite
from typing import Any, Final

from pydantic import ValidationError

from protocol.errors import ErrorCode

MOST_REPAIRS: Final = 64
"""Faults of one message that are mended; one with more is refused."""
_RESULT: Final = "job_result"
_CONTENT: Final = frozenset({"success", "text_asr", "text_translated"})
"""Fields of a `job_result` without which it is of no use."""
_TAKEN_AS_MEANT: Final = frozenset(
    {_RESULT, "node_heartbeat", "asr_partial", "job_ack", "job_started"}
)
"""A registration is not among them: what is wrong there changes what the node gets."""
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def read(data: str | bytes) -> dict[str, Any] | None:
    """Return an object as Python reads JSON, made fit to be written again; None: it is none."""
    try:
        found = json.loads(data)
        return _sound(found) if isinstance(found, dict) else None
    except (ValueError, RecursionError):
        return None


def repair(found: dict[str, Any], error: ValidationError) -> bool:
    """Take out what the error is about; False when the message is of no use without it."""
    problem = error.errors(include_url=False, include_context=False, include_input=False)[0]
    where = problem["loc"][1:]
    if not where or found.get("type") not in _TAKEN_AS_MEANT:
        return False
    if found["type"] == _RESULT and where[0] in _CONTENT:
        return _fail(found)
    return _leave_out(found, where)


def _fail(found: dict[str, Any]) -> bool:
    """Make the result an error of its node: another one may do the job."""
    job_id = found.get("job_id")
    if not isinstance(job_id, str):
        return False
    code = ErrorCode.PROCESSING_ERROR.value
    found.clear()
    found.update(type=_RESULT, job_id=job_id, success=False)
    found["error"] = {"code": code, "message": "the result could not be read"}
    return True


def _leave_out(found: Any, where: tuple[int | str, ...]) -> bool:
    """Take out the innermost field or item on the path; what holds it where it is missing there."""
    for depth in range(len(where), 0, -1):
        holder = found
        try:
            for step in where[: depth - 1]:
                holder = holder[step]
            del holder[where[depth - 1]]
        except (KeyError, IndexError, TypeError):
            continue
        return True
    return False


def _sound(value: Any) -> Any:
    """Return it without numbers that JSON has not, and without half surrogates."""
    if isinstance(value, str):
        return _SURROGATE.sub("\ufffd", value)
    if isinstance(value, list):
        return [_sound(each) for each in value if not _is_odd_number(each)]
    if isinstance(value, dict):
        return {
            _sound(name): _sound(each) for name, each in value.items() if not _is_odd_number(each)
        }
    return value


def _is_odd_number(value: Any) -> bool:
    return isinstance(value, float) and not isfinite(value)
