"""The page to speak into, as its users see it: a real browser, a microphone, a node, a bad line."""

import asyncio
import itertools
import struct
from pathlib import Path

import pytest

from tests.end_to_end.support.processes.instances import running_instances
from tests.end_to_end.support.speaking_page import (
    DESKTOP,
    PHONE,
    SPEECH,
    bad_line,
    browser_that_hears,
    choose_file,
    counted_speech,
    cut,
    faults,
    fits,
    open_page,
    shows,
    sine_wave,
    speaking_node,
    texts,
)
from tests.support.peers.raw_wire import Pair, over_sockets
from tests.support.processes.scheduler_process import SchedulerProcess, running_scheduler
from tests.support.waiting import PATIENCE_S

pytestmark = [pytest.mark.takes(60), pytest.mark.timeout(180)]

NOT_STARTED = "document.querySelector('#status').textContent === 'Not started'"
HAS_RESULT = "document.querySelector('.translation .text')?.innerText.length > 0"


def address(port: int, pair: Pair = ("en", "es"), more: str = "") -> str:
    return f"http://127.0.0.1:{port}/#from={pair[0]}&to={pair[1]}{more}"


@pytest.mark.parametrize(
    ("size", "wanted", "sent"),
    [(DESKTOP, "auto", "pcm16"), (PHONE, "opus", "opus")],
    ids=["desktop", "phone"],
)
@over_sockets
async def test_what_is_spoken_is_shown_translated_and_played(
    scheduler: SchedulerProcess, pair: Pair, size: tuple[int, int], wanted: str, sent: str
) -> None:
    async with speaking_node(scheduler.node_url, pair) as node, browser_that_hears() as browser:
        page = await open_page(browser, address(scheduler.port, pair), size)
        await page.run(f"document.querySelector('#format').value = '{wanted}'")
        await page.click("#start")
        await shows(page, "Listening")
        await page.click("#cut")
        await page.until("!document.querySelector('#partial').hidden")
        assert await page.until("document.querySelector('.so-far')?.innerText === 'frase'")
        below = "document.querySelector('#transcript + #partial').getBoundingClientRect().bottom"
        assert await page.run(f"{below} <= innerHeight + 1"), "what is being spoken is out of sight"
        await page.until(HAS_RESULT)
        await page.until("document.querySelector('.translation.playing') !== null")
        [first, *_] = await texts(page, ".translation .text")
        assert first == f"sentence 1 <b>of</b> speech [{pair[1]}]"
        [timing, *_] = await texts(page, ".timing")
        assert "after the last word · recognition 40 ms · translation 20 ms" in timing
        assert await fits(page)
        await page.click("#start")
        await page.until(NOT_STARTED, 2 * PATIENCE_S)
        assert len(await texts(page, ".utterance")) == len(node.jobs)
        assert node.jobs[0]["audio_format"] == sent
        assert not faults(page)
        await page.close()


@pytest.mark.parametrize("flags", [(), ("--workers", "2")], ids=["one process", "two"])
@over_sockets
async def test_a_line_that_is_cut_twice_in_the_middle_loses_no_word(
    pair: Pair, tmp_path: Path, flags: tuple[str, ...]
) -> None:
    spoken = counted_speech(tmp_path / "speech.wav", 15)
    with running_scheduler(*flags) as scheduler:
        async with (
            bad_line(scheduler.port) as line,
            speaking_node(scheduler.node_url, pair) as node,
            browser_that_hears() as browser,
        ):
            page = await open_page(browser, address(line.port, pair))
            await page.run("document.querySelector('#format').value = 'pcm16'")
            await choose_file(page, tmp_path / "speech.wav")
            for part in (0.2, 0.6):
                await page.until(f"document.querySelector('#file-progress').value > {part}")
                await cut(line, page)
            await page.until(NOT_STARTED, 2 * PATIENCE_S)
            heard = struct.unpack(f"<{len(node.heard_pcm()) // 2}h", node.heard_pcm())
            assert len(heard) == len(spoken)
            assert max(abs(one - other) for one, other in zip(heard, spoken, strict=True)) <= 1
            assert len(await texts(page, ".translation")) == len(node.jobs)
            await page.close()


@over_sockets
async def test_a_line_on_which_nothing_arrives_any_more_is_given_up_and_loses_no_word(
    pair: Pair, tmp_path: Path
) -> None:
    spoken = counted_speech(tmp_path / "speech.wav", 15)
    with running_scheduler() as scheduler:
        async with (
            bad_line(scheduler.port) as line,
            speaking_node(scheduler.node_url, pair) as node,
            browser_that_hears() as browser,
        ):
            page = await open_page(browser, address(line.port, pair))
            await choose_file(page, tmp_path / "speech.wav")
            await page.until("document.querySelector('#file-progress').value > 0.4")
            for link in list(line.links):
                link.swallow()
            await shows(page, "The line was cut")
            await page.until(NOT_STARTED, 2 * PATIENCE_S)
            assert len(node.heard_pcm()) // 2 == len(spoken)
            assert len(await texts(page, ".translation")) == len(node.jobs)
            await page.close()


