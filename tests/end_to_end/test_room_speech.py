"""Speech of other members in the form that a page can play."""

import base64
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from peers.pcm import loudness
from tests.end_to_end.support.peers.room_page import guest, room_of, speech_of
from tests.support.peers.raw_client import recorded_packets
from tests.support.peers.raw_node import Ability, RawNode, raw_node
from tests.support.peers.raw_wire import Pair, over_sockets
from tests.support.processes.scheduler_process import SchedulerProcess

SPOKEN = b"".join(recorded_packets()[:60])
"""1.2 s of real speech as a node sends it: opus packets behind their lengths."""
PCM_BYTES = 60 * 640


async def speak(node: RawNode, speech: bytes = SPOKEN, tts_format: str = "opus") -> None:
    """Answer the next job with this voice."""
    job = await node.job()
    voice = base64.b64encode(speech).decode()
    await node.answer(job, "words", tts_audio=voice, tts_format=tts_format)


@over_sockets
async def test_a_page_hears_other_members_as_pcm_and_not_as_noise(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    own, other = pair
    async with (
        raw_node(scheduler.node_url, Ability.among(*pair)) as node,
        room_of(scheduler.session_url, guest(own, other), guest(other, own)) as (ann, bob),
    ):
        assert bob.all_heard("room_create_ack")[0]["tts_format"] == "pcm16"
        for _ in range(2):
            await ann.say_something()
            await speak(node)
            heard = await bob.result()
            assert heard["tts_format"] == "pcm16"
            pcm = speech_of(heard)
            assert len(pcm) % 2 == 0
            assert abs(len(pcm) - PCM_BYTES) <= 640, "as long as what was spoken"
            assert 0.005 < loudness(pcm) < 0.5, "speech, neither silence nor noise"


@over_sockets
async def test_each_member_gets_the_form_it_asked_for(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    own, other = pair
    people = (
        guest(own, other),
        guest(other, own, room_tts_format="opus"),
        guest(other, own, platform="ios"),
        guest(other, own, platform="ios", room_tts_format="pcm16"),
    )
    async with (
        raw_node(scheduler.node_url, Ability.among(*pair)) as node,
        room_of(scheduler.session_url, *people) as (ann, *others),
    ):
        await ann.say_something()
        await speak(node)
        results = [await page.result() for page in others]
        assert [result["tts_format"] for result in results] == ["opus", "opus", "pcm16"]
        assert [speech_of(result) == SPOKEN for result in results] == [True, True, False]
        assert len(node.jobs) == 1


@over_sockets
async def test_a_page_that_is_alone_in_its_room_hears_itself_as_pcm_and_outside_as_spoken(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with (
        raw_node(scheduler.node_url, Ability.among(*pair)) as node,
        room_of(scheduler.session_url, guest(*pair)) as (ann,),
    ):
        await ann.say_something()
        await speak(node)
        heard = await ann.result()
        assert heard["tts_format"] == "pcm16"
        assert abs(len(speech_of(heard)) - PCM_BYTES) <= 640
        await ann.leave()
        await ann.say_something()
        await speak(node)
        heard = await ann.result()
        assert (heard["tts_format"], speech_of(heard)) == ("opus", SPOKEN)


@over_sockets
async def test_what_is_no_opus_goes_out_as_it_is_and_later_speech_is_heard(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    own, other = pair
    async with (
        raw_node(scheduler.node_url, Ability.among(*pair)) as node,
        room_of(scheduler.session_url, guest(own, other), guest(other, own)) as (ann, bob),
    ):
        for speech, tts_format in (
            (b"voice of nobody", "opus"),
            (b"\x01\x02", "pcm16"),
            (b"", "opus"),
        ):
            await ann.say_something()
            await speak(node, speech, tts_format)
            heard = await bob.result()
            assert (speech_of(heard), heard["tts_format"]) == (speech, tts_format)
        await ann.say_something()
        await speak(node)
        assert (await bob.result())["tts_format"] == "pcm16"


@over_sockets
async def test_a_decoder_that_dies_costs_no_words(scheduler: SchedulerProcess, pair: Pair) -> None:
    own, other = pair
    async with (
        raw_node(scheduler.node_url, Ability.among(*pair)) as node,
        room_of(scheduler.session_url, guest(own, other), guest(other, own)) as (ann, bob),
    ):
        await ann.say_something()
        await speak(node)
        await bob.result()
        for worker in decoders_of(scheduler):
            os.kill(worker, signal.SIGKILL)
        formats = []
        for _ in range(2):
            await ann.say_something()
            await speak(node)
            formats.append((await bob.result())["tts_format"])
        assert formats[-1] == "pcm16", "another one was started"


def decoders_of(scheduler: SchedulerProcess) -> list[int]:
    """Return the scheduler's decoding processes."""
    parent = scheduler.process.pid
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text(encoding="ascii").split()
    names = {int(pid): Path(f"/proc/{pid}/cmdline").read_text(encoding="ascii") for pid in children}
    found = [pid for pid, name in names.items() if "opus_worker" in name]
    assert found
    return found


@pytest.fixture(scope="module")
def deaf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SchedulerProcess]:
    """A scheduler in a Python without PyAV."""
    place = tmp_path_factory.mktemp("without_av")
    (place / "sitecustomize.py").write_text("import sys\nsys.modules['av'] = None\n")
    env = {"PYTHONPATH": str(place)}
    scheduler = SchedulerProcess("--port", "0", "--hangover-manual-ms=5", env=env)
    try:
        yield scheduler
        scheduler.terminate()
        assert scheduler.wait() == 0
        assert not scheduler.complaints()
    finally:
        scheduler.kill()
        scheduler.close()


@over_sockets
async def test_without_pyav_speech_is_what_it_says_it_is(
    deaf: SchedulerProcess, pair: Pair
) -> None:
    own, other = pair
    assert "without PyAV" in deaf.log()
    async with (
        raw_node(deaf.node_url, Ability.among(*pair)) as node,
        room_of(deaf.session_url, guest(own, other), guest(other, own)) as (ann, bob),
    ):
        assert bob.all_heard("room_create_ack")[0]["tts_format"] == "opus"
        await ann.say_something()
        await speak(node)
        heard = await bob.result()
        assert (heard["tts_format"], speech_of(heard)) == ("opus", SPOKEN)
