"""What was said and what was missed while a client that comes back was away."""

import asyncio
from collections.abc import Callable

import pytest

from tests.end_to_end.support.peers.resuming_client import ResumingClient
from tests.end_to_end.support.short_absence import GRACE, PAUSE
from tests.support.peers.raw_client import SILENT_CHUNK, RawClient, recorded_chunks, tone
from tests.support.peers.raw_node import Ability, RawNode, audio_of, raw_node
from tests.support.peers.raw_wire import Pair, over_sockets
from tests.support.processes.scheduler_process import SchedulerProcess


@pytest.fixture
def scheduler(scheduler_of_short_absences: SchedulerProcess) -> SchedulerProcess:
    return scheduler_of_short_absences


async def heard_jobs(node: RawNode, count: int) -> list[bytes]:
    return [audio_of(await node.job()) for _ in range(count)]


# ---- uplink -------------------------------------------------------------------------------------


@pytest.mark.parametrize("binary", [False, True], ids=["json", "binary"])
@pytest.mark.parametrize("sent", range(5))
@over_sockets
async def test_an_utterance_is_the_same_wherever_the_line_was_cut(
    scheduler: SchedulerProcess, pair: Pair, *, sent: int, binary: bool
) -> None:
    """Three chunks and a final; the client sends again everything that is not acknowledged."""
    chunks = recorded_chunks()[4:7]

    async def say(client: ResumingClient, seq: int) -> None:
        client.seq = seq
        if seq == len(chunks):
            await (client.binary_final() if binary else client.final())
        else:
            await (client.binary_chunk if binary else client.chunk)(chunks[seq])

    async with raw_node(scheduler.node_url, Ability.of(pair, 20)) as node:
        first = await ResumingClient.with_session(scheduler, pair)
        for seq in range(sent):
            await say(first, seq)
        await first.fence()
        first.abort()
        second = await first.resume()
        assert second.ack["next_seq"] == sent
        for seq in range(4):
            await say(second, seq)
        job = await node.job()
        assert audio_of(job) == b"".join(chunks)
        assert job["is_manual_cut"] is True
        await node.answer(job)
        await second.result()
        await second.fence()
        assert len(node.jobs) == 1
        await second.leave()


