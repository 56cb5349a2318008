"""The AsyncAPI 3.0 document of the three sockets. Makes values; writes and sends nothing."""

import json
from pathlib import Path
from typing import Any, Final

from cli.description.schemas import DIRECTIONS, REF, Direction, Schemas, tag_of

EXAMPLES: Final = Path(__file__).with_name("examples.json")
_CHANNELS: Final = {
    "client": "A client: sends speech, gets translations. Binary frames are taken, too.",
    "node": "A node: offers its engines and works on the jobs it is given.",
    "operator": "An operator: commands, each answered by `admin_ack`, and the live view.",
}
_REPLIES: Final = {
    "session_init": ("session_init_ack", "error"),
    "client_heartbeat": ("server_heartbeat",),
    "session_close": ("session_close_ack",),
    "room_create": ("room_create_ack", "room_error"),
    "room_join": ("room_create_ack", "room_error"),
    "node_register": ("node_register_ack",),
    "job_assign": ("job_result",),
}
"""Message → what answers it, where something always does."""
_SUMMARY: Final = """\
Real-time speech translation over WebSockets. Every message is one JSON text frame with a `type`.
Unknown fields are ignored; a field that is null counts as absent. Nobody needs to send an optional
field."""


def examples() -> dict[str, list[dict[str, Any]]]:
    """Return the examples of every message, by direction."""
    found: dict[str, list[dict[str, Any]]] = json.loads(EXAMPLES.read_text(encoding="utf-8"))
    return found


def examples_of(direction: Direction) -> list[dict[str, Any]]:
    """Return the examples of one direction."""
    way = (direction.name, "scheduler") if direction.is_inbound else ("scheduler", direction.name)
    return examples()[" to ".join(way)]


def asyncapi_document(schemas: Schemas, version: str) -> dict[str, Any]:
    """Return the document as a JSON value."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Lingua",
            "version": version,
            "description": _SUMMARY,
            "license": {"name": "MIT"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "local": {
                "host": "127.0.0.1:5010",
                "protocol": "ws",
                "description": "Where a scheduler listens unless told otherwise.",
                "security": [{"$ref": "#/components/securitySchemes/bearer"}],
            }
        },
        "channels": {name: _channel(name) for name in _CHANNELS},
        "operations": dict(_operation(each) for each in _operations()),
        "components": {
            "messages": {
                _key(direction, tag_of(message)): _message(direction, message, schemas)
                for direction in DIRECTIONS
                for message in direction.messages
            },
            "schemas": schemas.by_name,
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A token or JWT; none is needed on a loopback address.",
                }
            },
        },
    }


def _key(direction: Direction, tag: str) -> str:
    return f"{direction.name}.{'says' if direction.is_inbound else 'hears'}.{tag}"


def _channel_key(direction: Direction, tag: str) -> str:
    return f"{'says' if direction.is_inbound else 'hears'}.{tag}"


def _channel(name: str) -> dict[str, Any]:
    ways = [direction for direction in DIRECTIONS if direction.name == name]
    return {
        "address": ways[0].path,
        "description": _CHANNELS[name],
        "messages": {
            _channel_key(way, tag_of(message)): {
                "$ref": f"#/components/messages/{_key(way, tag_of(message))}"
            }
            for way in ways
            for message in way.messages
        },
        "bindings": {"ws": {"method": "GET"}},
    }


def _message(direction: Direction, message: Any, schemas: Schemas) -> dict[str, Any]:
    tag = tag_of(message)
    summary, _, rest = (message.__doc__ or "").partition("\n")
    found: dict[str, Any] = {
        "name": tag,
        "title": tag,
        "summary": summary,
        "payload": {"$ref": REF + schemas.names[message, direction.is_inbound]},
        "examples": [{"payload": e} for e in examples_of(direction) if e["type"] == tag],
    }
    if rest.strip():
        found["description"] = " ".join(rest.split())
    return found


def _operations() -> list[tuple[Direction, tuple[str, ...]]]:
    """Return each message that is always answered alone, and the rest of a direction together."""
    found: list[tuple[Direction, tuple[str, ...]]] = []
    for direction in DIRECTIONS:
        tags = [tag_of(message) for message in direction.messages]
        found += [(direction, (tag,)) for tag in tags if tag in _REPLIES]
        found.append((direction, tuple(tag for tag in tags if tag not in _REPLIES)))
    return found


def _operation(operation: tuple[Direction, tuple[str, ...]]) -> tuple[str, dict[str, Any]]:
    direction, tags = operation
    channel = {"$ref": f"#/channels/{direction.name}"}
    found: dict[str, Any] = {
        "action": "receive" if direction.is_inbound else "send",
        "channel": channel,
        "messages": [_in_channel(direction, tag) for tag in tags],
    }
    if len(tags) != 1 or tags[0] not in _REPLIES:
        return f"{direction.name}.{'says' if direction.is_inbound else 'hears'}", found
    [back] = [
        each
        for each in DIRECTIONS
        if each.name == direction.name and each.is_inbound is not direction.is_inbound
    ]
    replies = [_in_channel(back, tag) for tag in _REPLIES[tags[0]]]
    return f"{direction.name}.{tags[0]}", found | {
        "reply": {"channel": channel, "messages": replies}
    }


def _in_channel(direction: Direction, tag: str) -> dict[str, str]:
    return {"$ref": f"#/channels/{direction.name}/messages/{_channel_key(direction, tag)}"}
