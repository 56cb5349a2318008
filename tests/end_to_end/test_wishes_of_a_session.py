"""What a client may ask for when it begins: subtitles alone, speech as PCM16, hints, a voice."""

import base64
from collections.abc import Iterator

import pytest

from tests.end_to_end.support.peers.resuming_client import ResumingClient
from tests.end_to_end.support.peers.room_page import guest, room_of, speech_of
from tests.end_to_end.support.processes.cluster import Cluster, instances
from tests.support.peers.raw_client import (
    RawClient,
    raw_client,
    recorded_packets,
    session_init,
    tone,
)
from tests.support.peers.raw_node import Ability, RawNode, raw_node
from tests.support.peers.raw_wire import Message, Pair, over_sockets
from tests.support.processes.scheduler_process import SchedulerProcess

pytestmark = pytest.mark.takes(20)

SPOKEN = b"".join(recorded_packets()[:60])
"""1.2 s of real speech as a node sends it: opus packets behind their lengths."""
PCM_BYTES = 60 * 640
SUBTITLES = {"use_asr": True, "use_nmt": True, "use_tts": False}
TRANSCRIPT = {"use_asr": True, "use_nmt": False, "use_tts": False}
TRACE_PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    flags = ("--session-grace-seconds=8", "--audio-ack-interval-ms=50", "--instance-lease-ms=1000")
    with instances(2, *flags) as made:
        yield made


async def speak(node: RawNode, speech: bytes = SPOKEN, tts_format: str = "opus") -> Message:
    """Answer the next job with this voice; return the job."""
    job = await node.job()
    voice = base64.b64encode(speech).decode()
    await node.answer(job, "words", tts_audio=voice, tts_format=tts_format)
    return job


# ---- pipeline -----------------------------------------------------------------------------------


@over_sockets
async def test_subtitles_alone_cost_no_speech(scheduler: SchedulerProcess, pair: Pair) -> None:
    async with (
        raw_node(scheduler.node_url, Ability.of(pair)) as node,
        raw_client(scheduler.session_url, *pair, pipeline=SUBTITLES) as client,
    ):
        assert "unserved" not in client.ack, "nobody speaks it, and nobody asked for that"
        await client.speak(tone(300))
        job = await node.job()
        assert job["pipeline"]["use_tts"] is False
        await node.answer(job, tts_audio="")
        assert (await client.result())["text_translated"] == f"hello [{pair[1]}]"