@over_sockets
async def test_an_instance_that_is_stopped_in_the_middle_loses_no_word_and_alarms_nobody(
    pair: Pair, tmp_path: Path
) -> None:
    spoken = counted_speech(tmp_path / "speech.wav", 15)
    with running_instances(2) as instances:
        async with (
            bad_line(instances[0].port) as line,
            speaking_node(instances[1].node_url, pair) as node,
            browser_that_hears() as browser,
        ):
            page = await open_page(browser, address(line.port, pair))
            await choose_file(page, tmp_path / "speech.wav")
            await page.until("document.querySelector('#file-progress').value > 0.3")
            line.target = ("127.0.0.1", instances[1].port)
            instances[0].terminate()
            await page.until(NOT_STARTED, 4 * PATIENCE_S)
            heard = struct.unpack(f"<{len(node.heard_pcm()) // 2}h", node.heard_pcm())
            assert heard[: len(spoken)] == pytest.approx(spoken, abs=1)
            assert not any(heard[len(spoken) :]), "more than the silence that closes a turn"
            assert not await texts(page, ".problem")
            await page.close()


@over_sockets
async def test_a_scheduler_that_forgot_everything_gets_the_words_again(
    pair: Pair, tmp_path: Path
) -> None:
    spoken = counted_speech(tmp_path / "speech.wav", 6)
    async with browser_that_hears() as browser:
        with running_scheduler() as first:
            port = first.port
            page = await open_page(browser, address(port, pair))
            await page.run("document.querySelector('#format').value = 'pcm16'")
            await choose_file(page, tmp_path / "speech.wav")
            await page.until("document.querySelector('#file-progress').value >= 1")
            first.kill()
        await shows(page, "The line was cut")
        with running_scheduler("--port", str(port)) as second:
            async with speaking_node(second.node_url, pair) as node:
                await page.until(NOT_STARTED, 3 * PATIENCE_S)
                await shows(page, "The service was restarted")
                assert len(node.heard_pcm()) // 2 == len(spoken)
        await page.close()