@over_sockets
async def test_utterances_recorded_while_the_line_was_down_stay_apart(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    """The cut falls into the hangover of the first; the rest comes in one burst."""
    async with raw_node(scheduler.node_url, Ability.of(pair, 20)) as node:
        first = await ResumingClient.with_session(scheduler, pair)
        await first.speak(tone(600))
        await first.fence()
        first.abort()
        await asyncio.sleep(1.0)
        second = await first.resume()
        for duration_ms in (200, 300, 400):
            await second.speak(tone(duration_ms))
        assert await heard_jobs(node, 4) == [tone(600), tone(200), tone(300), tone(400)]
        for job in node.jobs:
            await node.answer(job)
            await second.result()
        await second.leave()


@over_sockets
async def test_once_caught_up_a_chunk_overtaken_by_its_final_joins_it_again(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with raw_node(scheduler.node_url, Ability.of(pair, 20)) as node:
        first = await ResumingClient.with_session(scheduler, pair)
        await first.chunk(tone(200))
        await first.fence()
        first.abort()
        second = await first.resume()
        await second.speak(tone(2000))
        await node.answer(await node.job())
        await second.result()
        await second.chunk(tone(500))
        await second.final()
        await second.chunk(tone(300))
        assert audio_of(await node.job()) == tone(500) + tone(300)
        await node.answer(node.jobs[-1])
        await second.result()
        await second.leave()


@over_sockets
async def test_a_number_that_was_taken_is_not_heard_again(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with raw_node(scheduler.node_url, Ability.of(pair, 20)) as node:
        client = await ResumingClient.with_session(scheduler, pair)
        for seq in (0, 1, 0, 3, 1, 2, 3):
            await client.chunk_at(seq, tone(100 + seq))
        await client.chunk_at(4, b"", final=True)
        await client.chunk_at(4, b"", final=True)
        assert audio_of(await node.job()) == tone(100) + tone(101) + tone(103) + tone(102)
        await node.answer(node.jobs[0])
        await client.result()
        await client.fence()
        assert len(node.jobs) == 1
        await client.leave()


@over_sockets
async def test_the_same_number_is_heard_twice_without_resume(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with (
        raw_node(scheduler.node_url, Ability.of(pair, 20)) as node,
        RawClient(scheduler.session_url) as client,
    ):
        await client.init(*pair)
        for _ in range(2):
            client.seq = 0
            await client.chunk(tone(200))
        await client.final()
        assert audio_of(await node.job()) == 2 * tone(200)
        await node.answer(node.jobs[0])
        await client.result()
        await client.end()


@over_sockets
async def test_audio_may_be_forgotten_when_its_utterance_has_its_outcome(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with raw_node(scheduler.node_url, Ability.of(pair, 20)) as node:
        client = await ResumingClient.with_session(scheduler, pair)
        await client.speak(tone(300))  # 0 to 2
        await client.speak(tone(0) + SILENT_CHUNK)
        first = await node.job()
        await asyncio.sleep(0.2)
        assert not client.all_heard("audio_ack")
        await node.answer(first)
        await client.result()
        ack = await client.hear("audio_ack")
        assert ack["next_seq"] == client.seq  # silence is settled, too
        await client.chunk(tone(300))
        await asyncio.sleep(0.2)
        assert len(client.all_heard("audio_ack")) == 1
        again = await client.resume()
        assert again.ack["next_seq"] == client.seq
        assert (await again.hear("audio_ack"))["next_seq"] == client.seq - 1
        again.seq = client.seq
        await again.final()
        await node.answer(await node.job())
        await again.result()
        await again.leave()


@over_sockets
async def test_quiet_is_no_pause_while_a_client_is_away_that_may_resume(
    scheduler: SchedulerProcess, fresh_pair: Callable[[], Pair]
) -> None:
    kept, gone = fresh_pair(), fresh_pair()
    async with (
        raw_node(scheduler.node_url, Ability.of(kept, 20)) as node,
        raw_node(scheduler.node_url, Ability.of(gone, 20)) as other,
    ):
        first = await ResumingClient.with_session(scheduler, kept)
        await first.chunk(tone(300))
        await first.fence()
        first.abort()
        without = await RawClient(scheduler.session_url).open()
        await without.init(*gone)
        await without.chunk(tone(300))
        await without.fence()
        without.abort()
        assert (await other.job())["cut_reason"] == "pause"
        await asyncio.sleep(PAUSE * 0.5)
        assert not node.jobs
        second = await first.resume()
        await second.chunk(tone(200))
        job = await node.job()
        assert (job["is_manual_cut"], job["cut_reason"]) == (True, "pause")
        assert audio_of(job) == tone(300) + tone(200)
        await node.answer(job)
        await second.result()
        await second.leave()
        await other.answer(other.jobs[0])
        await without.aclose()


@over_sockets
async def test_what_a_lost_client_said_is_cut_when_its_grace_ends(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with raw_node(scheduler.node_url, Ability.of(pair, 20)) as node:
        client = await ResumingClient.with_session(scheduler, pair)
        await client.chunk(tone(300))
        await client.fence()
        client.abort()
        job = await node.job(seconds=GRACE + 2)
        assert audio_of(job) == tone(300)
        await node.answer(job)
        await client.aclose_all()


# ---- downlink -----------------------------------------------------------------------------------


@over_sockets
async def test_missed_outcomes_come_once_in_order_and_live_ones_after_them(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    languages = {"src_lang": pair[0], "tgt_lang": pair[1]}
    async with raw_node(scheduler.node_url, Ability.of(pair, 20)) as node:
        first = await ResumingClient.with_session(scheduler, pair)
        for index in range(6):
            await first.utterance(index, tone(300), **languages)
        jobs = [await node.job(nth=index) for index in range(6)]
        await node.answer(jobs[0], "words 0")
        await first.result()
        first.abort()
        await asyncio.sleep(0.1)
        for index in (1, 2, 3):
            await node.answer(jobs[index], f"words {index}")
        await node.fence()
        second = await first.resume()
        for index in (1, 2, 3):
            result = await second.result()
            assert (result["utterance_index"], result["delivery_seq"]) == (index, index + 1)
            assert result["text_asr"] == f"words {index}"
            assert result["tts_audio"]
        for index in (4, 5):
            await node.answer(jobs[index])
            assert (await second.result())["delivery_seq"] == index + 1
        second.forget(3)
        third = await second.resume()
        assert [(await third.result())["delivery_seq"] for _ in range(3)] == [4, 5, 6]
        await third.leave()


@over_sockets
async def test_an_outcome_at_the_moment_of_the_resume_comes_once(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    languages = {"src_lang": pair[0], "tgt_lang": pair[1]}
    async with raw_node(scheduler.node_url, Ability.of(pair, 20)) as node:
        client = await ResumingClient.with_session(scheduler, pair)
        for turn in range(12):
            for index in range(2 * turn, 2 * turn + 2):
                await client.utterance(index, tone(300), **languages)
            jobs = [await node.job() for _ in range(2)]
            former = client
            if turn % 2:
                former.abort()
            answers = asyncio.gather(*(node.answer(job) for job in jobs))
            client = await former.resume()
            await answers
            while client.last_delivery_seq < 2 * turn + 2:
                await client.outcome()
        await client.leave()


@over_sockets
async def test_what_the_client_says_it_has_is_not_sent_again(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    languages = {"src_lang": pair[0], "tgt_lang": pair[1]}
    async with raw_node(scheduler.node_url, Ability.of(pair, 20)) as node:
        first = await ResumingClient.with_session(scheduler, pair)
        for index in range(3):
            await first.utterance(index, tone(300), **languages)
            await node.answer(await node.job())
            await first.result()
        await first.say(first.own("client_heartbeat", timestamp=1, last_delivery_seq=2))
        await first.hear("server_heartbeat")
        first.forget(2)
        second = await first.knock(last_delivery_seq=0)
        assert (await second.result())["delivery_seq"] == 3
        assert second.heard[0]["type"] == "session_init_ack"
        await second.leave()