@over_sockets
async def test_a_transcript_needs_a_node_that_hears_and_no_translator(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    hears = Ability(asr=pair[:1], semantic=())
    async with (
        raw_node(scheduler.node_url, hears) as node,
        raw_client(scheduler.session_url, *pair, pipeline=TRANSCRIPT) as client,
    ):
        assert "unserved" not in client.ack
        await client.speak(tone(300))
        job = await node.job()
        assert job["pipeline"]["use_nmt"] is False
        await node.answer(job, text_translated="", tts_audio="")
        assert (await client.result())["text_asr"] == "hello"


# ---- speech -------------------------------------------------------------------------------------


@over_sockets
async def test_speech_comes_as_pcm_to_who_asked_for_it(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with (
        raw_node(scheduler.node_url, Ability.of(pair)) as node,
        raw_client(scheduler.session_url, *pair, tts_format="pcm16", platform="ios") as client,
    ):
        for _ in range(2):
            await client.speak(tone(300))
            await speak(node)
            heard = await client.result()
            assert heard["tts_format"] == "pcm16"
            assert abs(len(speech_of(heard)) - PCM_BYTES) <= 640
        await client.speak(tone(300))
        await speak(node, b"\x01\x02", "pcm16")
        heard = await client.result()
        assert (heard["tts_format"], speech_of(heard)) == ("pcm16", b"\x01\x02")
        await client.speak(tone(300))
        await speak(node, b"no packets at all")
        heard = await client.result()
        assert (heard["tts_format"], speech_of(heard)) == ("opus", b"no packets at all")


@over_sockets
async def test_speech_that_is_turned_into_pcm_keeps_its_place(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with (
        raw_node(scheduler.node_url, Ability.of(pair, 4)) as node,
        raw_client(scheduler.session_url, *pair, tts_format="pcm16") as client,
    ):
        jobs = []
        for _ in range(3):
            await client.speak(tone(300))
            jobs.append(await node.job())
        for job in jobs[1:]:
            await node.answer(job, tts_audio="")
        voice = base64.b64encode(SPOKEN).decode()
        await node.answer(jobs[0], tts_audio=voice)
        found = [await client.result() for _ in range(3)]
        assert [one["utterance_index"] for one in found] == [0, 1, 2]
        assert found[0]["tts_format"] == "pcm16"


@over_sockets
async def test_an_explicit_form_wins_over_what_a_page_gets_in_a_room(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    own, other = pair
    people = (
        guest(own, other),
        guest(other, own, tts_format="opus"),
        guest(other, own, tts_format="opus", room_tts_format="pcm16"),
        guest(other, own, tts_format="pcm16", platform="ios"),
    )
    async with (
        raw_node(scheduler.node_url, Ability.among(*pair)) as node,
        room_of(scheduler.session_url, *people) as (ann, *others),
    ):
        await ann.say_something()
        await speak(node)
        found = [(await page.result())["tts_format"] for page in others]
        assert found == ["opus", "opus", "pcm16"]


# ---- hints, voice, trace ------------------------------------------------------------------------


@over_sockets
async def test_hints_and_the_trace_reach_the_node_and_a_voice_only_who_has_it(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    wishes: Message = {"hints": ["Ana Martí", "Łódź"], "voice": "ana", "traceparent": TRACE_PARENT}
    mute = Ability.of(pair)
    speaks = Ability.of(pair)
    speaks.more["tts_voices"] = {f"{pair[1]}-ES": ["bob", "ana"]}
    others = Ability.of(pair)
    others.more["tts_voices"] = {pair[1]: ["bob"], pair[0]: ["ana"]}
    async with raw_client(scheduler.session_url, *pair, **wishes) as client:
        for ability, voice_id in ((mute, None), (speaks, "ana"), (others, None)):
            async with raw_node(scheduler.node_url, ability) as node:
                await client.speak(tone(300))
                job = await speak(node)
                assert job["hints"] == wishes["hints"]
                assert job["traceparent"] == TRACE_PARENT
                assert job.get("voice_id") == voice_id
                await client.result()


@pytest.mark.parametrize(
    "wrong",
    [
        {"hints": ["x"] * 101},
        {"hints": ["x" * 65]},
        {"hints": "Ana"},
        {"voice": 7},
        {"pipeline": {"use_asr": "yes", "use_nmt": True, "use_tts": True}},
        {"tts_format": "mp3"},
    ],
)
@over_sockets
async def test_a_wish_that_is_wrong_is_refused(scheduler: SchedulerProcess, wrong: Message) -> None:
    async with RawClient(scheduler.session_url) as client:
        await client.say(session_init("en", "es", **wrong))
        assert (await client.error())["code"] == "INVALID_MESSAGE"


@pytest.mark.parametrize("odd", ["", "00-1-2-3", 5, f"{TRACE_PARENT} ", TRACE_PARENT.upper()])
@over_sockets
async def test_a_trace_that_is_none_is_left_out(
    scheduler: SchedulerProcess, pair: Pair, odd: object
) -> None:
    async with (
        raw_node(scheduler.node_url, Ability.of(pair)) as node,
        raw_client(scheduler.session_url, *pair, traceparent=odd) as client,
    ):
        await client.speak(tone(300))
        assert "traceparent" not in await speak(node)
        await client.result()


@over_sockets
async def test_wishes_hold_wherever_the_session_goes_on(cluster: Cluster, pair: Pair) -> None:
    first, second = cluster.members
    client = ResumingClient(first.session_url)
    await client.open()
    wishes: Message = {"hints": ["Ana"], "traceparent": TRACE_PARENT, "tts_format": "pcm16"}
    await client.init(*pair, **wishes)
    await client.speak(tone(300))
    await client.hear("ui_event", event="QUEUED")
    cluster.crash(first)
    client = await client.resume_at(second)
    client.seq = 0
    await client.speak(tone(300))
    async with raw_node(second.node_url, Ability.of(pair)) as node:
        for _ in range(2):
            job = await speak(node)
            assert (job["hints"], job["traceparent"]) == (["Ana"], TRACE_PARENT)
            assert (await client.result())["tts_format"] == "pcm16"
            if client.last_delivery_seq == 1:
                await client.speak(tone(300))
        await client.leave()


# ---- pairs --------------------------------------------------------------------------------------


@over_sockets
async def test_a_pair_that_nobody_serves_both_ways_is_told_at_once(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    one, other = pair
    two_way = {"mode": "two_way_auto", "lang_a": one, "lang_b": other}
    there = Ability(asr=(one,), semantic=(other,), tts=(other,))
    back = Ability(asr=(other,), semantic=(one,), tts=(one,))
    both = Ability(asr=pair, semantic=pair, tts=(other,))
    lacking = [
        {"src_lang": one, "tgt_lang": other, "what": "translation"},
        {"src_lang": other, "tgt_lang": one, "what": "translation"},
    ]
    async with raw_node(scheduler.node_url, there):
        async with raw_client(scheduler.session_url, "auto", other, **two_way) as client:
            assert client.ack["unserved"] == lacking[1:]
        async with (
            raw_node(scheduler.node_url, back),
            raw_client(scheduler.session_url, "auto", other, **two_way) as client,
        ):
            assert client.ack["unserved"] == lacking, "no single node hears and answers both"
    async with (
        raw_node(scheduler.node_url, both),
        raw_client(scheduler.session_url, "auto", other, **two_way) as client,
    ):
        assert client.ack["unserved"] == [{"src_lang": other, "tgt_lang": one, "what": "speech"}]