@over_sockets
async def test_without_a_node_the_page_says_so_and_how_long_it_waits(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with browser_that_hears() as browser:
        page = await open_page(browser, address(scheduler.port, pair))
        await page.click("#start")
        await shows(page, f"No node translates {pair[0]} to {pair[1]} now.")
        await shows(page, "Listening")
        await page.click("#cut")
        await shows(page, "waiting for one (")
        async with speaking_node(scheduler.node_url, pair):
            await page.until(HAS_RESULT)
        await page.click("#start")
        await page.close()


@over_sockets
async def test_two_pages_in_a_room_read_and_hear_each_other_in_their_own_language(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    there, back = pair, (pair[1], pair[0])
    async with (
        speaking_node(scheduler.node_url, there),
        speaking_node(scheduler.node_url, back),
        browser_that_hears() as browser,
    ):
        ann = await open_page(browser, address(scheduler.port, there))
        await ann.run("document.querySelector('#room').open = true")
        await ann.run("document.querySelector('#name').value = 'Ann <i>'")
        await ann.click("#room-create")
        await ann.until("location.hash.startsWith('#room=')")
        link = await ann.run("location.hash")
        ben = await open_page(browser, f"{address(scheduler.port, back)}&{link[1:]}", PHONE)
        await ben.run("document.querySelector('#name').value = 'Ben'")
        await ben.click("#room-join")
        await shows(ben, "Ann <i>")
        await shows(ann, "Ben")
        await ann.click("#start")
        await ben.until(HAS_RESULT)
        assert (await texts(ben, ".speaker"))[0] == "Ann <i>"
        assert (await texts(ben, ".translation .text"))[0].endswith(f"[{pair[1]}]")
        await ben.until("document.querySelector('.translation.playing') !== null")
        assert await fits(ben)
        await shows(ann, "Translated for the others")
        await ann.click("#start")
        await shows(ann, "Connected")
        await ann.click("#room-leave")
        await ben.until("document.querySelectorAll('#members li').length === 1")
        await ann.until(NOT_STARTED, 2 * PATIENCE_S)
        assert not faults(ann) + faults(ben)
        await ann.close()
        await ben.close()


@over_sockets
async def test_several_languages_at_once_and_subtitles_only(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    third = f"{pair[1]}x"
    languages = (*pair, third)
    async with (
        speaking_node(scheduler.node_url, languages) as node,
        browser_that_hears() as browser,
    ):
        page = await open_page(browser, address(scheduler.port, pair, f",{third}"))
        await page.run("document.querySelector('#subtitles').checked = true")
        await page.click("#start")
        await shows(page, "Listening")
        await page.click("#cut")
        await page.until("document.querySelectorAll('.utterance .translation').length >= 2")
        assert {job["tgt_lang"] for job in node.jobs} == {pair[1], third}
        assert not any(job["pipeline"]["use_tts"] for job in node.jobs)
        assert await page.run("document.querySelector('.translation button').hidden")
        await page.click("#start")
        await page.until(NOT_STARTED, 2 * PATIENCE_S)
        await page.close()


@over_sockets
async def test_what_is_chosen_while_somebody_speaks_counts_from_then_on(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    third = f"{pair[1]}x"
    languages = (*pair, third)
    async with (
        speaking_node(scheduler.node_url, languages) as node,
        browser_that_hears() as browser,
    ):
        page = await open_page(browser, address(scheduler.port, pair))
        await page.click("#start")
        await shows(page, "Listening")
        await page.click("#cut")
        await page.until(HAS_RESULT)
        for language in (third, pair[1]):
            await page.run(f"document.querySelector('#targets input[value={language}]').click()")
        await page.run("document.querySelector('#subtitles').click()")
        await page.click("#cut")
        await page.until("document.querySelectorAll('.utterance').length >= 2")
        await page.click("#start")
        await page.until(NOT_STARTED, 2 * PATIENCE_S)
        assert (node.jobs[0]["tgt_lang"], node.jobs[0]["pipeline"]["use_tts"]) == (pair[1], True)
        assert (node.jobs[-1]["tgt_lang"], node.jobs[-1]["pipeline"]["use_tts"]) == (third, False)
        assert not faults(page)
        await page.close()


@over_sockets
async def test_a_microphone_of_another_rate_is_heard_at_its_own_pitch(
    scheduler: SchedulerProcess, pair: Pair, tmp_path: Path
) -> None:
    sine_wave(tmp_path / "tone.wav", 400)
    async with (
        speaking_node(scheduler.node_url, pair) as node,
        browser_that_hears(tmp_path / "tone.wav") as browser,
    ):
        page = await open_page(browser, address(scheduler.port, pair))
        await page.run("document.querySelector('#format').value = 'pcm16'")
        await page.run(
            "{ const proto = AudioContext.prototype, own = proto.createMediaStreamSource;"
            " proto.createMediaStreamSource = function (stream) {"
            " if (this.sampleRate === 16000) throw new DOMException('rates', 'NotSupportedError');"
            " return own.call(this, stream); }; }"
        )
        await page.click("#start")
        await shows(page, "Listening")
        await asyncio.sleep(1.5)
        await page.click("#cut")
        await page.until(HAS_RESULT)
        pcm = node.heard_pcm()
        heard = struct.unpack(f"<{len(pcm) // 2}h", pcm)[8000:]
        rises = sum(one < 0 <= other for one, other in itertools.pairwise(heard))
        assert abs(rises * 16_000 / len(heard) - 400) < 12
        await page.click("#start")
        await page.close()


@over_sockets
async def test_a_token_that_is_not_valid_is_named_and_another_one_helps(pair: Pair) -> None:
    with running_scheduler(env={"LINGUA_CLIENT_TOKENS": "acme:sesame"}) as guarded:
        async with browser_that_hears() as browser, speaking_node(guarded.node_url, pair):
            page = await open_page(browser, address(guarded.port, pair, "&token=wrong"))
            assert "wrong" not in await page.run("location.href")
            await page.click("#start")
            await shows(page, "did not accept the access token: the token is not valid here.")
            await page.run("document.querySelector('#token').value = 'sesame'")
            await page.click("#start")
            await shows(page, "Listening")
            await page.click("#cut")
            await page.until(HAS_RESULT)
            await page.click("#start")
            await page.close()


@over_sockets
async def test_a_page_without_tls_says_that_this_is_why_there_is_no_microphone(pair: Pair) -> None:
    rules = "--host-resolver-rules=MAP plain.example 127.0.0.1"
    with running_scheduler("--allowed-hosts=plain.example") as scheduler:
        async with browser_that_hears(SPEECH, rules) as browser:
            url = address(scheduler.port, pair).replace("127.0.0.1", "plain.example")
            page = await open_page(browser, url)
            await shows(page, "came without TLS")
            await page.close()


@over_sockets
async def test_a_microphone_that_is_not_allowed_or_not_there_is_named(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with speaking_node(scheduler.node_url, pair), browser_that_hears() as browser:
        page = await open_page(browser, address(scheduler.port, pair))
        for name, said in (
            ("NotAllowedError", "may not use the microphone"),
            ("NotFoundError", "There is no microphone"),
        ):
            await page.run(
                "navigator.mediaDevices.getUserMedia = async () =>"
                f" {{ throw new DOMException('no', '{name}'); }}"
            )
            await page.click("#start")
            await shows(page, said)
            await page.until(NOT_STARTED, 2 * PATIENCE_S)
        await page.close()


@over_sockets
async def test_a_browser_that_processes_no_sound_is_named(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    """Firefox without a device to play on: the promise of its sound is never kept."""
    async with speaking_node(scheduler.node_url, pair), browser_that_hears() as browser:
        page = await open_page(browser, address(scheduler.port, pair))
        await page.run(
            "AudioContext.prototype.resume = () => new Promise(() => {});"
            "Object.defineProperty(AudioContext.prototype, 'state', { get: () => 'suspended' }); 0"
        )
        await page.click("#start")
        await shows(page, "processes no sound")
        await page.until(NOT_STARTED, 2 * PATIENCE_S)
        await page.close()
