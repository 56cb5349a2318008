"""The page of all messages in Markdown, from schemas and examples. Makes text; writes nothing."""

import json
from typing import Any, Final

from cli.description.asyncapi import examples_of
from cli.description.schemas import DIRECTIONS, REF, Direction, Schema, Schemas, tag_of

_HEAD: Final = """\
# Message reference

<!-- Made by `python -m cli.description` from the models in `protocol/messages/`. -->

Every message is one JSON text frame with a `type`. Fields in **bold** are always there; the others
may be left out, and null counts as absent. Unknown fields are ignored. Texts are Unicode, times are
milliseconds since 1970 by the sender's clock, audio is base64. How they follow one another is drawn
in [how a session goes](conversations.md). The same for programs: `/asyncapi.json` on every
scheduler (AsyncAPI 3.0), and [TypeScript types](../gateway/pages/lingua-messages.d.ts).

A node that registers with `streaming` gets the audio of some jobs in binary frames: u8 0x20, u8
length of the job id, u32 number from 0 (little-endian), job id, audio.
"""
_LANGUAGE: Final = "^[A-Za-z0-9_-]{1,35}$"
_TITLES: Final = {
    ("client", True): "What a client sends",
    ("client", False): "What a client receives",
    ("node", True): "What a node sends",
    ("node", False): "What a node receives",
    ("operator", True): "What an operator sends",
    ("operator", False): "What an operator receives",
}


def reference(schemas: Schemas) -> str:
    """Return the page."""
    parts = [_HEAD, _contents()]
    for direction in DIRECTIONS:
        parts.append(f"## {_title(direction)}\n\nOn `{direction.path}`.\n")
        parts += [_message(direction, message, schemas) for message in direction.messages]
    parts.append("## Values\n\nWhat fields of several messages hold.\n")
    messages = set(schemas.names.values())
    parts += [_value(n, s) for n, s in schemas.by_name.items() if n not in messages]
    return "\n".join(parts)


def _title(direction: Direction) -> str:
    return _TITLES[direction.name, direction.is_inbound]


def _contents() -> str:
    rows = []
    for direction in DIRECTIONS:
        title = _title(direction)
        tags = ", ".join(
            f"[{tag_of(m)}](#{_anchor(direction, tag_of(m))})" for m in direction.messages
        )
        rows.append(f"| {title} | {tags} |")
    return "\n".join(["| | |", "|---|---|", *rows, ""])


def _heading(direction: Direction, tag: str) -> str:
    """Tell apart what the same tag is called in different directions."""
    twice = sum(tag_of(m) == tag for each in DIRECTIONS for m in each.messages) > 1
    way = "sent" if direction.is_inbound else "received"
    return f"{tag} ({direction.name}, {way})" if twice else tag


def _anchor(direction: Direction, tag: str) -> str:
    heading = _heading(direction, tag).lower()
    return "".join(c for c in heading.replace(" ", "-") if c.isalnum() or c in "-_")


def _message(direction: Direction, message: Any, schemas: Schemas) -> str:
    tag = tag_of(message)
    schema = schemas.by_name[schemas.names[message, direction.is_inbound]]
    shown = [json.dumps(e, ensure_ascii=False) for e in examples_of(direction) if e["type"] == tag]
    samples = "\n".join(f"```json\n{example}\n```\n" for example in shown)
    return f"### {_heading(direction, tag)}\n\n{_said(schema)}\n\n{_fields(schema)}\n{samples}"


def _value(name: str, schema: Schema) -> str:
    body = _fields(schema) if "properties" in schema else f"{type_of(schema)}\n"
    return f"### {name}\n\n{_said(schema)}\n\n{body}"


def _said(schema: Schema) -> str:
    paragraphs = str(schema.get("description", "")).split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def _fields(schema: Schema) -> str:
    required = schema.get("required", [])
    rows = [
        f"| {f'**{name}**' if name in required else name} | {type_of(field)} | {_cell(field)} |"
        for name, field in schema["properties"].items()
        if "const" not in field
    ]
    return "\n".join(["| field | type | |", "|---|---|---|", *rows, ""]) if rows else ""


def _cell(field: Schema) -> str:
    said = str(field.get("description", "")).replace("|", "\\|")
    default = field.get("default")
    if default in (None, "", {}, []):
        return said
    return f"{said} Default {json.dumps(default)}.".strip()


def type_of(schema: Schema) -> str:
    """Return a schema in a few words."""
    if "$ref" in schema:
        name = str(schema["$ref"]).removeprefix(REF)
        return f"[{name}](#{name.lower()})"
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    if "anyOf" in schema:
        kinds = [type_of(kind) for kind in schema["anyOf"] if kind != {"type": "null"}]
        return " or ".join(dict.fromkeys(kinds))
    if schema.get("contentEncoding") == "base64":
        return "base64"
    if schema.get("type") == "array":
        return f"list of {type_of(schema.get('items', {}))}"
    return str(schema.get("type", "any")) + _bounds(schema)


def _bounds(schema: Schema) -> str:
    if "maxLength" in schema:
        return f" of at most {schema['maxLength']}"
    if schema.get("pattern") == _LANGUAGE:
        return ", a language code"
    if "pattern" in schema:
        return f" `{schema['pattern']}`".replace("|", "\\|")
    least, most = schema.get("minimum"), schema.get("maximum")
    if least is None or least < 0:
        return ""
    return f" {least} to {most}" if most is not None and most < 2**52 else f" from {least}"
