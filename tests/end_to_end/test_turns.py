"""Long speech: segments of one turn, and what ends it."""

import asyncio

import pytest

from tests.end_to_end.support.short_deadlines import is_next_attempt
from tests.end_to_end.support.short_segments import LIMIT_MS, finish, speaker_and_node, why
from tests.support.peers.raw_client import SILENT_CHUNK, raw_client, recorded_packets, tone
from tests.support.peers.raw_node import Ability, audio_of, raw_node
from tests.support.peers.raw_wire import Pair, over_sockets
from tests.support.processes.scheduler_process import SchedulerProcess


@pytest.fixture
def scheduler(scheduler_of_short_turns: SchedulerProcess) -> SchedulerProcess:
    return scheduler_of_short_turns


# ---- turns --------------------------------------------------------------------------------------


@over_sockets
async def test_segments_of_a_long_turn_share_its_id_and_its_slot(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with speaker_and_node(scheduler, pair) as (client, node):
        await client.chunk(tone(LIMIT_MS))
        await client.chunk(tone(LIMIT_MS))
        await client.chunk(tone(300))
        await client.final()
        first, second, third = [await node.job() for _ in range(3)]
        assert [why(job) for job in (first, second, third)] == [
            "is_max_duration_triggered",
            "is_max_duration_triggered",
            "is_manual_cut",
        ]
        assert [job["utterance_index"] for job in (first, second, third)] == [0, 1, 2]
        assert first["turn_id"] == second["turn_id"] == third["turn_id"]
        assert [job["padding_ms"] for job in (first, second, third)] == [220, 220, 280]
        assert (node.peak, node.peak_jobs) == (1, 3)
        # The first is never answered, the second has text alone, the third has everything.
        await node.answer(second, "one two", text_translated="", tts_audio="")
        partial = await client.hear("asr_partial")
        assert (partial["text"], partial["utterance_index"]) == ("one two", 1)
        await node.answer(third, "one two three")
        outcomes = [await client.outcome() for _ in range(3)]
        assert [outcome["utterance_index"] for outcome in outcomes] == [0, 1, 2]
        assert [outcome.get("reason") for outcome in outcomes] == ["merged", "merged", None]
        assert outcomes[2]["text_asr"] == "one two three"
        await client.speak(tone(300))
        later = await node.job()
        assert later["turn_id"] != first["turn_id"]
        await finish(node, client, later)


@pytest.mark.parametrize("encoding", ["opus", "pcm16"])
@over_sockets
async def test_a_turn_that_ends_with_nothing_is_closed_by_silence(
    scheduler: SchedulerProcess, pair: Pair, encoding: str
) -> None:
    packets = recorded_packets()[: LIMIT_MS // 20]
    async with speaker_and_node(scheduler, pair) as (client, node):
        await client.chunk(tone(LIMIT_MS) if encoding == "pcm16" else b"".join(packets))
        first = await node.job()
        await client.final()
        last = await node.job()
        assert last["turn_id"] == first["turn_id"]
        assert last["audio_format"] == first["audio_format"] == encoding
        assert why(last) == "is_manual_cut"
        silence = audio_of(last)
        if encoding == "pcm16":
            assert silence == bytes(200 * 32)
        else:
            lengths, position = [], 0
            while position < len(silence):
                lengths.append(int.from_bytes(silence[position : position + 2], "little"))
                position += 2 + lengths[-1]
            assert position == len(silence)
            assert len(lengths) == 10
        await node.answer(last, "all of it")
        assert (await client.missing())["reason"] == "merged"
        assert (await client.result())["text_asr"] == "all of it"


@over_sockets
async def test_a_silent_rest_of_a_turn_closes_it(scheduler: SchedulerProcess, pair: Pair) -> None:
    async with speaker_and_node(scheduler, pair) as (client, node):
        await client.chunk(b"".join(recorded_packets()[:50]))
        first = await node.job()
        await client.chunk(SILENT_CHUNK)
        await client.final()
        last = await node.job()
        assert audio_of(last) == SILENT_CHUNK
        assert last["turn_id"] == first["turn_id"]
        await finish(node, client, first, last)


@over_sockets
async def test_a_turn_whose_segments_are_answered_needs_no_closing(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with speaker_and_node(scheduler, pair) as (client, node):
        await client.chunk(tone(LIMIT_MS))
        await finish(node, client, await node.job())
        await client.final()
        await asyncio.sleep(0.1)  # the hangover
        await client.fence()
        assert len(node.jobs) == 1
        await client.speak(tone(300))
        job = await node.job()
        assert (job["nth"], job["utterance_index"]) == (1, 0)  # the first of a turn of its own
        await finish(node, client, job)


@over_sockets
async def test_a_monologue_is_ended_by_max_turn(scheduler: SchedulerProcess, pair: Pair) -> None:
    async with speaker_and_node(scheduler, pair) as (client, node):
        for _ in range(5):
            await client.chunk(tone(500))
        one, two, three = [await node.job() for _ in range(3)]
        assert [why(job) for job in (one, two, three)] == [
            "is_max_duration_triggered",
            "is_max_duration_triggered",
            "is_manual_cut",
        ]
        assert three["cut_reason"] == "max_turn"
        assert three["turn_id"] == one["turn_id"]
        assert len(audio_of(three)) == 500 * 32
        assert three["padding_ms"] == 220
        await node.answer(three, "the whole")
        for _ in range(3):
            await client.outcome()
        await client.chunk(tone(LIMIT_MS))
        four = await node.job()
        assert four["turn_id"] != one["turn_id"]
        await finish(node, client, four)


@over_sockets
async def test_a_turn_moves_whole_from_a_node_that_drops_its_languages(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with (
        speaker_and_node(scheduler, pair) as (client, former),
        raw_client(scheduler.session_url, *pair) as rival,
    ):
        await client.chunk(tone(LIMIT_MS))
        first = await former.job()
        async with raw_node(scheduler.node_url, Ability.of(pair, capacity=1)) as new:
            await former.beat(language_capabilities={"asr_languages": [], "semantic_languages": []})
            await rival.speak(tone(200))  # whoever hears it, the heartbeat has been read by then
            await finish(new, rival, await new.job())
            await client.chunk(tone(LIMIT_MS))
            assert (await former.hear("job_cancel"))["job_id"] == first["job_id"]
            await client.chunk(tone(300))
            await client.final()
            jobs = [await new.job() for _ in range(3)]
            assert is_next_attempt(jobs[0], first)
            assert [job["utterance_index"] for job in jobs] == [0, 1, 2]
            assert [job["attempt_id"] for job in jobs] == [2, 2, 2]
            assert len({job["turn_id"] for job in jobs}) == 1
            assert len({job["session_id"] for job in jobs}) == 1
            await former.answer(first, "too late")
            for job in jobs:
                await new.answer(job, f"words {job['utterance_index']}")
            outcomes = [await client.outcome() for _ in jobs]
            assert [one["utterance_index"] for one in outcomes] == [0, 1, 2]
            assert [one["text_asr"] for one in outcomes] == ["words 0", "words 1", "words 2"]
            await rival.speak(tone(200))  # the slot is free again, and nothing comes twice
            await finish(new, rival, await new.job())
            await client.fence()
            assert len(client.all_heard("translation_result")) == 3
            assert (new.peak, len(former.jobs)) == (1, 1)
