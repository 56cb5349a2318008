"""What is made from the models: valid by its own rules, and with every message in it."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator, Draft202012Validator

from cli.description.asyncapi import asyncapi_document, examples, examples_of
from cli.description.schemas import DIRECTIONS, Direction, all_schemas, field_docs, tag_of
from cli.description.typescript import type_of
from protocol.codec import (
    parse_admin_message,
    parse_admin_reply,
    parse_node_command,
    parse_node_message,
    parse_session_message,
    parse_session_reply,
)
from protocol.messages.node_inbound import JobAck
from protocol.messages.session_inbound import SessionInit

ROOT = Path(__file__).parents[3]
SCHEMAS = all_schemas()
SCHEMA = ROOT / "tests" / "data" / "asyncapi" / "3.0.0.json.gz"
PARSERS: dict[tuple[str, bool], Callable[[str], object]] = {
    ("client", True): parse_session_message,
    ("client", False): parse_session_reply,
    ("node", True): parse_node_message,
    ("node", False): parse_node_command,
    ("operator", True): parse_admin_message,
    ("operator", False): parse_admin_reply,
}


def name_of(direction: Direction) -> str:
    return f"{direction.name}-{'sends' if direction.is_inbound else 'receives'}"


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return asyncapi_document(SCHEMAS, "1.2.3")


@pytest.fixture(scope="module")
def asyncapi() -> Draft7Validator:
    return Draft7Validator(json.loads(gzip.decompress(SCHEMA.read_bytes())))


def test_the_document_is_valid_asyncapi(
    document: dict[str, Any], asyncapi: Draft7Validator
) -> None:
    assert not list(asyncapi.iter_errors(document))


@pytest.mark.parametrize(
    ("part", "fault"),
    [
        ("asyncapi", "2.6.0"),
        ("info", {"title": "no version"}),
        ("operations", {"o": {"action": "publish", "channel": {"$ref": "#/channels/client"}}}),
        ("channels", {"c": {"messages": []}}),
    ],
)
def test_the_schema_refuses_what_is_no_asyncapi(
    document: dict[str, Any], asyncapi: Draft7Validator, part: str, fault: Any
) -> None:
    assert list(asyncapi.iter_errors(document | {part: fault}))


def test_every_reference_of_the_document_leads_somewhere(document: dict[str, Any]) -> None:
    def references(value: Any) -> list[str]:
        if isinstance(value, dict):
            own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
            return own + [found for each in value.values() for found in references(each)]
        return (
            [found for each in value for found in references(each)]
            if isinstance(value, list)
            else []
        )

    found = references(document)
    assert len(found) > 100
    for reference in found:
        place: Any = document
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]


@pytest.mark.parametrize("direction", DIRECTIONS, ids=name_of)
def test_every_message_has_an_example_that_its_model_takes(
    direction: Direction, document: dict[str, Any]
) -> None:
    shown = examples_of(direction)
    assert {each["type"] for each in shown} == {tag_of(m) for m in direction.messages}
    models = {tag_of(message): message for message in direction.messages}
    for example in shown:
        parsed = PARSERS[direction.name, direction.is_inbound](json.dumps(example))
        assert type(parsed) is models[example["type"]]
        model = models[example["type"]]
        assert not {*example} - {*model.model_fields}
        place = SCHEMAS.names[model, direction.is_inbound]
        schema = {"$ref": f"#/components/schemas/{place}", "components": document["components"]}
        Draft202012Validator(schema).validate(example)


def test_no_example_stands_under_a_direction_that_is_none() -> None:
    assert len(examples()) == len(DIRECTIONS)


def test_a_field_has_the_sentence_that_stands_under_it() -> None:
    assert field_docs(SessionInit)["resume"] == "Keep what is needed to go on after a lost socket."
    assert field_docs(JobAck) == {}


@pytest.mark.parametrize(
    ("schema", "kind"),
    [
        ({"type": "string", "maxLength": 3}, "string"),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, "number | null"),
        ({"const": "drain"}, '"drain"'),
        ({"enum": ["a", "b"]}, '"a" | "b"'),
        ({"$ref": "#/components/schemas/Pipeline"}, "Pipeline"),
        ({"type": "array", "items": {"type": "boolean"}}, "ReadonlyArray<boolean>"),
        (
            {"type": "object", "additionalProperties": {"type": "boolean"}},
            "Record<string, boolean>",
        ),
        ({"type": "object", "additionalProperties": True}, "Record<string, unknown>"),
        ({}, "unknown"),
    ],
)
def test_a_schema_becomes_a_type_of_typescript(schema: dict[str, Any], kind: str) -> None:
    assert type_of(schema) == kind
