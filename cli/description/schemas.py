"""JSON Schemas of all messages, with the sentences that stand beside the fields. Reads sources."""

import ast
import inspect
import json
import re
from dataclasses import dataclass
from types import UnionType
from typing import Any, Final, get_args

from pydantic.json_schema import JsonSchemaMode, models_json_schema

from protocol.messages.admin import AdminInbound, AdminOutbound
from protocol.messages.node_inbound import NodeInbound
from protocol.messages.node_outbound import NodeOutbound
from protocol.messages.session_inbound import SessionInbound
from protocol.messages.session_outbound import SessionOutbound
from protocol.wire import WireMessage, WireModel

Schema = dict[str, Any]
"""A JSON Schema, or a part of one."""
REF: Final = "#/components/schemas/"
_REFERENCE: Final = re.compile(f'"{REF}([^"]+)"')


@dataclass(frozen=True, slots=True)
class Direction:
    """One way on one socket: who sends what."""

    name: str
    """`client`, `node`, `operator`: who is at the other end."""
    path: str
    is_inbound: bool
    """To the scheduler."""
    messages: tuple[type[WireMessage], ...]


def _direction(name: str, path: str, union: UnionType, *, inbound: bool) -> Direction:
    return Direction(name, path, inbound, tuple(sorted(get_args(union), key=_rank)))


def _rank(message: type[WireMessage]) -> tuple[int, str]:
    """Order messages as they are used: opening, speech, outcomes, the rest by name."""
    tag = tag_of(message)
    return (_FIRST.index(tag) if tag in _FIRST else len(_FIRST), tag)


_FIRST: Final = (
    *("session_init", "session_init_ack", "audio_chunk", "utterance", "audio_ack", "asr_partial"),
    *("translation_result", "missing_result", "ui_event", "error", "client_heartbeat"),
    *("server_heartbeat", "session_close", "session_close_ack", "node_register"),
    *("node_register_ack", "node_heartbeat", "job_assign", "job_end", "job_result"),
    "job_cancel",
)


def tag_of(message: type[WireMessage]) -> str:
    """Return the value of a message's `type`."""
    return str(message.model_fields["type"].default)


DIRECTIONS: Final = (
    _direction("client", "/ws/session", SessionInbound, inbound=True),
    _direction("client", "/ws/session", SessionOutbound, inbound=False),
    _direction("node", "/ws/node", NodeInbound, inbound=True),
    _direction("node", "/ws/node", NodeOutbound, inbound=False),
    _direction("operator", "/ws/admin", AdminInbound, inbound=True),
    _direction("operator", "/ws/admin", AdminOutbound, inbound=False),
)


@dataclass(frozen=True, slots=True)
class Schemas:
    """All schemas, and where each message's is."""

    by_name: dict[str, Schema]
    names: dict[tuple[type[WireMessage], bool], str]
    """(message, is it inbound) → its name in `by_name`."""


def all_schemas() -> Schemas:
    """Return the schemas of everything that is sent either way."""
    modes: dict[bool, JsonSchemaMode] = {True: "validation", False: "serialization"}
    wanted = [
        (message, modes[direction.is_inbound])
        for direction in DIRECTIONS
        for message in direction.messages
    ]
    places, found = models_json_schema(wanted, ref_template=REF + "{model}")
    definitions: dict[str, Schema] = found["$defs"]
    inbound = {mode: is_inbound for is_inbound, mode in modes.items()}
    names = {
        (model, inbound[mode]): place["$ref"].removeprefix(REF)
        for (model, mode), place in places.items()
    }
    said = _reached(definitions, {name for (_, is_inbound), name in names.items() if is_inbound})
    described = {each.__name__: each for each in _subclasses(WireModel)}
    for name, schema in definitions.items():
        _finish(schema, described.get(name.partition("-")[0]), is_inbound=name in said)
    return Schemas(dict(sorted(definitions.items())), names)  # type: ignore[arg-type]


def _reached(definitions: dict[str, Schema], names: set[str]) -> set[str]:
    """Return these and what they refer to."""
    reached: set[str] = set()
    ahead = [*names]
    while ahead:
        name = ahead.pop()
        if name not in reached:
            reached.add(name)
            ahead += _REFERENCE.findall(json.dumps(definitions[name]))
    return reached


def _finish(schema: Schema, model: type[WireModel] | None, *, is_inbound: bool) -> None:
    """Put in what pydantic leaves out: the sentences of the fields, and that a tag is needed."""
    schema.pop("title", None)
    docs = field_docs(model) if model else {}
    for name, field in schema.get("properties", {}).items():
        field.pop("title", None)
        if name in docs:
            field["description"] = docs[name]
        if field.get("default", ...) is None:
            del field["default"]
        if "const" in field:
            field.pop("default", None)
            schema["required"] = [
                name,
                *(each for each in schema.get("required", []) if each != name),
            ]
    if model is not None and not is_inbound:
        _drop_nulls(schema)


def _drop_nulls(schema: Schema) -> None:
    """What is None is not sent at all."""
    for name, field in schema["properties"].items():
        kinds = [kind for kind in field.get("anyOf", []) if kind != {"type": "null"}]
        if len(kinds) == len(field.get("anyOf", [])):
            continue
        del field["anyOf"]
        field.update(kinds[0] if len(kinds) == 1 else {"anyOf": kinds})
        schema["required"] = [each for each in schema.get("required", []) if each != name]


def field_docs(model: type[WireModel]) -> dict[str, str]:
    """Return the sentences under a model's fields, its base classes' included."""
    docs: dict[str, str] = {}
    for owner in reversed([each for each in model.__mro__ if issubclass(each, WireModel)]):
        body = ast.parse(inspect.getsource(owner)).body[0]
        assert isinstance(body, ast.ClassDef)  # noqa: S101 - the source of a class
        for field, after in zip(body.body, body.body[1:], strict=False):
            if not isinstance(field, ast.AnnAssign) or not isinstance(field.target, ast.Name):
                continue
            if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
                docs[field.target.id] = " ".join(str(after.value.value).split())
    return docs


def _subclasses(base: type[WireModel]) -> list[type[WireModel]]:
    direct = base.__subclasses__()
    return [*direct, *(below for each in direct for below in _subclasses(each))]
