"""Sessions that outlive their socket: coming back, what was said and what was missed meanwhile."""

import asyncio
from collections.abc import Callable, Iterator

import pytest

from protocol.ids import SessionId, node_session_id
from tests.end_to_end.support.peers.resuming_client import ResumingClient
from tests.support.peers.raw_client import SILENT_CHUNK, RawClient, recorded_chunks, tone
from tests.support.peers.raw_node import Ability, RawNode, audio_of, raw_node
from tests.support.peers.raw_wire import Pair, over_sockets
from tests.support.processes.scheduler_process import SchedulerProcess, running_scheduler

GRACE = 1.5
FLUSH = 0.5
PAUSE = 0.6
"""Seconds."""


@pytest.fixture(scope="module")
def scheduler() -> Iterator[SchedulerProcess]:
    settings = {
        "session-grace-seconds": GRACE,
        "close-flush-ms": int(FLUSH * 1000),
        "pause-ms": int(PAUSE * 1000),
        "audio-ack-interval-ms": 50,
    }
    with running_scheduler(*(f"--{name}={value}" for name, value in settings.items())) as process:
        yield process
        process.wait_until_idle()


async def heard_jobs(node: RawNode, count: int) -> list[bytes]:
    return [audio_of(await node.job()) for _ in range(count)]


# ---- tokens -------------------------------------------------------------------------------------


