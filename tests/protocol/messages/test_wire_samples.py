"""What existing clients and nodes really send is accepted."""

import json
from pathlib import Path
from typing import Any

import pytest

from protocol.audio.framing import is_opus_framed
from protocol.codec import encode, parse_node_message, parse_session_message
from protocol.messages.node_inbound import JobResult
from protocol.messages.session_inbound import AudioChunk, Utterance
from protocol.wire import WireMessage

SAMPLES = [
    json.loads(line)
    for line in (Path(__file__).parents[2] / "data" / "wire" / "samples.jsonl")
    .read_text()
    .splitlines()
]


def parse(sample: dict[str, Any], text: str | bytes) -> WireMessage:
    parse_message = parse_node_message if sample["socket"] == "node" else parse_session_message
    return parse_message(text)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample["message"]["type"])
def test_a_recorded_message_is_accepted(sample: dict[str, Any]) -> None:
    text = json.dumps(sample["message"])
    message = parse(sample, text)
    assert message == parse(sample, text.encode())
    assert message == parse(sample, encode(message))


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample["message"]["type"])
def test_a_recorded_message_with_unknown_fields_is_accepted(sample: dict[str, Any]) -> None:
    widened = sample["message"] | {"from_the_future": {"any": [1, None]}}
    assert parse(sample, json.dumps(widened)) == parse(sample, json.dumps(sample["message"]))


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample["message"]["type"])
def test_nothing_that_a_recorded_message_says_is_lost(sample: dict[str, Any]) -> None:
    sent = {key: value for key, value in sample["message"].items() if value is not None}
    written = json.loads(encode(parse(sample, json.dumps(sent))))
    assert written == sent


def test_recorded_audio_arrives_as_framed_opus() -> None:
    heard = [
        message.payload if isinstance(message, AudioChunk) else message.audio
        for message in (parse(sample, json.dumps(sample["message"])) for sample in SAMPLES)
        if isinstance(message, AudioChunk | Utterance)
    ]
    assert [is_opus_framed(audio) for audio in heard if audio] == [True, True]


def test_a_recorded_result_keeps_its_speech_and_diagnostics_as_they_are() -> None:
    sent = next(s["message"] for s in SAMPLES if s["message"]["type"] == "job_result")
    result = parse_node_message(json.dumps(sent))
    assert isinstance(result, JobResult)
    assert result.tts_audio == sent["tts_audio"]
    assert result.extra == sent["extra"]
    assert not result.is_empty
