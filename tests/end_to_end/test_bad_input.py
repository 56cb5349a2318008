"""What a client must not say: it is refused, it costs nothing, and nobody else notices."""

import json
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.support.peers.raw_client import (
    RawClient,
    noise,
    raw_client,
    recorded_packets,
    session_init,
    tone,
)
from tests.support.peers.raw_node import Ability, RawNode, audio_of, raw_node
from tests.support.peers.raw_wire import Message, Pair, over_sockets
from tests.support.processes.scheduler_process import SchedulerProcess

MIB = 1024 * 1024

NO_MESSAGES = {
    "spaces": "   ",
    "no JSON": "{nonsense",
    "half an object": '{"type": "audio_chunk"',
    "two objects": '{"type": "client_heartbeat"} {"type": "client_heartbeat"}',
    "null": "null",
    "a number": "42",
    "a string": '"audio_chunk"',
    "a list": '[{"type": "audio_chunk"}]',
    "an empty object": "{}",
    "no type": '{"session_id": "s"}',
    "a type that is null": '{"type": null}',
    "a type that is a number": '{"type": 5}',
    "a type that is a list": '{"type": ["audio_chunk"]}',
    "an unknown type": '{"type": "audio_chunks"}',
    "an empty type": '{"type": ""}',
    "a reply": '{"type": "session_close_ack", "session_id": "s"}',
    "a node's message": '{"type": "job_result", "job_id": "j", "success": true}',
    "a byte order mark": '\ufeff{"type": "client_heartbeat"}',
    "deep nesting": "[" * 200_000,
    "deep nesting of objects": '{"a":' * 100_000,
    "a number without end": '{"type": "client_heartbeat", "timestamp": ' + "9" * 200_000 + "}",
    "not a number": '{"type": "client_heartbeat", "session_id": "s", "last_delivery_seq": NaN}',
    "half a pair of surrogates": '{"type": "client_heartbeat", "session_id": "\\ud800"}',
    "a long unknown type": json.dumps({"type": "x" * 500_000}),
}

CHUNK_FAULTS: dict[str, Message] = {
    "seq is missing": {"seq": ...},
    "is_final is missing": {"is_final": ...},
    "session_id is missing": {"session_id": ...},
    "session_id is null": {"session_id": None},
    "session_id is a number": {"session_id": 5},
    "session_id is long": {"session_id": "s" * 100_000},
    "seq is negative": {"seq": -1},
    "seq is a string": {"seq": "1"},
    "seq is a fraction": {"seq": 1.5},
    "seq is true": {"seq": True},
    "seq is null": {"seq": None},
    "seq is beyond all numbers": {"seq": 10**400},
    "is_final is a string": {"is_final": "true"},
    "is_final is 1": {"is_final": 1},
    "payload is a number": {"payload": 1},
    "payload is a list": {"payload": [1, 2, 3]},
    "payload is no base64": {"payload": "!!!!"},
    "payload lacks its padding": {"payload": "AAA"},
    "payload is all padding": {"payload": "===="},
    "payload has padding amid": {"payload": "AA==AAAA"},
    "payload has a space": {"payload": "AAAA AAA"},
    "payload has a line break": {"payload": "AAAA\nAAA"},
    "payload has the alphabet of URLs": {"payload": "-_-_"},
    "payload is no ASCII": {"payload": "ÄÄÄÄ"},
}


@asynccontextmanager
async def unharmed(scheduler: SchedulerProcess, pair: Pair) -> AsyncIterator[RawNode]:
    """Speak on another session before and after what the test does; it must not notice."""
    async with (
        raw_node(scheduler.node_url, Ability.of(pair)) as node,
        raw_client(scheduler.session_url, *pair) as bystander,
    ):
        await bystander.chunk(tone(200))
        await bystander.fence()
        yield node
        await bystander.chunk(tone(100))
        await bystander.final()
        job = await node.job(speaker_key=bystander.known_as)
        assert audio_of(job) == tone(200) + tone(100)
        await node.answer(job)
        await bystander.result()
        assert not bystander.all_heard("error")


# ---- messages that are none ---------------------------------------------------------------------


@pytest.mark.parametrize("text", NO_MESSAGES.values(), ids=NO_MESSAGES.keys())
@over_sockets
async def test_text_that_is_no_message_is_refused_and_the_session_lives_on(
    scheduler: SchedulerProcess, pair: Pair, text: str
) -> None:
    async with unharmed(scheduler, pair), raw_client(scheduler.session_url, *pair) as client:
        await client.say_raw(text)
        error = await client.error()
        assert error["code"] == "INVALID_MESSAGE"
        assert 0 < len(error["message"]) < 500
        await client.fence()


