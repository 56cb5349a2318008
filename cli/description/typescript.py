"""TypeScript types of all messages, made from their JSON Schemas. Makes text; writes nothing."""

import json
from typing import Final

from cli.description.schemas import DIRECTIONS, REF, Schema, Schemas

_HEAD: Final = """\
// The messages of Lingua. Made from the protocol's models by `python -m cli.description`.
"""
_UNIONS: Final = {
    ("client", True): "ClientMessage",
    ("client", False): "ServerMessage",
    ("node", True): "NodeMessage",
    ("node", False): "NodeCommand",
    ("operator", True): "AdminCommand",
    ("operator", False): "AdminReply",
}
_PRIMITIVES: Final = {
    "string": "string",
    "integer": "number",
    "number": "number",
    "boolean": "boolean",
    "null": "null",
}


def typescript(schemas: Schemas) -> str:
    """Return the text of a declaration file."""
    parts = [_HEAD, *(_declared(name, schema) for name, schema in schemas.by_name.items())]
    for way in DIRECTIONS:
        names = [schemas.names[message, way.is_inbound] for message in way.messages]
        union = _UNIONS[way.name, way.is_inbound]
        whose = f"Everything that a {way.name} may {'send' if way.is_inbound else 'receive'}."
        lines = "".join(f"\n  | {name}" for name in names)
        parts.append(f"/** {whose} */\nexport type {union} ={lines};\n")
    return "\n".join(parts)


def _declared(name: str, schema: Schema) -> str:
    comment = _comment(schema.get("description"), "")
    if "properties" not in schema:
        return f"{comment}export type {name} = {type_of(schema)};\n"
    required = schema.get("required", [])
    lines = [
        f"{_comment(field.get('description'), '  ')}"
        f"  {key}{'' if key in required else '?'}: {type_of(field)};\n"
        for key, field in schema["properties"].items()
    ]
    return f"{comment}export interface {name} {{\n{''.join(lines)}}}\n"


def type_of(schema: Schema) -> str:
    """Return a schema as a TypeScript type."""
    if "$ref" in schema:
        return str(schema["$ref"]).removeprefix(REF)
    if "const" in schema:
        return json.dumps(schema["const"])
    if "enum" in schema:
        return " | ".join(json.dumps(value) for value in schema["enum"])
    if "anyOf" in schema:
        return " | ".join(dict.fromkeys(type_of(each) for each in schema["anyOf"]))
    match schema.get("type"):
        case "array":
            return f"ReadonlyArray<{type_of(schema.get('items', {}))}>"
        case "object":
            values = schema.get("additionalProperties")
            return f"Record<string, {type_of(values) if isinstance(values, dict) else 'unknown'}>"
        case str() as kind:
            return _PRIMITIVES[kind]
        case _:
            return "unknown"


def _comment(text: str | None, indent: str) -> str:
    return f"{indent}/** {' '.join(text.split())} */\n" if text else ""
