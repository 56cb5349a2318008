"""Sessions that outlive their socket: coming back, what was said and what was missed meanwhile."""

import asyncio

import pytest

from protocol.ids import SessionId, speaker_key
from tests.end_to_end.support.peers.resuming_client import ResumingClient
from tests.end_to_end.support.short_absence import GRACE
from tests.support.peers.raw_client import RawClient, tone
from tests.support.peers.raw_node import Ability, RawNode, audio_of, raw_node
from tests.support.peers.raw_wire import Pair, over_sockets
from tests.support.processes.scheduler_process import SchedulerProcess


@pytest.fixture
def scheduler(scheduler_of_short_absences: SchedulerProcess) -> SchedulerProcess:
    return scheduler_of_short_absences


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
        assert audio_of(await node.job(speaker_key=client.known_as)) == tone(300)
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
        await node.answer(await node.job(speaker_key=speaker_key(SessionId(former))))
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