@pytest.mark.parametrize("fault", CHUNK_FAULTS.values(), ids=CHUNK_FAULTS.keys())
@over_sockets
async def test_a_chunk_with_a_fault_is_refused_and_no_other_chunk_is_lost(
    scheduler: SchedulerProcess, pair: Pair, fault: Message
) -> None:
    async with unharmed(scheduler, pair) as node, raw_client(scheduler.session_url, *pair) as it:
        await it.chunk(tone(250))
        chunk = {**it.own("audio_chunk", seq=1, is_final=False, payload="AAAA"), **fault}
        await it.say({name: value for name, value in chunk.items() if value is not ...})
        assert (await it.error())["code"] in {"INVALID_MESSAGE", "INVALID_SESSION"}
        await it.chunk(tone(150))
        await it.final()
        job = await node.job(speaker_key=it.known_as)
        assert audio_of(job) == tone(250) + tone(150)
        await node.answer(job)
        await it.result()


INIT_FAULTS: list[Message] = [
    {"src_lang": ...},
    {"tgt_lang": None},
    {"platform": 5},
    {"client_version": ...},
    {"src_lang": "x" * 1000},
    {"src_lang": ""},
    {"src_lang": "e n"},
    {"tgt_lang": "e{n}"},
    {"tgt_lang": "en,es"},
    {"mode": "three_way"},
    {"features": []},
    {"features": {"emotion_detection": "yes"}},
    {"auto_langs": "en"},
    {"auto_langs": ["en"] * 100_000},
    {"lang_a": 7},
    {"trace_id": 7},
    {"trace_id": "t" * 100_000},
    {"sample_rate": 0},
    {"sample_rate": -16000},
    {"audio_format": "mp5"},
    {"use_binary_frame": "true"},
]


@pytest.mark.parametrize("fault", INIT_FAULTS, ids=lambda fault: str(fault)[:40])
@over_sockets
async def test_an_init_with_a_fault_opens_nothing_and_leaves_the_socket_usable(
    scheduler: SchedulerProcess, pair: Pair, fault: Message
) -> None:
    async with unharmed(scheduler, pair), RawClient(scheduler.session_url) as client:
        init = {**session_init(*pair), **fault}
        await client.say({name: value for name, value in init.items() if value is not ...})
        assert (await client.error())["code"] == "INVALID_MESSAGE"
        assert not client.all_heard("session_init_ack")
        await client.init(*pair)
        await client.end()


# ---- binary frames ------------------------------------------------------------------------------


def frames(session_id: str) -> dict[str, bytes]:
    """Return broken frames for this session."""
    name = session_id.encode()
    audio = struct.pack("<BBIIBB", 1, len(name), 0, 0, 0, 0) + name
    final = struct.pack("<BBII", 2, len(name), 0, 0) + name
    return {
        "type 0": b"\x00" + audio[1:],
        "type 3": b"\x03" + audio[1:],
        "type 255": bytes([255]) * 64,
        "random bytes": noise(5, 400),
        "JSON": json.dumps({"type": "client_heartbeat"}).encode(),
        "a header alone": audio[:12],
        "an id that is cut": audio[:-1],
        "an id of another length": struct.pack("<BBIIBB", 1, 255, 0, 0, 0, 0) + name,
        "an id that is no UTF-8": struct.pack("<BBIIBB", 1, 2, 0, 0, 0, 0) + b"\xff\xfe" + b"ab",
        "a final mark of 2": struct.pack("<BBIIBB", 1, len(name), 0, 0, 2, 0) + name + b"ab",
        "a final that goes on": final + b"more",
        "a final that is cut": final[:-1],
        "half a header": audio[:5],
    }


@pytest.mark.parametrize("which", list(frames("s")))
@over_sockets
async def test_a_broken_frame_is_refused_and_nothing_else_is_lost(
    scheduler: SchedulerProcess, pair: Pair, which: str
) -> None:
    async with (
        unharmed(scheduler, pair) as node,
        raw_client(scheduler.session_url, *pair, use_binary_frame=True) as client,
    ):
        await client.binary_chunk(tone(250))
        await client.say_raw(frames(client.session_id)[which])
        assert (await client.error())["code"] in {"INVALID_MESSAGE", "INVALID_SESSION"}
        await client.binary_chunk(tone(150), final=True)
        job = await node.job(speaker_key=client.known_as)
        assert audio_of(job) == tone(250) + tone(150)
        await node.answer(job)
        await client.result()