@over_sockets
async def test_every_ack_to_a_client_that_may_resume_carries_another_token(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    first = await ResumingClient.with_session(scheduler, pair)
    second = await first.resume()
    third = await second.resume()
    tokens = {first.token, second.token, third.token}
    assert len(tokens) == 3
    assert all(len(token) >= 22 for token in tokens)  # 128 bits in base64
    assert not any(token in scheduler.log() for token in tokens)
    await third.leave()


@over_sockets
async def test_who_does_not_ask_for_it_hears_nothing_of_resume(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with RawClient(scheduler.session_url) as client:
        ack = await client.init(*pair)
        assert not {"resume_token", "resumed", "next_seq"} & set(ack)
        await client.end()


@over_sockets
async def test_the_former_token_is_good_until_the_client_has_spoken(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    """The ack of a resume may be lost with its socket: then the client has only the old token."""
    first = await ResumingClient.with_session(scheduler, pair)
    lost = await first.resume()
    again = await lost.resume(resume_token=first.token)
    await again.fence()
    for token in (first.token, lost.token):
        await again.refused_resume(resume_token=token)
    last = await again.resume()
    await last.leave()


@pytest.mark.parametrize(
    "claim",
    [
        {"resume_token": "guess"},
        {"resume_token": ""},
        {"resume_token": None},
        {"resume_token": "gu\u00e9\U0001f600"},
        {"session_id": "s-unknown"},
        {"session_id": None},
    ],
)
@over_sockets
async def test_a_wrong_claim_is_refused_and_changes_nothing(
    scheduler: SchedulerProcess, pair: Pair, claim: dict[str, str | None]
) -> None:
    async with raw_node(scheduler.node_url, Ability.of(pair, 20)) as node:
        owner = await ResumingClient.with_session(scheduler, pair)
        await owner.chunk(tone(300))
        intruder = await owner.refused_resume(**claim)
        await intruder.init(*pair)  # the socket waits for another session_init
        assert intruder.session_id != owner.session_id
        await intruder.end()
        await owner.final()
        assert await heard_jobs(node, 1) == [tone(300)]
        await node.answer(node.jobs[0])
        await owner.result()
        await owner.leave()


@over_sockets
async def test_a_session_that_did_not_ask_for_it_cannot_be_resumed(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    owner = await ResumingClient(scheduler.session_url).open()
    await RawClient.init(owner, *pair)
    await owner.refused_resume(resume_token="anything")
    await owner.leave()


@over_sockets
async def test_nobody_attaches_to_a_resumable_session_by_its_name(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    owner = await ResumingClient.with_session(scheduler, pair)
    owner.abort()
    await asyncio.sleep(0.1)
    async with RawClient(scheduler.session_url) as stranger:
        stranger.session_id = owner.session_id
        await stranger.say(stranger.own("client_heartbeat", timestamp=1))
        assert (await stranger.error())["code"] == "INVALID_SESSION"
    await (await owner.resume()).leave()


@over_sockets
async def test_after_the_grace_nobody_comes_back(scheduler: SchedulerProcess, pair: Pair) -> None:
    owner = await ResumingClient.with_session(scheduler, pair)
    owner.abort()
    await asyncio.sleep(GRACE + 0.2)
    await owner.refused_resume()
    await owner.aclose_all()


@over_sockets
async def test_each_lost_socket_begins_another_grace(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    client = await ResumingClient.with_session(scheduler, pair)
    for _ in range(3):
        client.abort()
        await asyncio.sleep(GRACE * 0.6)
        client = await client.resume()
    await client.leave()


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
        assert (await other.job())["is_timeout_triggered"] is True
        await asyncio.sleep(PAUSE * 0.5)
        assert not node.jobs
        second = await first.resume()
        await second.chunk(tone(200))
        job = await node.job()
        assert job["is_timeout_triggered"] is True
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
        jobs = [await node.job(utterance_index=index) for index in range(6)]
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


# ---- takeover -----------------------------------------------------------------------------------


@over_sockets
async def test_a_live_session_is_taken_over_and_the_former_socket_is_heard_no_more(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with raw_node(scheduler.node_url, Ability.of(pair, 20)) as node:
        first = await ResumingClient.with_session(scheduler, pair)
        await first.chunk(tone(300))
        await first.fence()
        second = await first.knock()
        try:
            await first.chunk(tone(500))
            await first.say(first.own("session_close", reason="late"))
        except OSError:
            pass
        assert await first.close_code() == 4001
        second.ack = await second.hear("session_init_ack")
        taken = second.ack["next_seq"]
        assert taken in (1, 2)  # whichever came first: the chunk or the resume
        second.seq = taken
        await second.final()
        expected = tone(300) if taken == 1 else tone(300) + tone(500)
        assert await heard_jobs(node, 1) == [expected]
        await node.answer(node.jobs[0])
        await second.result()
        await second.leave()


@over_sockets
async def test_a_session_resumed_on_its_own_socket_goes_on(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with raw_node(scheduler.node_url, Ability.of(pair, 20)) as node:
        client = await ResumingClient.with_session(scheduler, pair)
        await client.chunk(tone(300))
        await client.say(client.returning())
        ack = await client.hear("session_init_ack")
        assert (ack["resumed"], ack["next_seq"]) == (True, 1)
        await client.final()
        assert await heard_jobs(node, 1) == [tone(300)]
        await node.answer(node.jobs[0])
        await client.result()
        await client.leave()


@over_sockets
async def test_a_socket_that_resumes_another_session_closes_its_own(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with raw_node(scheduler.node_url, Ability.of(pair, 20)) as node:
        lost = await ResumingClient.with_session(scheduler, pair)
        lost.abort()
        client = await ResumingClient.with_session(scheduler, pair)
        await client.chunk(tone(300))
        await client.say(lost.returning())
        ack = await client.hear("session_init_ack")
        assert ack["session_id"] == lost.session_id
        assert audio_of(await node.job(session_id=client.known_as)) == tone(300)
        await node.answer(node.jobs[0])
        await client.result(session_id=client.session_id)
        client.session_id = lost.session_id
        await client.leave()
        await lost.aclose_all()


# ---- the end ------------------------------------------------------------------------------------


@over_sockets
async def test_a_further_init_on_a_resumable_session_ends_it_as_any_other(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with raw_node(scheduler.node_url, Ability.of(pair, 20)) as node:
        client = await ResumingClient.with_session(scheduler, pair)
        former, token = client.session_id, client.token
        await client.chunk(tone(300))
        await client.init(*pair)
        await node.answer(await node.job(session_id=node_session_id(SessionId(former))))
        await client.result(session_id=former)
        await client.refused_resume(session_id=former, resume_token=token)
        await client.leave()


@over_sockets
async def test_a_client_that_lost_its_socket_while_closing_gets_the_rest(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with raw_node(scheduler.node_url, Ability.of(pair, 20)) as node:
        first = await ResumingClient.with_session(scheduler, pair)
        await first.chunk(tone(300))
        await first.say(first.own("session_close", reason="bye"))
        job = await node.job()
        first.abort()
        await asyncio.sleep(0.1)
        await node.answer(job)
        await node.fence()
        await asyncio.sleep(0.1)
        second = await first.resume()
        await second.result()
        await second.hear("session_close_ack")
        await second.refused_resume()
        await second.aclose_all()


@over_sockets
async def test_a_closed_session_waits_for_its_client_no_longer_than_the_grace(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    first = await ResumingClient.with_session(scheduler, pair)
    await first.say(first.own("session_close", reason="bye"))
    first.abort()
    await asyncio.sleep(GRACE + 0.3)
    await first.refused_resume()
    await first.aclose_all()
