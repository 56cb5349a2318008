"""`run.py client` makes subtitles of a recording, in several languages at once."""

import asyncio
from pathlib import Path

import pytest

from cli.client import main
from peers.pcm import silence
from peers.wav import write_wav
from tests.support.peers.raw_client import tone
from tests.support.peers.raw_node import Ability, RawNode, raw_node
from tests.support.peers.raw_wire import Pair, over_sockets
from tests.support.processes.scheduler_process import SchedulerProcess

pytestmark = pytest.mark.takes(20)


async def run(scheduler: SchedulerProcess, *arguments: str) -> int:
    argv = [*arguments, "--url", scheduler.session_url, "--speed", "20", "--pcm"]
    return await asyncio.to_thread(main, argv)


def talk_of_two_sentences(path: Path) -> str:
    """Write 0.6 s of sound, 2 s of silence, 0.9 s of sound; the pauses end the sentences."""
    write_wav(path, tone(600) + silence(2000) + tone(900))
    return str(path)


def assignments(node: RawNode) -> set[tuple[str, bool]]:
    return {(job["tgt_lang"], job["pipeline"]["use_tts"]) for job in node.jobs}


@over_sockets
async def test_a_recording_gets_subtitles_in_a_file_per_language(
    scheduler: SchedulerProcess, pair: Pair, tmp_path: Path
) -> None:
    own, second = pair
    third = f"{second}x"
    talk = talk_of_two_sentences(tmp_path / "talk.wav")
    to = ("--from", own, "--to", f"{second},{third}")
    wishes = ("--subtitles", "--hint", "Ana", "--srt", str(tmp_path / "talk.srt"))
    ability = Ability((own,), (second, third), capacity=8)
    async with raw_node(scheduler.node_url, ability, answering=True) as node:
        assert await run(scheduler, talk, *to, *wishes) == 0
        assert assignments(node) == {(second, False), (third, False)}
        assert {tuple(job["hints"]) for job in node.jobs} == {("Ana",)}
    for language in (second, third):
        first, second_entry = (tmp_path / f"talk.{language}.srt").read_text().split("\n\n")
        number, times, text = first.splitlines()
        assert (number, text) == ("1", f"words 0 [{language}]")
        assert times.startswith("00:00:00,000 --> 00:00:0")
        number, times, text = second_entry.splitlines()
        assert (number, text) == ("2", f"words 1 [{language}]")
        start, _, end = times.partition(" --> ")
        assert "00:00:02,000" <= start <= "00:00:02,600", "a little before its first sound"
        assert "00:00:03,400" <= end <= "00:00:03,600"


@over_sockets
async def test_one_language_is_one_file(
    scheduler: SchedulerProcess, pair: Pair, tmp_path: Path
) -> None:
    talk = talk_of_two_sentences(tmp_path / "talk.wav")
    subtitles = tmp_path / "subtitles.srt"
    to = ("--from", pair[0], "--to", pair[1], "--srt", str(subtitles), "--voice", "ana")
    async with raw_node(scheduler.node_url, Ability.of(pair, 4), answering=True) as node:
        assert await run(scheduler, talk, *to) == 0
        assert assignments(node) == {(pair[1], True)}
    assert subtitles.read_text().count("-->") == 2
