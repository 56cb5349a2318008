"""The existing API gateway and the existing phone app, through the real scheduler."""

import asyncio
from collections.abc import Iterator

import pytest

from tests.end_to_end.support.peers.existing_clients import ApiGateway, Phone
from tests.support.peers.raw_client import tone
from tests.support.peers.raw_node import Ability, audio_of, raw_node
from tests.support.peers.raw_wire import Message, Pair, over_sockets
from tests.support.processes.scheduler_process import SchedulerProcess, running_scheduler
from tests.support.waiting import PATIENCE_S

PENDING = 0.5
PAUSE = 0.4
"""Seconds."""
"""Seconds after which a caller of the gateway would not wait any longer; it would."""


@pytest.fixture(scope="module")
def scheduler() -> Iterator[SchedulerProcess]:
    flags = (
        f"--pending-timeout-ms={int(PENDING * 1000)}",
        f"--pause-ms={int(PAUSE * 1000)}",
        "--session-grace-seconds=0.5",
        "--gateway-grace-seconds=0.5",
    )
    with running_scheduler(*flags) as process:
        yield process
        process.wait_until_idle()


# ---- gateway ------------------------------------------------------------------------------------


@over_sockets
async def test_callers_of_the_gateway_get_their_words(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    """Many at once; each has a session of its own that changes its socket."""
    gateway = ApiGateway(scheduler.session_url, *pair)
    async with raw_node(scheduler.node_url, Ability.of(pair)) as node:

        def work(job: Message) -> None:
            assert job["is_manual_cut"] is True
            text = f"{len(audio_of(job)) // 32} ms"
            tasks.append(asyncio.create_task(node.answer(job, text)))

        tasks: list[asyncio.Task[None]] = []
        node.on_job = work
        async with asyncio.timeout(PATIENCE_S):
            lengths = range(100, 2100, 200)
            said = await asyncio.gather(*(gateway.translate(tone(ms)) for ms in lengths))
        assert [result and result["text_asr"] for result in said] == [f"{ms} ms" for ms in lengths]
        assert all(result and result["tts_audio"] for result in said)


@pytest.mark.parametrize("found", ["ASR_EMPTY", "NO_TEXT_ASSIGNED"])
@over_sockets
async def test_a_caller_who_sends_silence_hears_that_nothing_was_said(
    scheduler: SchedulerProcess, pair: Pair, found: str
) -> None:
    gateway = ApiGateway(scheduler.session_url, *pair)
    async with raw_node(scheduler.node_url, Ability.of(pair)) as node:
        call = asyncio.create_task(gateway.translate(tone(300)))
        await node.answer(await node.job(), "", extra={"reason": found})
        async with asyncio.timeout(PATIENCE_S):
            result = await call
        assert result is not None
        assert (result["text_translated"], result["tts_audio"]) == ("", "")


@over_sockets
async def test_a_caller_whose_words_nobody_can_translate_does_not_wait_for_ever(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    """A gateway skips all but results; what it understands is the end of its connection."""
    gateway = ApiGateway(scheduler.session_url, *pair)
    async with asyncio.timeout(PENDING + PATIENCE_S):
        assert await gateway.translate(tone(300)) is None
    async with raw_node(scheduler.node_url, Ability.of(pair)) as node:
        call = asyncio.create_task(gateway.translate(tone(300)))
        await node.refuse(await node.job(), "PROCESSING_ERROR")
        async with asyncio.timeout(PATIENCE_S):
            assert await call is None


@over_sockets
async def test_a_caller_whose_audio_is_of_no_use_does_not_wait_for_ever(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    gateway = ApiGateway(scheduler.session_url, *pair)
    async with asyncio.timeout(PATIENCE_S):
        assert await gateway.translate(b"") is None
        assert await gateway.translate(b"RIFF....", audio_format="opus") is None


# ---- phone --------------------------------------------------------------------------------------


@over_sockets
async def test_a_phone_that_speaks_in_pieces_is_read_in_sentences(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with (
        raw_node(scheduler.node_url, Ability.of(pair)) as node,
        Phone(scheduler.session_url) as phone,
    ):
        await phone.call(*pair)
        shown = []
        for number in range(3):
            await phone.talk(tone(1000), *pair)
            await phone.beat()
            job = await node.job()
            assert audio_of(job) == tone(200) * 5
            await node.answer(job, f"sentence {number}")
            shown.append(await phone.result())
        assert [result["text_asr"] for result in shown] == [f"sentence {n}" for n in range(3)]
        indexes = [result["utterance_index"] for result in shown]
        assert indexes == sorted(set(indexes))
        assert len(node.jobs) == 3
        assert not phone.all_heard("error")
        await phone.hang_up()


@over_sockets
async def test_a_phone_that_calls_again_after_hanging_up_leaves_no_trace(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    """A ghost: nobody speaks in the second session, and nobody will close it."""
    async with raw_node(scheduler.node_url, Ability.of(pair), answering=True):
        phone = await Phone(scheduler.session_url).open()
        await phone.call(*pair)
        await phone.talk(tone(600), *pair)
        await phone.hang_up()  # what was said last is heard before the ack
        assert (await phone.result())["text_asr"] == "words 0"
        ghost = await Phone(scheduler.session_url).open()
        await ghost.call(*pair)
        await ghost.beat()
        assert not ghost.outcomes()
        assert scheduler.metrics()["lingua_sessions"] == 1
        ghost.abort()
    scheduler.wait_until_idle()


@over_sockets
async def test_a_phone_that_loses_its_line_five_times_is_understood_each_time(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with raw_node(scheduler.node_url, Ability.of(pair), answering=True) as node:
        index = 0
        for call in range(6):
            phone = await Phone(scheduler.session_url).open()
            phone.index = index
            await phone.call(*pair)
            await phone.talk(tone(600 + 200 * call), *pair)
            await phone.result()
            index = phone.index
            phone.abort()
        assert [len(audio_of(job)) // 32 for job in node.jobs] == [600 + 200 * n for n in range(6)]
        assert len({job["session_id"] for job in node.jobs}) == 6
    scheduler.wait_until_idle()
