"""Languages as clients and nodes write them: browsers, libraries and engines each in their way."""

import asyncio

import pytest

from tests.support.peers.raw_client import raw_client, session_init, tone
from tests.support.peers.raw_node import Ability, raw_node
from tests.support.peers.raw_wire import over_sockets
from tests.support.processes.scheduler_process import SchedulerProcess

PLAIN = Ability(
    asr=("ga", "ug", "mt", "no"), semantic=("ga", "ug", "mt", "gl"), node_id="plain-tags"
)
LOCAL = Ability(asr=("cy-GB", "eu-ES"), semantic=("ga-IE", "zh-TW"), node_id="local-tags")
"""Tags of languages that no other test speaks."""


@pytest.mark.parametrize(
    ("asked", "served_by", "assigned"),
    [
        (("GA", "UG"), PLAIN, ("ga", "ug")),
        (("mt-MT", "gl"), PLAIN, ("mt", "gl")),
        (("ga_IE", "gl"), PLAIN, ("ga", "gl")),
        (("gle", "mlt"), PLAIN, ("ga", "mt")),
        (("nb", "ga"), PLAIN, ("no", "ga")),
        (("cy", "ga-IE"), LOCAL, ("cy-GB", "ga-IE")),
        (("wel", "zh-Hant-TW"), LOCAL, ("cy-GB", "zh-TW")),
        (("baq", "GA-ie"), LOCAL, ("eu-ES", "ga-IE")),
    ],
)
@over_sockets
async def test_a_node_gets_its_own_tags_and_the_client_its_own(
    scheduler: SchedulerProcess,
    asked: tuple[str, str],
    served_by: Ability,
    assigned: tuple[str, str],
) -> None:
    async with (
        raw_node(scheduler.node_url, PLAIN) as plain,
        raw_node(scheduler.node_url, LOCAL) as local,
        raw_client(scheduler.session_url, *asked) as client,
    ):
        node = plain if served_by is PLAIN else local
        await client.speak(tone(300))
        job = await node.job()
        assert (job["src_lang"], job["tgt_lang"]) == assigned
        await node.answer(job)
        await client.result()


@over_sockets
async def test_simplified_writing_is_no_answer_to_who_reads_traditional(
    scheduler: SchedulerProcess,
) -> None:
    async with (
        raw_node(scheduler.node_url, LOCAL) as node,
        raw_client(scheduler.session_url, "eu", "zh-Hans") as client,
    ):
        await client.speak(tone(300))
        await client.hear("ui_event", event="QUEUED")
        simplified = Ability(asr=("eu",), semantic=("zh-CN",))
        async with raw_node(scheduler.node_url, simplified, answering=True):
            await client.result()
        assert node.jobs == []


@pytest.mark.parametrize("tag", ["", "en;q=0.9", "Espa\u00f1ol", "zh_CN.UTF-8"])
@over_sockets
async def test_what_is_no_tag_is_refused(scheduler: SchedulerProcess, tag: str) -> None:
    async with raw_client(scheduler.session_url, "en", "es") as client:
        await client.say(session_init("en", "es") | {"src_lang": tag})
        refused = await client.error()
        assert refused["code"] == "INVALID_MESSAGE"


@over_sockets
async def test_a_page_can_fill_its_menus(scheduler: SchedulerProcess) -> None:
    speaks = Ability(asr=("lv-LV",), semantic=("lt", "ZH_hant"), tts=("lt",))

    async with raw_node(scheduler.node_url, speaks):
        answer = await asyncio.to_thread(scheduler.get, "/api/v1/languages")
    found = [pair for pair in answer.json["pairs"] if pair["src_lang"] == "lv-LV"]
    assert [(pair["tgt_lang"], pair["speech"]) for pair in found] == [
        ("lt", True),
        ("zh-Hant", False),
    ]


@over_sockets
async def test_who_asks_for_what_nobody_does_is_told_at_once(scheduler: SchedulerProcess) -> None:
    mute = Ability(asr=("sv-SE",), semantic=("fi",))
    async with raw_node(scheduler.node_url, mute):
        async with raw_client(scheduler.session_url, "sv", "fi") as client:
            lacking = [{"src_lang": "sv", "tgt_lang": "fi", "what": "speech"}]
            assert client.ack["unserved"] == lacking
        async with raw_client(scheduler.session_url, "sv", "is") as client:
            lacking = [{"src_lang": "sv", "tgt_lang": "is", "what": "translation"}]
            assert client.ack["unserved"] == lacking
        speaks = Ability(asr=("swe",), semantic=("fin",), tts=("fi-FI",))
        async with (
            raw_node(scheduler.node_url, speaks),
            raw_client(scheduler.session_url, "sv", "fi") as client,
        ):
            assert "unserved" not in client.ack