@over_sockets
async def test_pings_in_frames_are_taken_without_a_word(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with raw_client(scheduler.session_url, *pair) as client:
        await client.say_raw(b"\x10" + bytes(11))
        await client.say_raw(b"\x11")
        await client.fence()
        assert not client.all_heard("error")


@over_sockets
async def test_every_prefix_of_a_frame_is_survived(scheduler: SchedulerProcess, pair: Pair) -> None:
    async with unharmed(scheduler, pair), raw_client(scheduler.session_url, *pair) as client:
        name = client.session_id.encode()
        whole = struct.pack("<BBIIBB", 1, len(name), 0, 0, 0, 0) + name
        for length in range(1, len(whole)):
            await client.say_raw(whole[:length])
            assert (await client.error())["code"] == "INVALID_MESSAGE"
            await client.fence()


@over_sockets
async def test_declared_opus_that_is_none_is_refused(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    packets = recorded_packets()
    broken = [
        b"\xff\xff\x48",  # a packet longer than any
        packets[0][:-1],
        packets[0] + b"\x05",
        noise(7, 500),
        tone(100),
    ]
    async with (
        unharmed(scheduler, pair) as node,
        raw_client(scheduler.session_url, *pair, audio_format="opus") as client,
    ):
        await client.chunk(b"".join(packets[:20]))
        for audio in broken:
            await client.chunk(audio)
            assert (await client.error())["code"] == "INVALID_MESSAGE"
        await client.chunk(b"".join(packets[20:40]))
        await client.final()
        job = await node.job(speaker_key=client.known_as)
        assert audio_of(job) == b"".join(packets[:40])
        await node.answer(job)
        await client.result()


# ---- too much -----------------------------------------------------------------------------------


@pytest.mark.parametrize("binary", [False, True], ids=["text", "binary"])
@over_sockets
async def test_a_message_of_five_mebibytes_is_refused_and_nothing_else_is_lost(
    scheduler: SchedulerProcess, pair: Pair, *, binary: bool
) -> None:
    async with unharmed(scheduler, pair), raw_client(scheduler.session_url, *pair) as client:
        await client.say_raw(bytes(5 * MIB) if binary else "x" * (5 * MIB))
        assert (await client.error())["code"] == "INVALID_MESSAGE"
        await client.fence()


@over_sockets
async def test_a_message_in_pieces_is_as_long_as_all_of_them(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with unharmed(scheduler, pair), raw_client(scheduler.session_url, *pair) as client:
        await client.socket.send("x" * 10_000 for _ in range(500))
        assert (await client.error())["code"] == "INVALID_MESSAGE"
        await client.fence()


@over_sockets
async def test_the_longest_message_is_taken(scheduler: SchedulerProcess, pair: Pair) -> None:
    async with raw_client(scheduler.session_url, *pair) as client:
        beat = json.dumps(client.own("client_heartbeat", timestamp=1))
        await client.say_raw(beat + " " * (4 * MIB - len(beat)))
        await client.hear("server_heartbeat")


@over_sockets
async def test_a_message_in_pieces_is_one_message(scheduler: SchedulerProcess, pair: Pair) -> None:
    async with raw_client(scheduler.session_url, *pair) as client:
        beat = json.dumps(client.own("client_heartbeat", timestamp=1))
        await client.socket.send(beat[start : start + 3] for start in range(0, len(beat), 3))
        await client.hear("server_heartbeat")


@over_sockets
async def test_too_many_bad_messages_in_a_row_close_the_socket_not_the_session(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with unharmed(scheduler, pair) as node:
        client = await RawClient(scheduler.session_url).open()
        await client.init(*pair, platform="api-gateway")
        await client.chunk(tone(300))
        for _ in range(20):
            await client.say_raw("bad")
        await client.fence()
        assert len(client.all_heard("error")) == 20
        for _ in range(21):
            await client.say_raw(b"bad")
        assert await client.close_code() == 1008
        async with RawClient(scheduler.session_url) as second:
            second.session_id = client.session_id
            await second.fence()
            await second.final()
            job = await node.job(speaker_key=client.known_as)
            assert audio_of(job) == tone(300)
            await node.answer(job)
            await second.result()
            await second.end()


@over_sockets
async def test_a_good_message_begins_the_count_of_bad_ones_again(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with raw_client(scheduler.session_url, *pair) as client:
        for _ in range(3):
            for _ in range(20):
                await client.say_raw("bad")
            await client.fence()
        assert len(client.all_heard("error")) == 60


@over_sockets
async def test_text_that_is_no_utf8_ends_the_connection_as_the_standard_says(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with unharmed(scheduler, pair):
        client = await RawClient(scheduler.session_url).open()
        await client.init(*pair, platform="api-gateway")
        await client.socket.send(b'{"type": "\xff\xfe"}', text=True)
        assert await client.close_code() == 1007
        async with RawClient(scheduler.session_url) as second:
            second.session_id = client.session_id
            await second.fence()
            await second.end()


@over_sockets
async def test_words_of_any_script_and_controls_survive_the_way(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    """Ids that a client chooses come back as they were, whatever is in them."""
    trace = "\x00\x1f \\\"'{}|~#\r\n\u2028你好\U0001f600"
    tenant = "{a} b\n\x00"
    async with unharmed(scheduler, pair) as node, RawClient(scheduler.session_url) as client:
        ack = await client.init(*pair, trace_id=trace, tenant_id=tenant, dialect="\x00\n")
        assert ack["trace_id"] == trace
        await client.speak(tone(300))
        job = await node.job(speaker_key=client.known_as)
        assert job["trace_id"] == trace
        await node.answer(job)
        assert (await client.result())["trace_id"] == trace
        await client.end()
